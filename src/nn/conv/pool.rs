//! Bias, `ReLU` and 2×2 max pooling, and the way back, with run-time dispatch.
//!
//! One portable body is compiled for AVX-512, AVX2 and the baseline; it contains no operation that
//! a compiler may contract, so all three give the same bits.

use std::ops::Range;

use crate::nn::isa::{Isa, on_each_isa};
use crate::nn::panel::{LANES, Row, store};
use crate::nn::winograd::{Products, Tile, Tiling};

/// The winner of an output that `ReLU` cut off: it passes no gradient.
pub const DEAD: u8 = 4;

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
    /// Pools a row of tiles of one panel of Winograd products into `output` and `winners`: OUT / 2 pooled rows of
    /// `line` numbers, or those that are left of the picture, from `map` of `maps` on. A tile's outputs are one
    /// window or four, of which those behind an edge are left out.
    pub(super) fn tiles<const IN: usize, const OUT: usize>(
        tiles: (&Products<'_, IN, OUT>, usize, Range<usize>),
        bias: &Row,
        sizes: ((usize, usize), usize),
        into: (&mut [f32], &mut [u8]),
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let ((products, panel, range), (output, winners)) = (tiles, into);
        let ((map, maps), line) = sizes;
        let mut square = [[[0.0; LANES]; OUT]; OUT];
        for (at, tile) in range.enumerate() {
            products.output(panel, tile, &mut square);
            let place = OUT / 2 * at * maps + map;
            let inside = (OUT / 2).min(line / maps - OUT / 2 * at);
            for row in 0..(OUT / 2).min(output.len() / line) {
                for column in 0..inside {
                    let ([upper, lower], at) = ([2 * row, 2 * row + 1], 2 * column);
                    let four = [
                        &square[upper][at],
                        &square[upper][at + 1],
                        &square[lower][at],
                        &square[lower][at + 1],
                    ];
                    let place = place + row * line + column * maps;
                    window(four, bias, (place, maps - map), (&mut *output, &mut *winners));
                }
            }
        }
    }
}

