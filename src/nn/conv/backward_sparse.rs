//! The backward pass of one picture on the numbers that are not zero.

use super::axpy::{Part, Unit};
use super::backward::{Gradients, Incoming};
use super::{ConvShape, Scratch, grown};

/// Kernel rows shorter than this are joined into one row per patch.
const SHORT: usize = 32;

/// Adds one picture's gradients to `into`; see [`super::backward`].
///
/// Weights are worked on as `[output map, 9 · input maps]`, so that everything that one gradient
/// touches lies in rows. A pooled row is finished before the next one is begun, so its input and
/// gradient rows stay in the cache.
pub(super) fn backward(
    unit: Unit,
    shape: &ConvShape,
    (from, mut into): (Incoming<'_>, Gradients<'_>),
    scratch: &mut Scratch,
) {
    let Scratch { band, flipped, sums, nonzero, .. } = scratch;
    let (row, segment) = (shape.width * shape.input_maps, 3 * shape.input_maps);
    let joined = segment < SHORT;
    let width = if joined { (3 * segment).next_multiple_of(8) } else { 3 * segment };
    let sums = grown(sums, shape.output_maps * width);
    sums.fill(0.0);
    if let Some(input) = into.input.as_deref_mut() {
        input.fill(0.0);
        turn(from.weights, shape.output_maps, grown(flipped, shape.weight_len()));
    }
    let pooled_row = shape.pooled_width() * shape.output_maps;
    let rows = from.gradient.chunks_exact(pooled_row).zip(from.winners.chunks_exact(pooled_row));
    for (at, (gradient, winners)) in rows.enumerate() {
        let first = 2 * at * row;
        if let Some(input) = into.input.as_deref_mut() {
            nonzero.list(shape, gradient, winners, shape.input_maps);
            for index in 0..3 {
                let weights = Part::kernel_row(&flipped[..], index, segment);
                unit.scatter(nonzero, weights, &mut input[first + index * row..]);
            }
        }
        if joined {
            nonzero.list(shape, gradient, winners, width);
            let patches = grown(band, 2 * shape.width * width);
            join(shape, &from.input[first..], width, patches);
            let sums = Part { data: &mut *sums, width, start: 0, len: width };
            unit.gather(nonzero, patches, sums);
        } else {
            if into.input.is_none() {
                nonzero.list(shape, gradient, winners, shape.input_maps);
            }
            for index in 0..3 {
                let sums = Part::kernel_row(&mut *sums, index, segment);
                unit.gather(nonzero, &from.input[first + index * row..], sums);
            }
        }
        for (map, bias) in into.bias.iter_mut().enumerate() {
            *bias += nonzero.of(map).1.iter().sum::<f32>();
        }
    }
    for (row, weights) in into.weights.chunks_exact_mut(shape.output_maps).enumerate() {
        for (map, weight) in weights.iter_mut().enumerate() {
            *weight += sums[map * width + row];
        }
    }
}

/// Writes the transpose of `[rows, maps]`.
fn turn(weights: &[f32], maps: usize, turned: &mut [f32]) {
    let rows = weights.len() / maps;
    for (row, weights) in weights.chunks_exact(maps).enumerate() {
        for (map, weight) in weights.iter().enumerate() {
            turned[map * rows + row] = *weight;
        }
    }
}

/// Writes the patches of two convolution rows, each `[9 · input_maps]` and `width` apart; what
/// stands between them is not read for its value.
fn join(shape: &ConvShape, input: &[f32], width: usize, patches: &mut [f32]) {
    let (row, segment) = (shape.width * shape.input_maps, 3 * shape.input_maps);
    for (conv_row, patches) in patches.chunks_exact_mut(shape.width * width).enumerate() {
        for kernel_row in 0..3 {
            let source = &input[(conv_row + kernel_row) * row..][..row];
            let columns = patches.chunks_exact_mut(width).take(shape.width - 2).enumerate();
            for (column, patch) in columns {
                let from = &source[column * shape.input_maps..];
                let to = &mut patch[kernel_row * segment..];
                // Twelve numbers in one move; the three too many are overwritten next.
                match (segment, from.first_chunk::<12>(), to.first_chunk_mut::<12>()) {
                    (9, Some(from), Some(to)) => *to = *from,
                    _ => to[..segment].copy_from_slice(&from[..segment]),
                }
            }
        }
    }
}
