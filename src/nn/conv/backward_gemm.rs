//! The backward pass of one picture as matrix products over written-out zeros.

use super::super::gemm::{Into, Matrix, Size, multiply};
use super::backward::{Gradients, Incoming};
use super::{ConvShape, DEAD, Scratch, grown, pool};

/// Adds one picture's gradients to `into`.
///
/// Bands of rows are unpooled behind two kept rows, because an input row receives from three
/// output rows; the row width stays the input's, with zeros in the two mixed columns.
pub(super) fn backward(
    shape: &ConvShape,
    from: Incoming<'_>,
    mut into: Gradients<'_>,
    scratch: &mut Scratch,
) {
    add_bias(from, into.bias);
    if into.input.is_some() {
        flip(shape, from.weights, &mut scratch.flipped);
    }
    let (row, input_row) = (shape.width * shape.output_maps, shape.width * shape.input_maps);
    let pooled_row = shape.pooled_width() * shape.output_maps;
    // Two kept rows, and two pixels before them that the first patch reaches back to.
    let lead = 2 * row + 2 * shape.output_maps;
    let band = shape.band();
    // Rows that the pool dropped or the kernel reaches past receive nothing from below.
    let tail = shape.height - 2 * shape.pooled_height();
    let buffer = grown(&mut scratch.band, lead + (2 * band + tail) * row);
    buffer[..lead].fill(0.0);
    let pooled =
        from.gradient.chunks(band * pooled_row).zip(from.winners.chunks(band * pooled_row));
    let bands = shape.pooled_height().div_ceil(band);
    for (index, (gradient, winners)) in pooled.enumerate() {
        let rows = 2 * gradient.len() / pooled_row;
        let first = 2 * index * band;
        unpool_band(shape, (gradient, winners), &mut buffer[lead..lead + rows * row]);
        let pixels = &from.input[first * input_row..];
        add_weights(shape, pixels, &buffer[lead..lead + rows * row], into.weights);
        if let Some(input) = into.input.as_deref_mut() {
            let extra = if index + 1 == bands { tail } else { 0 };
            buffer[lead + rows * row..lead + (rows + extra) * row].fill(0.0);
            let target = &mut input[first * input_row..(first + rows + extra) * input_row];
            let flipped = &scratch.flipped[..shape.weight_len()];
            spread(shape, &buffer[..lead + (rows + extra) * row], flipped, target);
            buffer.copy_within(rows * row..rows * row + lead, 0);
        }
    }
}

fn add_bias(from: Incoming<'_>, bias: &mut [f32]) {
    let maps = bias.len();
    let pixels = from.gradient.chunks_exact(maps).zip(from.winners.chunks_exact(maps));
    for (gradient, winners) in pixels {
        for (sum, (value, winner)) in bias.iter_mut().zip(gradient.iter().zip(winners)) {
            *sum += if *winner == DEAD { 0.0 } else { *value };
        }
    }
}

fn unpool_band(shape: &ConvShape, pooled: (&[f32], &[u8]), rows: &mut [f32]) {
    let pooled_row = shape.pooled_width() * shape.output_maps;
    let row = shape.width * shape.output_maps;
    let sources = pooled.0.chunks_exact(pooled_row).zip(pooled.1.chunks_exact(pooled_row));
    for (pair, (gradient, winners)) in rows.chunks_exact_mut(2 * row).zip(sources) {
        pool::unpool(gradient, winners, shape.output_maps, pair.split_at_mut(row));
    }
}

/// `dW[ky] += patches(ky)ᵀ · dY` over the rows of one band.
fn add_weights(shape: &ConvShape, input: &[f32], gradient: &[f32], weights: &mut [f32]) {
    let pixels = gradient.len() / shape.output_maps;
    let size = Size { m: 3 * shape.input_maps, n: shape.output_maps, k: pixels - 2 };
    for (row, weights) in weights.chunks_exact_mut(shape.kernel_row_len()).enumerate() {
        let input = &input[row * shape.width * shape.input_maps..];
        let patches = Matrix::transposed(input, shape.input_maps);
        multiply(size, patches, Matrix::by_rows(gradient, shape.output_maps), weights, Into::Add);
    }
}

/// The input gradient of as many rows as `target` holds: the same three products, with flipped
/// weights, over gradient rows that end with the target's.
fn spread(shape: &ConvShape, gradient: &[f32], flipped: &[f32], target: &mut [f32]) {
    let size =
        Size { m: target.len() / shape.input_maps, n: shape.input_maps, k: 3 * shape.output_maps };
    for (row, weights) in flipped.chunks_exact(shape.kernel_row_len()).enumerate() {
        let patches = &gradient[(2 - row) * shape.width * shape.output_maps..];
        let patches = Matrix::by_rows(patches, shape.output_maps);
        let into = if row == 0 { Into::Replace } else { Into::Add };
        multiply(size, patches, Matrix::by_rows(weights, shape.input_maps), target, into);
    }
}

/// `flipped[ky][2 − kx, co, ci] = weights[ky][kx, ci, co]`.
fn flip(shape: &ConvShape, weights: &[f32], flipped: &mut Vec<f32>) {
    let (inputs, outputs) = (shape.input_maps, shape.output_maps);
    let flipped = grown(flipped, shape.weight_len());
    let cells = weights.chunks_exact(inputs * outputs).enumerate();
    for (cell, weights) in cells {
        let (row, column) = (cell / 3, cell % 3);
        let start = (row * 3 + 2 - column) * inputs * outputs;
        let target = &mut flipped[start..start + inputs * outputs];
        for (input, weights) in weights.chunks_exact(outputs).enumerate() {
            for (output, weight) in weights.iter().enumerate() {
                target[output * inputs + input] = *weight;
            }
        }
    }
}
