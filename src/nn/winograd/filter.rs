//! Transformed weights, and their gradients.

use super::POSITIONS;
use super::transform::{Four, half, minus, plus};
use crate::nn::isa::{Isa, on_each_isa};
use crate::nn::panel::{LANES, Row, load, store};

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
            transform(Isa::detect(), weights, (inputs, outputs), at * LANES, &mut panel);
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

on_each_isa! {
    /// G g Gᵀ of `weights [9, inputs, outputs]`, sixteen outputs from `map` on: `[position][inputs]`.
    fn transform(weights: &[f32], sizes: (usize, usize), map: usize, panel: &mut [Row]) {
        let (inputs, outputs) = sizes;
        let rows = panel.len() / POSITIONS;
        for input in 0..inputs {
            let mut columns = [[[0.0; LANES]; 4]; 3];
            for (at, column) in columns.iter_mut().enumerate() {
                let mut taps = [[0.0; LANES]; 3];
                for (row, tap) in taps.iter_mut().enumerate() {
                    let from = ((3 * row + at) * inputs + input) * outputs + map;
                    *tap = load(&weights[from..], outputs - map);
                }
                *column = spread_filter(&taps);
            }
            for row in 0..4 {
                let values = spread_filter(&[columns[0][row], columns[1][row], columns[2][row]]);
                for at in 0..4 {
                    panel[(row * 4 + at) * rows + input] = values[at];
                }
            }
        }
    }
}

/// G g: four factors of three weights.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn spread_filter(g: &[Row; 3]) -> Four {
    let (ends, middle) = (half(&plus(&g[0], &g[2])), half(&g[1]));
    [g[0], plus(&ends, &middle), minus(&ends, &middle), g[2]]
}

/// Gᵀ u: the gradients of three weights by those of four factors.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn gather_filter(u: &Four) -> [Row; 3] {
    let (ends, middle) = (half(&plus(&u[1], &u[2])), half(&minus(&u[1], &u[2])));
    [plus(&u[0], &ends), middle, plus(&ends, &u[3])]
}

on_each_isa! {
    /// Adds Gᵀ u G to `dw [9, inputs, outputs]`, sixteen outputs from `map` on; the reverse of [`transform`], of all
    /// panels.
    pub(super) fn add_gradient(sums: &[Row], sizes: (usize, usize), map: usize, dw: &mut [f32]) {
        let (inputs, outputs) = sizes;
        let (position, rows) = (sums.len() / POSITIONS, inputs.next_multiple_of(LANES));
        for input in 0..inputs {
            let mut columns = [[[0.0; LANES]; 3]; 4];
            for at in 0..4 {
                let mut values = [[0.0; LANES]; 4];
                for row in 0..4 {
                    values[row] = sums[(row * 4 + at) * position + map / LANES * rows + input];
                }
                columns[at] = gather_filter(&values);
            }
            for row in 0..3 {
                let line = [columns[0][row], columns[1][row], columns[2][row], columns[3][row]];
                for (at, value) in gather_filter(&line).iter().enumerate() {
                    let slot = &mut dw[((3 * row + at) * inputs + input) * outputs + map..];
                    let sum = plus(&load(slot, outputs - map), value);
                    store(&sum, slot, outputs - map);
                }
            }
        }
    }
}
