//! Bias, `ReLU` and 2×2 max pooling, and the way back, with run-time dispatch.
//!
//! One portable body is compiled for AVX-512, AVX2 and the baseline; it contains no operation that
//! a compiler may contract, so all three give the same bits.

use std::ops::Range;

use crate::nn::isa::{Isa, on_each_isa};
use crate::nn::panel::{LANES, Row, store};
use crate::nn::winograd::{LargeProducts, Products};

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
    /// Pools some tiles of one panel of Winograd products into `output` and `winners`, `[tiles, maps]`, from
    /// `map` on: a tile's four outputs are one window.
    pub(super) fn tiles(
        tiles: (&Products<'_>, usize, Range<usize>),
        bias: &Row,
        map: (usize, usize),
        into: (&mut [f32], &mut [u8]),
    ) {
        let (products, panel, range) = tiles;
        let (map, maps) = map;
        for (at, tile) in range.enumerate() {
            let [[a, b], [c, d]] = products.output(panel, tile);
            let place = at * maps + map;
            window([&a, &b, &c, &d], bias, (place, maps - map), (&mut *into.0, &mut *into.1));
        }
    }
}

on_each_isa! {
    /// Pools a row of large tiles of one panel into two pooled rows of `line` numbers, or into the last one alone, from
    /// `map` on: a tile's sixteen outputs are four windows, of which those behind a row's end are left out.
    pub(super) fn large_tiles(
        tiles: (&LargeProducts<'_>, usize, Range<usize>),
        bias: &Row,
        sizes: ((usize, usize), usize),
        into: (&mut [f32], &mut [u8]),
    ) {
        let (products, panel, range) = tiles;
        let ((map, maps), line) = sizes;
        let mut square = [[[0.0; LANES]; 4]; 4];
        for (at, tile) in range.enumerate() {
            products.output(panel, tile, &mut square);
            let [a, b, c, d] = &square;
            let place = 2 * at * maps + map;
            let count = if 2 * at + 1 < line / maps { 2 } else { 1 };
            windows([a, b], bias, (place, map, maps, count), (&mut *into.0, &mut *into.1));
            if into.0.len() > line {
                let places = (line + place, map, maps, count);
                windows([c, d], bias, places, (&mut *into.0, &mut *into.1));
            }
        }
    }
}

/// Pools two rows of four sums as one or two windows, from `place` on.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn windows(
    [upper, lower]: [&[Row; 4]; 2],
    bias: &Row,
    (place, map, maps, count): (usize, usize, usize, usize),
    (output, winners): (&mut [f32], &mut [u8]),
) {
    let left = [&upper[0], &upper[1], &lower[0], &lower[1]];
    window(left, bias, (place, maps - map), (&mut *output, &mut *winners));
    if count > 1 {
        let right = [&upper[2], &upper[3], &lower[2], &lower[3]];
        window(right, bias, (place + maps, maps - map), (output, winners));
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
    use crate::nn::winograd::{self, LargeFilter, Picture, Tiling};

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

    #[test]
    fn every_instruction_set_pools_large_tiles_to_the_same_bits() {
        // Of five pooled rows and columns the last ones take half a tile, and of twenty maps the last panel has four.
        let picture = Picture { height: 12, width: 12, maps: 16 };
        let tiling = Tiling::large(picture, 10, 10);
        let filter = LargeFilter::new(&noise(9 * 16 * 20, 1), 16, 20);
        let (x, mut scratch) = (noise(12 * 12 * 16, 2), winograd::Scratch::default());
        let products = winograd::large_products(&tiling, &filter, &x, 0..tiling.rows, &mut scratch);
        let (line, bias) = (5 * 20, [0.5; LANES]);
        let run = |isa, wanted: bool| {
            let (mut output, mut winners) = (vec![9.0; 5 * line], vec![9; 5 * line]);
            for (at, panel) in (0..tiling.rows).flat_map(|at| [(at, 0), (at, 1)]) {
                let rows = 2 * at * line..(2 * at + 2).min(5) * line;
                let tiles = (&products, panel, at * tiling.columns..(at + 1) * tiling.columns);
                let winners = if wanted { &mut winners[rows.clone()] } else { &mut [][..] };
                let into = (&mut output[rows], winners);
                large_tiles(isa, tiles, &bias, ((panel * LANES, 20), line), into);
            }
            (output, winners)
        };
        let (output, winners) = run(Isa::Portable, true);
        assert!(!output.contains(&9.0) && !winners.contains(&9), "every output is written");
        for isa in Isa::all() {
            assert!(run(isa, true) == (output.clone(), winners.clone()), "{isa:?}");
            assert!(run(isa, false).0 == output, "{isa:?}");
        }
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
