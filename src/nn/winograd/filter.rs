//! Transformed weights, and their gradients.

use super::{POSITIONS, transform};
use crate::nn::isa::Isa;
use crate::nn::panel::{LANES, Row};

/// Transformed weights: `[position][output / 16][input]` rows of sixteen outputs, the inputs filled up to a
/// multiple of sixteen.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(super) factors: Vec<Row>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Filter {
    /// Of `weights [9, inputs, outputs]`.
    pub(crate) fn new(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        let mut filter = Self::zeros(inputs, outputs);
        let rows = filter.rows();
        let mut panel = vec![[0.0; LANES]; POSITIONS * rows];
        for at in 0..filter.panels() {
            transform::filter(Isa::detect(), weights, (inputs, outputs), at * LANES, &mut panel);
            for (position, panel) in panel.chunks_exact(rows).enumerate() {
                let start = (position * filter.panels() + at) * rows;
                filter.factors[start..start + rows].copy_from_slice(panel);
            }
        }
        filter
    }

    /// Zeros for the gradient of these weights.
    fn zeros(inputs: usize, outputs: usize) -> Self {
        let mut filter = Self { factors: Vec::new(), inputs, outputs };
        filter.factors = vec![[0.0; LANES]; POSITIONS * filter.panels() * filter.rows()];
        filter
    }

    /// With inputs and outputs exchanged, as the gradient of the inputs needs it.
    pub(crate) fn transposed(&self) -> Self {
        let mut turned = Self::zeros(self.outputs, self.inputs);
        let (from, to) = (self.position_len(), turned.position_len());
        let positions = self.factors.chunks_exact(from).zip(turned.factors.chunks_exact_mut(to));
        for (from, to) in positions {
            let panels = from.chunks_exact(self.rows()).enumerate();
            for (panel, rows) in panels {
                for (input, row) in rows.iter().enumerate() {
                    let to = &mut to[input / LANES * (self.panels() * LANES) + panel * LANES..];
                    for (to, factor) in to.iter_mut().zip(row) {
                        to[input % LANES] = *factor;
                    }
                }
            }
        }
        turned
    }

    /// Rows of one panel.
    fn rows(&self) -> usize {
        self.inputs.next_multiple_of(LANES)
    }

    /// Panels of sixteen outputs.
    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(LANES)
    }

    /// Rows of one position.
    pub(super) fn position_len(&self) -> usize {
        self.panels() * self.rows()
    }
}
