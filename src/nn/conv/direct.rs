//! Convolution by its definition, pooled while the sums are in registers.

use super::{ConvShape, pool};
use crate::nn::panel::{LANES, Row, add, on_each_unit};

/// Packed weights and bias: per sixteen outputs `[9 · input_maps]` rows, and one.
type Weights<'a> = (&'a [Row], &'a [Row]);

on_each_unit! {
    /// One pooled row from the four rows at the top of `lines`.
    pub(super) fn pooled_row(
        shape: &ConvShape,
        lines: &[f32],
        weights: Weights<'_>,
        into: (&mut [f32], &mut [u8]),
    ) = pooled_row_body;
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn pooled_row_body<const T: usize, const FUSED: bool>(
    shape: &ConvShape,
    lines: &[f32],
    (weights, bias): Weights<'_>,
    (output, winners): (&mut [f32], &mut [u8]),
) {
    for (panel, (weights, bias)) in weights.chunks_exact(9 * shape.input_maps).zip(bias).enumerate()
    {
        let at = (panel * LANES, shape.output_maps);
        let mut column = 0;
        while column < shape.pooled_width() {
            // Where the rest is shorter than a tile, single windows.
            column += if 2 * column + T <= 2 * shape.pooled_width() {
                let rows = two_rows::<T, FUSED>(shape, lines, weights, 2 * column);
                windows::<T>(&rows, bias, (at, column), (&mut *output, &mut *winners))
            } else {
                let rows = two_rows::<2, FUSED>(shape, lines, weights, 2 * column);
                windows::<2>(&rows, bias, (at, column), (&mut *output, &mut *winners))
            };
        }
    }
}

/// T sums of two rows from `column` on.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn two_rows<const T: usize, const FUSED: bool>(
    shape: &ConvShape,
    lines: &[f32],
    weights: &[Row],
    column: usize,
) -> [[Row; T]; 2] {
    let (line, len) = (shape.width * shape.input_maps, 3 * shape.input_maps);
    let mut sums = [[[0.0; LANES]; T]; 2];
    for (row, sums) in sums.iter_mut().enumerate() {
        let mut tile = [[0.0; LANES]; T];
        for (kernel_row, weights) in weights.chunks_exact(len).enumerate() {
            let line = &lines[(row + kernel_row) * line..][..line];
            let mut patches = [line; T];
            for (t, patch) in patches.iter_mut().enumerate() {
                *patch = &line[(column + t) * shape.input_maps..][..len];
            }
            for at in 0..len {
                for t in 0..T {
                    add::<FUSED>(&mut tile[t], patches[t][at], &weights[at]);
                }
            }
        }
        *sums = tile;
    }
    sums
}

/// Pools the T / 2 windows of two rows; gives their number.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn windows<const T: usize>(
    rows: &[[Row; T]; 2],
    bias: &Row,
    ((map, maps), column): ((usize, usize), usize),
    (output, winners): (&mut [f32], &mut [u8]),
) -> usize {
    for at in 0..T / 2 {
        let four = [rows[0][2 * at], rows[0][2 * at + 1], rows[1][2 * at], rows[1][2 * at + 1]];
        let place = (column + at) * maps + map;
        pool::window(four.each_ref(), bias, (place, maps - map), (output, winners));
    }
    T / 2
}
