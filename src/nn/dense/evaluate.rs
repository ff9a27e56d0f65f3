//! The evaluation pass: every sum runs over the inputs in order, whatever the batch.

use rayon::prelude::*;

use super::{DenseShape, cut};

/// Examples that share one reading of the weights.
const ROWS: usize = 4;

/// Outputs worked on at a time.
const LANES: usize = 16;

/// `y [n, outputs] = x [n, inputs] · w [inputs, outputs] + b`, cut at zero when `relu`.
///
/// One example gives the same bits alone and in any batch, on every instruction set.
pub fn evaluate(shape: DenseShape, x: &[f32], (w, b): (&[f32], &[f32]), y: &mut [f32], relu: bool) {
    let DenseShape { inputs, outputs } = shape;
    y.par_chunks_mut(ROWS * outputs).zip(x.par_chunks(ROWS * inputs)).for_each(|(y, x)| {
        for row in y.chunks_exact_mut(outputs) {
            row.copy_from_slice(b);
        }
        add_products(shape, x, w, y);
        if relu {
            cut(y);
        }
    });
}

fn add_products(shape: DenseShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "calls a body compiled for AVX2")]
        // SAFETY: the feature was detected on the line above.
        return unsafe { add_products_avx2(shape, x, w, y) };
    }
    add_products_body(shape, x, w, y);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_products_avx2(shape: DenseShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    add_products_body(shape, x, w, y);
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_products_body(shape: DenseShape, x: &[f32], w: &[f32], y: &mut [f32]) {
    let DenseShape { inputs, outputs } = shape;
    let whole = outputs - outputs % LANES;
    for at in (0..whole).step_by(LANES) {
        if y.len() == ROWS * outputs {
            add_block::<ROWS, LANES>((inputs, outputs), (x, w), at, y);
        } else {
            for (y, x) in y.chunks_exact_mut(outputs).zip(x.chunks_exact(inputs)) {
                add_block::<1, LANES>((inputs, outputs), (x, w), at, y);
            }
        }
    }
    for at in whole..outputs {
        for (y, x) in y.chunks_exact_mut(outputs).zip(x.chunks_exact(inputs)) {
            add_block::<1, 1>((inputs, outputs), (x, w), at, y);
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_block<const R: usize, const N: usize>(
    (inputs, outputs): (usize, usize),
    (x, w): (&[f32], &[f32]),
    at: usize,
    y: &mut [f32],
) {
    let mut sums = [[0.0f32; N]; R];
    for (row, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&y[row * outputs + at..row * outputs + at + N]);
    }
    let rows: [&[f32]; R] = std::array::from_fn(|row| &x[row * inputs..(row + 1) * inputs]);
    for (input, w) in w.chunks_exact(outputs).enumerate() {
        let mut weights = [0.0f32; N];
        weights.copy_from_slice(&w[at..at + N]);
        for row in 0..R {
            let value = rows[row][input];
            for lane in 0..N {
                sums[row][lane] += value * weights[lane];
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        y[row * outputs + at..row * outputs + at + N].copy_from_slice(sums);
    }
}
