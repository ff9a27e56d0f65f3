//! Max pooling 2×2 and the mean of whole maps, on NHWC pictures.

use super::isa::{Isa, on_each_isa};

/// The sizes of the input of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Feature maps.
    pub maps: usize,
}

impl PoolShape {
    fn row_len(&self) -> usize {
        self.width * self.maps
    }

    fn pooled_row_len(&self) -> usize {
        self.width / 2 * self.maps
    }
}

/// The largest of each 2×2 window of one picture, and which of the four it was, the first on ties.
/// An odd last row or column is left out.
pub fn max_pool(shape: &PoolShape, x: &[f32], (y, winners): (&mut [f32], &mut [u8])) {
    let isa = Isa::detect();
    let outputs = y.chunks_exact_mut(shape.pooled_row_len());
    let outputs = outputs.zip(winners.chunks_exact_mut(shape.pooled_row_len()));
    for (pair, (y, winners)) in x.chunks_exact(2 * shape.row_len()).zip(outputs) {
        pool_rows(isa, pair.split_at(shape.row_len()), shape.maps, y, winners);
    }
}

/// Replaces the gradient of one picture: each goes to its winner, the rest becomes zero.
pub fn max_pool_backward(shape: &PoolShape, (dy, winners): (&[f32], &[u8]), dx: &mut [f32]) {
    let isa = Isa::detect();
    dx.fill(0.0);
    let pooled = dy.chunks_exact(shape.pooled_row_len());
    let pooled = pooled.zip(winners.chunks_exact(shape.pooled_row_len()));
    for (pair, (dy, winners)) in dx.chunks_exact_mut(2 * shape.row_len()).zip(pooled) {
        let rows = pair.split_at_mut(shape.row_len());
        unpool_rows(isa, (dy, winners), shape.maps, rows);
    }
}

on_each_isa! {
    fn pool_rows(rows: (&[f32], &[f32]), maps: usize, y: &mut [f32], winners: &mut [u8]) {
        let pixels = rows.0.chunks_exact(2 * maps).zip(rows.1.chunks_exact(2 * maps));
        let outputs = y.chunks_exact_mut(maps).zip(winners.chunks_exact_mut(maps));
        for ((top, bottom), (y, winners)) in pixels.zip(outputs) {
            let ((a, b), (c, d)) = (top.split_at(maps), bottom.split_at(maps));
            y.copy_from_slice(a);
            winners.fill(0);
            for (number, source) in [b, c, d].into_iter().enumerate() {
                for ((y, winner), value) in y.iter_mut().zip(winners.iter_mut()).zip(source) {
                    // What is not a number wins, so that it is not hidden.
                    let wins = *value > *y || value.is_nan();
                    *y = if wins { *value } else { *y };
                    *winner = if wins { number as u8 + 1 } else { *winner };
                }
            }
        }
    }
}

on_each_isa! {
    fn unpool_rows(pooled: (&[f32], &[u8]), maps: usize, rows: (&mut [f32], &mut [f32])) {
        let pixels = rows.0.chunks_exact_mut(2 * maps).zip(rows.1.chunks_exact_mut(2 * maps));
        let pooled = pooled.0.chunks_exact(maps).zip(pooled.1.chunks_exact(maps));
        for ((top, bottom), (dy, winners)) in pixels.zip(pooled) {
            let ((a, b), (c, d)) = (top.split_at_mut(maps), bottom.split_at_mut(maps));
            for (number, target) in [a, b, c, d].into_iter().enumerate() {
                for ((slot, value), winner) in target.iter_mut().zip(dy).zip(winners) {
                    *slot = if *winner == number as u8 { *value } else { 0.0 };
                }
            }
        }
    }
}

/// The mean of each map of one picture `[pixels, maps]`.
pub fn average(x: &[f32], y: &mut [f32]) {
    let scale = (x.len() / y.len()) as f32;
    y.fill(0.0);
    for pixel in x.chunks_exact(y.len()) {
        for (sum, value) in y.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
    for sum in y {
        *sum /= scale;
    }
}

/// Replaces the gradient of one picture: each pixel gets its share.
pub fn average_backward(dy: &[f32], dx: &mut [f32]) {
    let scale = (dx.len() / dy.len()) as f32;
    for pixel in dx.chunks_exact_mut(dy.len()) {
        for (slot, value) in pixel.iter_mut().zip(dy) {
            *slot = value / scale;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::rng::{Purpose, Stream};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
        #[test]
        fn a_pool_takes_each_window_s_largest_and_sends_its_gradient_there(
            (height, width) in (2usize..9, 2usize..9),
            maps in 1usize..20,
        ) {
            let shape = PoolShape { height, width, maps };
            let mut stream = Stream::new(4, Purpose::Initial, 9, (height * 100 + width) as u64);
            let x: Vec<f32> = (0..height * width * maps).map(|_| stream.between(-1.0, 1.0)).collect();
            let len = (height / 2) * (width / 2) * maps;
            let (mut y, mut winners) = (vec![9.0; len], vec![9; len]);
            max_pool(&shape, &x, (&mut y, &mut winners));
            let dy: Vec<f32> = (1..=len).map(|at| at as f32).collect();
            let mut dx = vec![9.0; x.len()];
            max_pool_backward(&shape, (&dy, &winners), &mut dx);
            let mut expected = vec![0.0; x.len()];
            for (at, value) in y.iter().enumerate() {
                let (map, pixel) = (at % maps, at / maps);
                let (row, column) = (pixel / (width / 2) * 2, pixel % (width / 2) * 2);
                let place = |i: usize| ((row + i / 2) * width + column + i % 2) * maps + map;
                let best = (0..4).map(place).max_by(|a, b| x[*a].total_cmp(&x[*b])).unwrap();
                prop_assert_eq!(*value, x[best]);
                expected[best] = dy[at];
            }
            prop_assert_eq!(dx, expected);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits_and_what_is_not_a_number_shows() {
        let mut stream = Stream::new(4, Purpose::Initial, 9, 0);
        let mut x: Vec<f32> = (0..2 * 6 * 37).map(|_| stream.between(-3.0, 3.0).round()).collect();
        let run = |isa, x: &[f32]| {
            let (mut y, mut winners) = (vec![0.0; 3 * 37], vec![0; 3 * 37]);
            pool_rows(isa, x.split_at(6 * 37), 37, &mut y, &mut winners);
            let (mut upper, mut lower) = (vec![9.0; 6 * 37], vec![9.0; 6 * 37]);
            unpool_rows(isa, (&y, &winners), 37, (&mut upper, &mut lower));
            (y, winners, upper, lower)
        };
        for isa in Isa::all() {
            assert!(run(isa, &x) == run(Isa::Portable, &x), "{isa:?}");
        }
        for place in [0, 37, 6 * 37, 7 * 37] {
            let number = std::mem::replace(&mut x[place], f32::NAN);
            assert!(run(Isa::detect(), &x).0[0].is_nan());
            x[place] = number;
        }
    }

    #[test]
    fn an_average_shares_its_gradient() {
        let (mut y, mut dx) = ([9.0; 2], [9.0; 8]);
        average(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &mut y);
        average_backward(&[4.0, 8.0], &mut dx);
        assert_eq!((y, dx), ([4.0, 5.0], [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]));
    }
}