/// The largest of a window's four sums, first one on ties, plus bias, cut at zero, and which one it was; of
/// sixteen maps of which `count` are there. A sum that is not a number stays one.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(super) fn window(
    four: [&Row; 4],
    bias: &Row,
    (place, count): (usize, usize),
    (output, winners): (&mut [f32], &mut [u8]),
) {
    let (mut best, mut winner) = (*four[0], [0u32; LANES]);
    for (before, source) in four[1..].iter().enumerate() {
        for lane in 0..LANES {
            let wins = source[lane] > best[lane];
            best[lane] = if wins { source[lane] } else { best[lane] };
            winner[lane] = if wins { before as u32 + 1 } else { winner[lane] };
        }
    }
    for lane in 0..LANES {
        let sum = best[lane] + bias[lane];
        let dead = sum <= 0.0;
        best[lane] = if dead { 0.0 } else { sum };
        winner[lane] = if dead { u32::from(DEAD) } else { winner[lane] };
    }
    store(&best, &mut output[place..], count);
    if !winners.is_empty() {
        let mut bytes = [0; LANES];
        for lane in 0..LANES {
            bytes[lane] = winner[lane] as u8;
        }
        let winners = &mut winners[place..];
        if count >= LANES {
            // As in `store`.
            for (winner, byte) in winners[..LANES].iter_mut().zip(bytes) {
                *winner = byte;
            }
        } else {
            winners[..count].copy_from_slice(&bytes[..count]);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::winograd::{self, Filter, Picture};

    fn noise(len: usize, seed: u64) -> Vec<f32> {
        let mut stream = crate::nn::rng::Stream::new(seed, crate::nn::rng::Purpose::Initial, 0, 0);
        // Coarse values make ties, which is where paths could disagree.
        (0..len).map(|_| (stream.between(-4.0, 4.0)).round() / 2.0).collect()
    }

    #[test]
    fn every_instruction_set_unpools_to_the_same_bits() {
        for (width, maps) in [(4, 1), (7, 16), (9, 20), (12, 64), (5, 33)] {
            let len = (width - 2) / 2 * maps;
            let (gradient, choice) = (noise(len, 1), noise(len, 2));
            let winners: Vec<u8> = choice.iter().map(|v| (v + 2.0) as u8).collect();
            let run = |isa| {
                let (mut upper, mut lower) = (vec![9.0; width * maps], vec![9.0; width * maps]);
                unpool_on(isa, (&gradient, &winners), maps, (&mut upper, &mut lower));
                (upper, lower)
            };
            for isa in Isa::all() {
                assert!(run(isa) == run(Isa::Portable), "{isa:?} {width} {maps}");
            }
        }
    }

    /// Of five pooled rows and columns the last ones take half a large tile, and of twenty maps the last panel
    /// has four.
    fn pools_to_the_same_bits_on_every_instruction_set<const IN: usize, const OUT: usize>()
    where
        Tiling<IN, OUT>: Tile<IN, OUT>,
    {
        let picture = Picture { height: 12, width: 12, maps: 16 };
        let tiling = Tiling::<IN, OUT>::new(picture, 0, 10, 10);
        let filter = Filter::new(&noise(9 * 16 * 20, 1), 16, 20);
        let (x, mut scratch) = (noise(12 * 12 * 16, 2), winograd::Scratch::default());
        let products = winograd::products(&tiling, &filter, &x, 0..tiling.rows, &mut scratch);
        let (line, bias) = (5 * 20, [0.5; LANES]);
        let run = |isa, wanted: bool| {
            let (mut output, mut winners) = (vec![-1.0; 5 * line], vec![9; 5 * line]);
            for (at, panel) in (0..tiling.rows).flat_map(|at| [(at, 0), (at, 1)]) {
                let rows = OUT / 2 * at * line..(OUT / 2 * (at + 1)).min(5) * line;
                let row = (&products, panel, at * tiling.columns..(at + 1) * tiling.columns);
                let winners = if wanted { &mut winners[rows.clone()] } else { &mut [][..] };
                let into = (&mut output[rows], winners);
                tiles(isa, row, &bias, ((panel * LANES, 20), line), into);
            }
            (output, winners)
        };
        let (output, winners) = run(Isa::Portable, true);
        assert!(!output.contains(&-1.0) && !winners.contains(&9), "every output is written");
        for isa in Isa::all() {
            assert!(run(isa, true) == (output.clone(), winners.clone()), "{isa:?}");
            assert!(run(isa, false).0 == output, "{isa:?}");
        }
    }

    #[test]
    fn every_instruction_set_pools_small_and_large_tiles_to_the_same_bits() {
        pools_to_the_same_bits_on_every_instruction_set::<4, 2>();
        pools_to_the_same_bits_on_every_instruction_set::<6, 4>();
    }

    #[test]
    fn a_window_takes_its_largest_and_the_first_on_ties() {
        let four: [Row; 4] = [1, 2, 3, 4]
            .map(|seed| noise(LANES, seed).try_into().expect("a row has sixteen numbers"));
        let bias: Row = noise(LANES, 5).try_into().expect("a row has sixteen numbers");
        for count in [1, 15, 16, 40] {
            let (mut output, mut winners) = (vec![9.0; 50], vec![9; 50]);
            window(four.each_ref(), &bias, (3, count), (&mut output, &mut winners));
            for lane in 0..LANES {
                let mut best = 0;
                for number in 1..4 {
                    best = if four[number][lane] > four[best][lane] { number } else { best };
                }
                let sum = four[best][lane] + bias[lane];
                let expected = if sum > 0.0 { (sum, best as u8) } else { (0.0, DEAD) };
                let expected = if lane < count { expected } else { (9.0, 9) };
                assert!((output[3 + lane], winners[3 + lane]) == expected, "{count} {lane}");
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
        let row = |first: f32, second: f32| {
            let mut row = [0.0; LANES];
            (row[0], row[1]) = (first, second);
            row
        };
        let four =
            [row(-3.0, f32::NAN), row(-1.0, f32::NAN), row(-2.0, f32::NAN), row(-4.0, f32::NAN)];
        let (mut output, mut winners) = ([0.0; 2], [0; 2]);
        window(four.each_ref(), &row(0.5, 0.0), (0, 2), (&mut output, &mut winners));
        assert_eq!((output[0].to_bits(), winners[0]), (0, DEAD));
        assert!(output[1].is_nan());
    }
}
