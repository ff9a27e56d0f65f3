//! Fully connected layers: training passes over a batch, and an evaluation pass whose result for
//! one example does not depend on the batch around it.

mod evaluate;
mod op;

pub use evaluate::evaluate;
pub use op::Dense;

use rayon::prelude::*;

use super::add_in_order;
use super::conv::grown;
use super::gemm::{Into, Matrix, Size, multiply};

/// Inputs that one piece of work covers.
const PIECE: usize = 2048;

/// The sizes of one fully connected layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseShape {
    /// Numbers going in.
    pub inputs: usize,
    /// Numbers coming out.
    pub outputs: usize,
}

/// `y [n, outputs] = x [n, inputs] · w [inputs, outputs] + b`, cut at zero when `relu`.
pub fn forward(shape: DenseShape, x: &[f32], (w, b): (&[f32], &[f32]), y: &mut [f32], relu: bool) {
    let DenseShape { inputs, outputs } = shape;
    let count = y.len() / outputs;
    let pieces: Vec<Vec<f32>> = w
        .par_chunks(PIECE * outputs)
        .enumerate()
        .map(|(piece, w)| {
            let mut part = vec![0.0; y.len()];
            let size = Size { m: count, n: outputs, k: w.len() / outputs };
            let x = Matrix::by_rows(&x[piece * PIECE..], inputs);
            multiply(size, x, Matrix::by_rows(w, outputs), &mut part, Into::Replace);
            part
        })
        .collect();
    for row in y.chunks_exact_mut(outputs) {
        row.copy_from_slice(b);
    }
    add_in_order(y, pieces.iter().map(Vec::as_slice));
    if relu {
        cut(y);
    }
}

/// Negative numbers become zero; what is not a number stays.
pub(crate) fn cut(values: &mut [f32]) {
    for value in values {
        *value = if *value <= 0.0 { 0.0 } else { *value };
    }
}

/// What the backward pass of a layer starts from.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The layer's input `[n, inputs]`.
    pub x: &'a [f32],
    /// Its weights `[inputs, outputs]`.
    pub w: &'a [f32],
    /// The gradient of its output `[n, outputs]`, already through the `ReLU`.
    pub dy: &'a [f32],
}

/// Replaces the gradients of weights, bias and (where wanted) input.
pub fn backward(
    shape: DenseShape,
    from: Incoming<'_>,
    (dw, db): (&mut [f32], &mut [f32]),
    dx: Option<&mut [f32]>,
) {
    let DenseShape { inputs, outputs } = shape;
    let count = from.dy.len() / outputs;
    dw.par_chunks_mut(PIECE * outputs).enumerate().for_each(|(piece, dw)| {
        let size = Size { m: dw.len() / outputs, n: outputs, k: count };
        let x = Matrix::transposed(&from.x[piece * PIECE..], inputs);
        multiply(size, x, Matrix::by_rows(from.dy, outputs), dw, Into::Replace);
    });
    db.fill(0.0);
    add_in_order(db, from.dy.chunks_exact(outputs));
    if let Some(dx) = dx {
        backward_input(shape, from, dx);
    }
    debug_assert_eq!(from.x.len(), count * inputs, "input length");
}

/// Some inputs of all examples at a time, so that the weights are read once.
fn backward_input(shape: DenseShape, from: Incoming<'_>, dx: &mut [f32]) {
    let DenseShape { inputs, outputs } = shape;
    let mut pieces: Vec<Vec<&mut [f32]>> = Vec::new();
    pieces.resize_with(inputs.div_ceil(PIECE), Vec::new);
    for row in dx.chunks_exact_mut(inputs) {
        for (piece, part) in pieces.iter_mut().zip(row.chunks_mut(PIECE)) {
            piece.push(part);
        }
    }
    let pieces = pieces.par_iter_mut().zip(from.w.par_chunks(PIECE * outputs));
    pieces.for_each_init(Vec::new, |buffer, (parts, w)| {
        let size = Size { m: parts.len(), n: w.len() / outputs, k: outputs };
        let slopes = grown(buffer, size.m * size.n);
        let w = Matrix::transposed(w, outputs);
        multiply(size, Matrix::by_rows(from.dy, outputs), w, slopes, Into::Replace);
        for (part, slopes) in parts.iter_mut().zip(slopes.chunks_exact(size.n)) {
            part.copy_from_slice(slopes);
        }
    });
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the sums are exact")]
mod tests {
    use super::*;

    #[test]
    fn gradients_match_the_hand_calculation() {
        let shape = DenseShape { inputs: 2, outputs: 1 };
        let (x, w, dy) = ([1.0, 2.0, 3.0, 4.0], [10.0, 20.0], [1.0, -1.0]);
        let (mut dw, mut db, mut dx) = ([9.0; 2], [9.0], [9.0; 4]);
        let from = Incoming { x: &x, w: &w, dy: &dy };
        backward(shape, from, (&mut dw, &mut db), Some(&mut dx));
        assert_eq!((dw, db), ([-2.0, -2.0], [0.0]));
        assert_eq!(dx, [10.0, 20.0, -10.0, -20.0]);
    }

    #[test]
    fn training_and_evaluation_agree() {
        let shape = DenseShape { inputs: 5000, outputs: 7 };
        let x: Vec<f32> = (0..15_000).map(|i| ((i * 37 % 101) as f32 - 50.0) / 100.0).collect();
        let w: Vec<f32> = (0..35_000).map(|i| ((i * 53 % 97) as f32 - 48.0) / 1000.0).collect();
        let b = [0.1; 7];
        let (mut trained, mut evaluated) = (vec![0.0; 21], vec![0.0; 21]);
        forward(shape, &x, (&w, &b), &mut trained, true);
        evaluate(shape, &x, (&w, &b), &mut evaluated, true);
        for (a, b) in trained.iter().zip(&evaluated) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
        let mut alone = vec![0.0; 7];
        evaluate(shape, &x[5000..10_000], (&w, &b), &mut alone, true);
        assert_eq!(alone, evaluated[7..14]);
    }
}
