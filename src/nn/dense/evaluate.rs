//! The evaluation pass: every sum runs over the inputs in order, whatever the batch.

use rayon::prelude::*;

use super::{DenseShape, cut};
use crate::nn::panel::{LANES, Unit, on_each_unit};

/// Examples that one piece of work covers; they share one reading of the weights from memory.
const ROWS: usize = 12;

/// Inputs whose weights stay in the cache while all examples use them.
const BLOCK: usize = 128;

/// `y [n, outputs] = x [n, inputs] · w [inputs, outputs] + b`, cut at zero when `relu`.
///
/// One example gives the same bits alone and in any batch.
pub fn evaluate(shape: DenseShape, x: &[f32], (w, b): (&[f32], &[f32]), y: &mut [f32], relu: bool) {
    let DenseShape { inputs, outputs } = shape;
    let unit = Unit::detect();
    y.par_chunks_mut(ROWS * outputs).zip(x.par_chunks(ROWS * inputs)).for_each(|(y, x)| {
        for row in y.chunks_exact_mut(outputs) {
            row.copy_from_slice(b);
        }
        add_products(unit, shape, x, w, y);
        if relu {
            cut(y);
        }
    });
}

on_each_unit! {
    /// Adds the products to `y`.
    fn add_products(shape: DenseShape, x: &[f32], w: &[f32], y: &mut [f32]) = add_products_body;
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_products_body<const T: usize, const FUSED: bool>(
    shape: DenseShape,
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
) {
    let DenseShape { inputs, outputs } = shape;
    let rows = y.len() / outputs;
    let whole = rows - rows % T;
    for (block, w) in w.chunks(BLOCK * outputs).enumerate() {
        let input = block * BLOCK;
        for row in (0..whole).step_by(T) {
            let (x, y) = (&x[row * inputs + input..], &mut y[row * outputs..]);
            add_block::<T, 1, FUSED>(shape, x, w, y);
        }
        // One example alone reads whole lines of the weights, so that memory is read in order.
        for row in whole..rows {
            let (x, y) = (&x[row * inputs + input..], &mut y[row * outputs..]);
            add_block::<1, 4, FUSED>(shape, x, w, y);
        }
    }
}

/// Adds the products of R examples with a block of weights, P panels of outputs at a time.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_block<const R: usize, const P: usize, const FUSED: bool>(
    shape: DenseShape,
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
) {
    let mut at = 0;
    while at < shape.outputs {
        at += match shape.outputs - at {
            rest if rest >= P * LANES => add_panels::<R, P, LANES, FUSED>(shape, (x, w), at, y),
            rest if rest >= LANES => add_panels::<R, 1, LANES, FUSED>(shape, (x, w), at, y),
            _ => add_panels::<R, 1, 1, FUSED>(shape, (x, w), at, y),
        };
    }
}

/// P panels of N outputs from `at` on; gives their number.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_panels<const R: usize, const P: usize, const N: usize, const FUSED: bool>(
    DenseShape { inputs, outputs }: DenseShape,
    (x, w): (&[f32], &[f32]),
    at: usize,
    y: &mut [f32],
) -> usize {
    let (mut rows, count) = ([x; R], w.len() / outputs);
    let mut sums = [[[0.0; N]; P]; R];
    for row in 0..R {
        rows[row] = &x[row * inputs..][..count];
        let from = y[row * outputs + at..].as_chunks::<N>().0;
        sums[row].copy_from_slice(&from[..P]);
    }
    for input in 0..count {
        let w: &[[f32; N]] = w[input * outputs + at..].as_chunks().0;
        let w: &[[f32; N]; P] = w.first_chunk().expect("the panels are there");
        for row in 0..R {
            let value = rows[row][input];
            for panel in 0..P {
                for lane in 0..N {
                    let (sum, weight) = (&mut sums[row][panel][lane], w[panel][lane]);
                    *sum = if FUSED { value.mul_add(weight, *sum) } else { value * weight + *sum };
                }
            }
        }
    }
    for row in 0..R {
        y[row * outputs + at..].as_chunks_mut::<N>().0[..P].copy_from_slice(&sums[row]);
    }
    P * N
}
