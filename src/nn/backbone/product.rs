//! Products of pixels or patches with packed weights: convolutions 1×1, and 3×3 with stride 2.
//!
//! A general matrix product packs both sides first, which layers this thin do not pay back. Here the
//! weights were packed when they were read, patches are read in place, and bias, sum and `ReLU` happen
//! while the results are still in registers. Every sum runs over the inputs in order, so a picture
//! gives the same bits in any batch.

use super::architecture::End;
use super::kernel::{Kernel, PANEL};

/// Output pixels that share one reading of the weights; divides every map of a 224×224 picture.
pub(super) const TILE: usize = 7;

/// Where the pixels or patches are: patch x is, in each of `rows` equal rows, the `len` numbers from
/// `x · step` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patches<'a> {
    /// All rows, one after the other.
    pub(super) data: &'a [f32],
    /// How many rows there are.
    pub(super) rows: usize,
    /// Numbers from one patch to the next.
    pub(super) step: usize,
    /// Numbers of a patch in each row.
    pub(super) len: usize,
}

/// `output [patches, outputs] = patches · w + b`, and `end`; for [`End::AddToKept`] the output's old
/// numbers are added.
///
/// # Panics
/// When patches, packed weights and output do not fit together.
pub(super) fn multiply(kernel: &Kernel, patches: Patches<'_>, output: &mut [f32], end: End) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            #[expect(unsafe_code, reason = "calls a body compiled for AVX-512")]
            // SAFETY: the feature was detected on the line above.
            return unsafe { multiply_avx512(kernel, patches, output, end) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[expect(unsafe_code, reason = "calls a body compiled for AVX2")]
            // SAFETY: the features were detected on the line above.
            return unsafe { multiply_avx2(kernel, patches, output, end) };
        }
    }
    multiply_body::<8, false>(kernel, patches, output, end);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_avx512(kernel: &Kernel, patches: Patches<'_>, output: &mut [f32], end: End) {
    multiply_body::<32, true>(kernel, patches, output, end);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(kernel: &Kernel, patches: Patches<'_>, output: &mut [f32], end: End) {
    multiply_body::<8, true>(kernel, patches, output, end);
}

/// Works on `LANES` outputs at a time; `FUSED` rounds a product and its sum once.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn multiply_body<const LANES: usize, const FUSED: bool>(
    kernel: &Kernel,
    patches: Patches<'_>,
    output: &mut [f32],
    end: End,
) {
    let count = output.len() / kernel.bias.len();
    let panels = kernel.weights.chunks_exact(patches.rows * patches.len * PANEL);
    for (panel, weights) in panels.enumerate() {
        for lane in (0..PANEL).step_by(LANES) {
            let columns = Columns { weights, lane, output: panel * PANEL + lane };
            let whole = count - count % TILE;
            for x in (0..whole).step_by(TILE) {
                tile::<LANES, TILE, FUSED>(kernel, columns, (patches, x), output, end);
            }
            for x in whole..count {
                tile::<LANES, 1, FUSED>(kernel, columns, (patches, x), output, end);
            }
        }
    }
}

/// Neighbouring outputs: their weights inside a panel, and their place in a pixel.
#[derive(Clone, Copy)]
struct Columns<'a> {
    weights: &'a [f32],
    lane: usize,
    output: usize,
}

/// The outputs of patches x to x + T.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[expect(clippy::needless_range_loop, reason = "the bound is every row's length: no checks inside")]
#[inline(always)]
fn tile<const LANES: usize, const T: usize, const FUSED: bool>(
    kernel: &Kernel,
    columns: Columns<'_>,
    (patches, x): (Patches<'_>, usize),
    output: &mut [f32],
    end: End,
) {
    let outputs = kernel.bias.len();
    let mut sums = [lanes::<LANES>(&kernel.bias, columns.output); T];
    let rows = patches.data.chunks_exact(patches.data.len() / patches.rows);
    for (row, weights) in rows.zip(columns.weights.chunks_exact(patches.len * PANEL)) {
        let starts: [&[f32]; T] =
            std::array::from_fn(|t| &row[(x + t) * patches.step..][..patches.len]);
        for at in 0..patches.len {
            let weights = lanes::<LANES>(weights, at * PANEL + columns.lane);
            for t in 0..T {
                let value = starts[t][at];
                for lane in 0..LANES {
                    let (sum, weight) = (&mut sums[t][lane], weights[lane]);
                    *sum = if FUSED { value.mul_add(weight, *sum) } else { value * weight + *sum };
                }
            }
        }
    }
    for (t, sums) in sums.iter().enumerate() {
        let target = &mut output[(x + t) * outputs + columns.output..][..LANES];
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = match end {
                End::Relu if *sum <= 0.0 => 0.0,
                End::Relu | End::Linear => *sum,
                End::AddToKept => *target + sum,
            };
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn lanes<const LANES: usize>(source: &[f32], at: usize) -> [f32; LANES] {
    let mut copy = [0.0; LANES];
    copy.copy_from_slice(&source[at..at + LANES]);
    copy
}
