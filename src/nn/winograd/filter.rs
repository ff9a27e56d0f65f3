//! Transformed weights, and their gradients.

use super::transform::{across, add, in_lanes};
use super::{Tile, Tiling};
use crate::nn::isa::{Isa, on_each_isa};
use crate::nn::panel::{LANES, Row, load, store};

/// Transformed weights: `[position][output / 16][input]` rows of sixteen outputs, the inputs filled up to a
/// multiple of sixteen.
#[derive(Debug, Clone)]
pub(crate) struct Filter<const IN: usize, const OUT: usize> {
    pub(super) factors: Vec<Row>,
    inputs: usize,
    outputs: usize,
}

impl<const IN: usize, const OUT: usize> Filter<IN, OUT>
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    /// Of `weights [9, inputs, outputs]`.
    pub(crate) fn new(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        let mut filter = Self::zeros(inputs, outputs);
        let (rows, stride) = (filter.rows(), filter.position_len());
        for at in 0..filter.panels() {
            let target = (&mut filter.factors[at * rows..], stride);
            let sizes = (inputs, outputs);
            transform::<IN, OUT>(Isa::detect(), weights, sizes, at * LANES, target);
        }
        filter
    }
}

impl<const IN: usize, const OUT: usize> Filter<IN, OUT> {
    fn zeros(inputs: usize, outputs: usize) -> Self {
        let mut filter = Self { factors: Vec::new(), inputs, outputs };
        filter.factors = vec![[0.0; LANES]; IN * IN * filter.position_len()];
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

on_each_isa! {
    /// G g Gᵀ of `weights [9, inputs, outputs]`, sixteen outputs from `map` on: `[position][input]`, `stride` apart.
    pub(super) fn transform<const IN: usize, const OUT: usize>(
        weights: &[f32],
        sizes: (usize, usize),
        map: usize,
        panel: (&mut [Row], usize),
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let ((inputs, outputs), (panel, stride)) = (sizes, panel);
        let (mut columns, mut values) = ([[[0.0; LANES]; IN]; 3], [[0.0; LANES]; IN]);
        for input in 0..inputs {
            for (at, column) in columns.iter_mut().enumerate() {
                let mut taps = [[0.0; LANES]; 3];
                for (row, tap) in taps.iter_mut().enumerate() {
                    let from = ((3 * row + at) * inputs + input) * outputs + map;
                    *tap = load(&weights[from..], outputs - map);
                }
                in_lanes(taps.each_ref(), Tiling::<IN, OUT>::spread_filter, column);
            }
            for row in 0..IN {
                in_lanes(across(&columns, row), Tiling::<IN, OUT>::spread_filter, &mut values);
                for at in 0..IN {
                    panel[(row * IN + at) * stride + input] = values[at];
                }
            }
        }
    }
}

on_each_isa! {
    /// Adds Gᵀ u G to `dw [9, inputs, outputs]`, sixteen outputs from `map` on; the reverse of [`transform`], of all
    /// panels.
    pub(super) fn add_gradient<const IN: usize, const OUT: usize>(
        sums: &[Row],
        sizes: (usize, usize),
        map: usize,
        dw: &mut [f32],
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let (inputs, outputs) = sizes;
        let (position, rows) = (sums.len() / (IN * IN), inputs.next_multiple_of(LANES));
        let (mut columns, mut values) = ([[[0.0; LANES]; 3]; IN], [[0.0; LANES]; 3]);
        for input in 0..inputs {
            let sums = &sums[map / LANES * rows + input..];
            for (at, column) in columns.iter_mut().enumerate() {
                let mut slopes = [&sums[0]; IN];
                for row in 0..IN {
                    slopes[row] = &sums[(row * IN + at) * position];
                }
                in_lanes(slopes, Tiling::<IN, OUT>::gather_filter, column);
            }
            for row in 0..3 {
                in_lanes(across(&columns, row), Tiling::<IN, OUT>::gather_filter, &mut values);
                for at in 0..3 {
                    let slot = &mut dw[((3 * row + at) * inputs + input) * outputs + map..];
                    let mut sum = load(slot, outputs - map);
                    add(&mut sum, &values[at]);
                    store(&sum, slot, outputs - map);
                }
            }
        }
    }
}
