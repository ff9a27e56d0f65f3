//! `ReLU` and sums of equal-sized arrays.

use rayon::prelude::*;

use super::isa::{Isa, on_each_isa};

/// Numbers that one piece of work covers.
const PIECE: usize = 1 << 15;

/// `y = max(x, 0)`; what is not a number stays.
pub fn relu(x: &[f32], y: &mut [f32]) {
    let isa = Isa::detect();
    y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| relu_piece(isa, x, y));
}

/// `y = max(a + b, 0)`; what is not a number stays.
pub fn add_relu(a: &[f32], b: &[f32], y: &mut [f32]) {
    let isa = Isa::detect();
    let inputs = a.par_chunks(PIECE).zip(b.par_chunks(PIECE));
    y.par_chunks_mut(PIECE).zip(inputs).for_each(|(y, (a, b))| add_relu_piece(isa, (a, b), y));
}

/// `dx = dy` where the output was above zero, else zero: the backward pass of both.
pub fn relu_backward(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    let isa = Isa::detect();
    let from = y.par_chunks(PIECE).zip(dy.par_chunks(PIECE));
    dx.par_chunks_mut(PIECE).zip(from).for_each(|(dx, from)| cut_piece(isa, from, dx));
}

/// `sum += addend`.
pub fn add(addend: &[f32], sum: &mut [f32]) {
    let isa = Isa::detect();
    let pieces = sum.par_chunks_mut(PIECE).zip(addend.par_chunks(PIECE));
    pieces.for_each(|(sum, addend)| add_piece(isa, addend, sum));
}

on_each_isa! {
    fn relu_piece(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = if *x <= 0.0 { 0.0 } else { *x };
        }
    }
}

on_each_isa! {
    fn add_relu_piece(inputs: (&[f32], &[f32]), y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(inputs.0).zip(inputs.1) {
            let sum = a + b;
            *y = if sum <= 0.0 { 0.0 } else { sum };
        }
    }
}

on_each_isa! {
    fn cut_piece(from: (&[f32], &[f32]), dx: &mut [f32]) {
        for ((dx, y), dy) in dx.iter_mut().zip(from.0).zip(from.1) {
            *dx = if *y > 0.0 { *dy } else { 0.0 };
        }
    }
}

on_each_isa! {
    fn add_piece(addend: &[f32], sum: &mut [f32]) {
        for (sum, addend) in sum.iter_mut().zip(addend) {
            *sum += addend;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_cuts_agree_with_the_scalar_ones_on_every_instruction_set() {
        let a: Vec<f32> = (0..1000).map(|at| (at * 37 % 101) as f32 - 50.0).collect();
        let b: Vec<f32> = (0..1000).map(|at| (at * 53 % 97) as f32 - 48.0).collect();
        let run = |work: &dyn Fn(&mut [f32])| {
            let mut out = b.clone();
            work(&mut out);
            out
        };
        let with = |value: fn(f32, f32) -> f32| -> Vec<f32> {
            a.iter().zip(&b).map(|(a, b)| value(*a, *b)).collect()
        };
        for isa in Isa::all() {
            assert!(run(&|y| relu_piece(isa, &a, y)) == with(|a, _| a.max(0.0)));
            assert!(run(&|y| add_relu_piece(isa, (&a, &b), y)) == with(|a, b| (a + b).max(0.0)));
            let cut = |a: f32, b: f32| if a > 0.0 { b } else { 0.0 };
            assert!(run(&|dx| cut_piece(isa, (&a, &b), dx)) == with(cut));
            assert!(run(&|sum| add_piece(isa, &a, sum)) == with(|a, b| a + b));
        }
        assert!(run(&|y| relu(&[f32::NAN; 1000], y))[7].is_nan());
    }
}
