//! Bias, `ReLU` and 2×2 max pooling of one row pair, and the way back, with run-time dispatch.
//!
//! One portable body is compiled for AVX-512, AVX2 and the baseline; it contains no operation that
//! a compiler may contract, so all three give the same bits.

use crate::nn::isa::{Isa, on_each_isa};

/// The winner of an output that `ReLU` cut off: it passes no gradient.
pub const DEAD: u8 = 4;

/// Channels worked on at a time; a whole number of vectors on every instruction set.
const LANES: usize = 16;

/// Pools two convolution rows (each `[width, maps]`) into `output` and `winners`
/// (`[pooled_width, maps]`): the largest of four, first one on ties, plus bias, cut at zero.
/// A sum that is not a number stays one.
pub(super) fn pool(rows: (&[f32], &[f32]), bias: &[f32], output: &mut [f32], winners: &mut [u8]) {
    pool_on(Isa::detect(), rows, bias, (output, winners));
}

/// Writes the gradient of two convolution rows from that of the pooled row: each gradient goes to
/// its winner, everything else, the two mixed columns included, becomes zero.
pub(super) fn unpool(
    gradient: &[f32],
    winners: &[u8],
    maps: usize,
    rows: (&mut [f32], &mut [f32]),
) {
    unpool_on(Isa::detect(), (gradient, winners), maps, rows);
}

on_each_isa! {
    /// [`pool`] on a chosen instruction set.
    fn pool_on(rows: (&[f32], &[f32]), bias: &[f32], into: (&mut [f32], &mut [u8])) {
        let maps = bias.len();
        let pixels = rows.0.chunks_exact(2 * maps).zip(rows.1.chunks_exact(2 * maps));
        let outputs = into.0.chunks_exact_mut(maps).zip(into.1.chunks_exact_mut(maps));
        for ((top, bottom), (output, winners)) in pixels.zip(outputs) {
            let four = (top.split_at(maps), bottom.split_at(maps));
            let whole = maps - maps % LANES;
            for at in (0..whole).step_by(LANES) {
                pool_lanes::<LANES>(four, bias, at, (output, winners));
            }
            for at in whole..maps {
                pool_lanes::<1>(four, bias, at, (output, winners));
            }
        }
    }
}

/// The four sources of one output pixel: top left and right, bottom left and right.
type Four<'a> = ((&'a [f32], &'a [f32]), (&'a [f32], &'a [f32]));

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn pool_lanes<const N: usize>(
    four: Four<'_>,
    bias: &[f32],
    at: usize,
    (output, winners): (&mut [f32], &mut [u8]),
) {
    let ((a, b), (c, d)) = four;
    let mut best: [f32; N] = lanes(a, at);
    let mut winner = [0u32; N];
    for (number, source) in [b, c, d].into_iter().enumerate() {
        let source: [f32; N] = lanes(source, at);
        for lane in 0..N {
            let wins = source[lane] > best[lane];
            best[lane] = if wins { source[lane] } else { best[lane] };
            winner[lane] = if wins { number as u32 + 1 } else { winner[lane] };
        }
    }
    let bias: [f32; N] = lanes(bias, at);
    let (output, winners) = (&mut output[at..at + N], &mut winners[at..at + N]);
    for lane in 0..N {
        let sum = best[lane] + bias[lane];
        let dead = sum <= 0.0;
        output[lane] = if dead { 0.0 } else { sum };
        winners[lane] = if dead { DEAD } else { winner[lane] as u8 };
    }
}

on_each_isa! {
    /// [`unpool`] on a chosen instruction set.
    fn unpool_on(pooled: (&[f32], &[u8]), maps: usize, rows: (&mut [f32], &mut [f32])) {
        let (upper, lower) = rows;
        let used = pooled.0.len() * 2;
        upper[used..].fill(0.0);
        lower[used..].fill(0.0);
        let gradients = pooled.0.chunks_exact(maps).zip(pooled.1.chunks_exact(maps));
        let pixels = upper[..used].chunks_exact_mut(2 * maps);
        let pixels = pixels.zip(lower[..used].chunks_exact_mut(2 * maps));
        for ((gradient, winners), (top, bottom)) in gradients.zip(pixels) {
            let (a, b) = top.split_at_mut(maps);
            let (c, d) = bottom.split_at_mut(maps);
            for (number, target) in [a, b, c, d].into_iter().enumerate() {
                let sources = gradient.iter().zip(winners);
                for (slot, (value, winner)) in target.iter_mut().zip(sources) {
                    *slot = if *winner == number as u8 { *value } else { 0.0 };
                }
            }
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn lanes<const N: usize>(source: &[f32], at: usize) -> [f32; N] {
    let mut copy = [0.0; N];
    copy.copy_from_slice(&source[at..at + N]);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u64) -> Vec<f32> {
        let mut stream = crate::nn::rng::Stream::new(seed, crate::nn::rng::Purpose::Initial, 0, 0);
        // Coarse values make ties, which is where paths could disagree.
        (0..len).map(|_| (stream.between(-4.0, 4.0)).round() / 2.0).collect()
    }

    #[test]
    fn every_instruction_set_pools_to_the_same_bits() {
        for (width, maps) in [(4, 1), (7, 16), (9, 20), (12, 64), (5, 33)] {
            let (top, bottom) = (noise(width * maps, 1), noise(width * maps, 2));
            let bias = noise(maps, 3);
            let len = (width - 2) / 2 * maps;
            let run = |isa| {
                let (mut output, mut winners) = (vec![0.0; len], vec![0u8; len]);
                pool_on(isa, (&top, &bottom), &bias, (&mut output, &mut winners));
                let (mut upper, mut lower) = (vec![9.0; width * maps], vec![9.0; width * maps]);
                unpool_on(isa, (&output, &winners), maps, (&mut upper, &mut lower));
                (output, winners, upper, lower)
            };
            for isa in Isa::all() {
                assert!(run(isa) == run(Isa::Portable), "{isa:?} {width} {maps}");
            }
        }
    }

    #[test]
    fn a_unique_maximum_receives_the_whole_gradient() {
        let (mut top, mut bottom) = (vec![9.0; 4], vec![9.0; 4]);
        unpool(&[2.5], &[3], 1, (&mut top, &mut bottom));
        assert_eq!((top, bottom), (vec![0.0; 4], vec![0.0, 2.5, 0.0, 0.0]));
    }

    #[test]
    fn what_relu_cut_off_is_marked_dead_and_nan_survives() {
        let (mut output, mut winners) = ([0.0; 2], [0; 2]);
        let top = [-3.0, f32::NAN, -1.0, f32::NAN];
        let bottom = [-2.0, f32::NAN, -4.0, f32::NAN];
        pool((&top, &bottom), &[0.5, 0.0], &mut output, &mut winners);
        assert_eq!((output[0], winners[0]), (0.0, DEAD));
        assert!(output[1].is_nan());
    }
}
