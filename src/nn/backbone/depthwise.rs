//! Depthwise convolution 3×3 and 5×5 with stride 1 or 2, vectors of neighbouring maps at a time.
//!
//! One portable body is compiled for AVX-512, AVX2 and the baseline; products and sums are rounded
//! one by one, so all three give the same bits.

use super::kernel::Kernel;

/// Maps worked on at a time; every layer has a multiple of them.
const LANES: usize = 16;

/// Output pixels that share one reading of the filter.
const TILE: usize = 4;

/// The sizes of one depthwise convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Rows and columns of the input without its border.
    pub(super) side: usize,
    /// Rows and columns of a filter.
    pub(super) size: usize,
    /// Pixels between two outputs.
    pub(super) stride: usize,
}

/// Writes `output [side / stride, side / stride, maps]` from maps with a border of `size / 2` zeros.
///
/// # Panics
/// When the number of maps is no multiple of 16, or the filter is neither 3×3 nor 5×5.
pub(super) fn forward(
    shape: Shape,
    kernel: &Kernel,
    padded: &[f32],
    output: &mut [f32],
    relu: bool,
) {
    assert!(kernel.bias.len().is_multiple_of(LANES), "maps");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            #[expect(unsafe_code, reason = "calls a body compiled for AVX-512")]
            // SAFETY: the feature was detected on the line above.
            return unsafe { forward_avx512(shape, kernel, padded, output, relu) };
        }
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "calls a body compiled for AVX2")]
            // SAFETY: the feature was detected on the line above.
            return unsafe { forward_avx2(shape, kernel, padded, output, relu) };
        }
    }
    forward_body(shape, kernel, padded, output, relu);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn forward_avx512(shape: Shape, kernel: &Kernel, padded: &[f32], output: &mut [f32], relu: bool) {
    forward_body(shape, kernel, padded, output, relu);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn forward_avx2(shape: Shape, kernel: &Kernel, padded: &[f32], output: &mut [f32], relu: bool) {
    forward_body(shape, kernel, padded, output, relu);
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn forward_body(shape: Shape, kernel: &Kernel, padded: &[f32], output: &mut [f32], relu: bool) {
    match (shape.size, shape.stride) {
        (3, 1) => rows::<3, 1>(shape.side, kernel, padded, output, relu),
        (3, 2) => rows::<3, 2>(shape.side, kernel, padded, output, relu),
        (5, 1) => rows::<5, 1>(shape.side, kernel, padded, output, relu),
        (5, 2) => rows::<5, 2>(shape.side, kernel, padded, output, relu),
        _ => unreachable!("no other filter is in the network"),
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn rows<const K: usize, const S: usize>(
    side: usize,
    kernel: &Kernel,
    padded: &[f32],
    output: &mut [f32],
    relu: bool,
) {
    let maps = kernel.bias.len();
    let (row, width) = ((side + K - 1) * maps, side / S);
    for (y, output) in output.chunks_exact_mut(width * maps).enumerate() {
        let input = &padded[y * S * row..][..K * row];
        for map in (0..maps).step_by(LANES) {
            if width < TILE {
                for x in 0..width {
                    tile::<K, S, 1>((input, row), kernel, (x, map), output, relu);
                }
                continue;
            }
            for x in (0..width).step_by(TILE) {
                // The last tile overlaps the one before it, which writes the same numbers twice.
                let x = x.min(width - TILE);
                tile::<K, S, TILE>((input, row), kernel, (x, map), output, relu);
            }
        }
    }
}

/// The outputs x to x + T of one row, for the maps from `map` on.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn tile<const K: usize, const S: usize, const T: usize>(
    (input, row): (&[f32], usize),
    kernel: &Kernel,
    (x, map): (usize, usize),
    output: &mut [f32],
    relu: bool,
) {
    let maps = kernel.bias.len();
    let mut sums = [lanes(&kernel.bias, map); T];
    for ky in 0..K {
        let input = &input[ky * row + x * S * maps..];
        for kx in 0..K {
            let weights = lanes(&kernel.weights, (ky * K + kx) * maps + map);
            for (t, sums) in sums.iter_mut().enumerate() {
                let values = lanes(input, (t * S + kx) * maps + map);
                for lane in 0..LANES {
                    sums[lane] += values[lane] * weights[lane];
                }
            }
        }
    }
    for (t, sums) in sums.iter_mut().enumerate() {
        for value in sums.iter_mut() {
            *value = if relu && *value <= 0.0 { 0.0 } else { *value };
        }
        output[(x + t) * maps + map..][..LANES].copy_from_slice(sums);
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn lanes(source: &[f32], at: usize) -> [f32; LANES] {
    let mut copy = [0.0; LANES];
    copy.copy_from_slice(&source[at..at + LANES]);
    copy
}
