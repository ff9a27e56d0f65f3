//! Depthwise convolution 3×3 and 5×5 with stride 1 or 2, vectors of neighbouring maps at a time.

use super::kernel::Kernel;
use crate::nn::isa::{Isa, on_each_isa};

/// Maps worked on at a time; every layer has a multiple of them.
const LANES: usize = 16;

/// Output pixels that share one reading of the filter; divides every row of a 224×224 picture.
const TILE: usize = 7;

/// The sizes of one depthwise convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Rows and columns of the input without its border.
    pub(super) side: usize,
    /// Rows and columns of a filter.
    pub(super) size: usize,
    /// Pixels between two outputs.
    pub(super) stride: usize,
    /// Whether negative results become zero.
    pub(super) relu: bool,
}

/// Writes `output [side / stride, side / stride, maps]` from maps with a border of `size / 2` zeros.
/// Every instruction set gives the same bits.
///
/// # Panics
/// When the number of maps is no multiple of 16, or the filter is neither 3×3 nor 5×5.
pub(super) fn forward(shape: Shape, kernel: &Kernel, padded: &[f32], output: &mut [f32]) {
    assert!(kernel.bias.len().is_multiple_of(LANES), "maps");
    forward_on(Isa::detect(), shape, kernel, padded, output);
}

on_each_isa! {
    fn forward_on(shape: Shape, kernel: &Kernel, padded: &[f32], output: &mut [f32]) {
        match (shape.size, shape.stride) {
            (3, 1) => rows::<3, 1>(shape, kernel, padded, output),
            (3, 2) => rows::<3, 2>(shape, kernel, padded, output),
            (5, 1) => rows::<5, 1>(shape, kernel, padded, output),
            (5, 2) => rows::<5, 2>(shape, kernel, padded, output),
            _ => unreachable!("no other filter is in the network"),
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn rows<const K: usize, const S: usize>(
    shape: Shape,
    kernel: &Kernel,
    padded: &[f32],
    output: &mut [f32],
) {
    let maps = kernel.bias.len();
    let (row, width) = ((shape.side + K - 1) * maps, shape.side / S);
    for (y, output) in output.chunks_exact_mut(width * maps).enumerate() {
        let rows = &padded[y * S * row..][..K * row];
        for map in (0..maps).step_by(LANES) {
            let whole = width - width % TILE;
            for x in (0..whole).step_by(TILE) {
                let sums = tile::<K, S, TILE>(kernel, rows, x * S * maps, map);
                write(&sums, &mut output[x * maps..], (maps, map), shape.relu);
            }
            for x in whole..width {
                let sums = tile::<K, S, 1>(kernel, rows, x * S * maps, map);
                write(&sums, &mut output[x * maps..], (maps, map), shape.relu);
            }
        }
    }
}

/// T neighbouring outputs of the maps from `map` on, whose first patch begins `from` numbers into each
/// of the K rows.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn tile<const K: usize, const S: usize, const T: usize>(
    kernel: &Kernel,
    rows: &[f32],
    from: usize,
    map: usize,
) -> [[f32; LANES]; T] {
    let maps = kernel.bias.len();
    let mut sums = [lanes(&kernel.bias, map); T];
    for (ky, row) in rows.chunks_exact(rows.len() / K).enumerate() {
        for kx in 0..K {
            let weights = lanes(&kernel.weights, (ky * K + kx) * maps + map);
            let pixels = &row[from + kx * maps + map..];
            for (t, sums) in sums.iter_mut().enumerate() {
                let values = lanes(pixels, t * S * maps);
                for lane in 0..LANES {
                    sums[lane] += values[lane] * weights[lane];
                }
            }
        }
    }
    sums
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn write<const T: usize>(
    sums: &[[f32; LANES]; T],
    output: &mut [f32],
    (maps, map): (usize, usize),
    relu: bool,
) {
    for (t, sums) in sums.iter().enumerate() {
        let target = &mut output[t * maps + map..][..LANES];
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = if relu && *sum <= 0.0 { 0.0 } else { *sum };
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn lanes(source: &[f32], at: usize) -> [f32; LANES] {
    let mut copy = [0.0; LANES];
    copy.copy_from_slice(&source[at..at + LANES]);
    copy
}
