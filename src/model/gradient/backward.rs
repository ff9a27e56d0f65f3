//! The backward half of a training pass.

use rayon::prelude::*;

use super::super::architecture::Layer;
use super::super::network::Network;
use super::{Chunk, Position, Workspace, mask_rows};
use crate::nn::conv::{self, ConvShape, Gradients, Incoming};
use crate::nn::dropout::MaskKey;
use crate::nn::{CHUNK, add_in_order, dense, dropout};

impl Workspace {
    /// Turns `descending` from the gradient of the logits into that of the flattened convolution
    /// output.
    pub(super) fn backward_dense(&mut self, network: &Network, count: usize, position: Position) {
        let (gradient, below) = (&mut self.descending.0, &mut self.descending.1);
        let mut index = self.outputs.len();
        for layer in network.layers[network.first_dense()..].iter().rev() {
            match layer {
                Layer::Conv(_) => unreachable!("convolutions come first"),
                Layer::Dropout { rate, number } => {
                    let width = gradient.len() / count;
                    mask_rows(gradient, width, *rate, |row| position.mask(*number, row));
                }
                Layer::Dense { shape, relu } => {
                    index -= 1;
                    if *relu {
                        cut_gradient(gradient, &self.outputs[index]);
                    }
                    below.resize(count * shape.inputs, 0.0);
                    let x = &self.outputs[index - 1][..below.len()];
                    let w = network.kernel(index).weights;
                    let from = dense::Incoming { x, w, dy: gradient };
                    let (dw, db) = self.gradients[2 * index..].split_at_mut(1);
                    dense::backward(*shape, from, (&mut dw[0], &mut db[0]), Some(below));
                    std::mem::swap(gradient, below);
                }
            }
        }
    }

    /// From the flattened convolution output down to the first convolution.
    pub(super) fn backward_convolutions(
        &mut self,
        network: &Network,
        pixels: &[f32],
        position: Position,
    ) {
        let length = network.architecture.input_len();
        let count = pixels.len() / length;
        let gradient = &self.descending.0;
        let width = gradient.len() / count;
        let (outputs, winners) = (&self.outputs, &self.winners);
        let used = count.div_ceil(CHUNK);
        self.chunks[..used].par_iter_mut().enumerate().for_each(|(at, chunk)| {
            for (weights, bias) in &mut chunk.sums {
                weights.fill(0.0);
                bias.fill(0.0);
            }
            for index in at * CHUNK..count.min((at + 1) * CHUNK) {
                let picture = Picture { index, input: &pixels[index * length..][..length] };
                chunk.upper.clear();
                chunk.upper.extend_from_slice(&gradient[index * width..][..width]);
                let mask = |layer| position.mask(layer, index);
                backward_picture(network, (outputs, winners), picture, chunk, mask);
            }
        });
        let chunks = &self.chunks[..used];
        let layers = self.gradients.par_chunks_mut(2).take(self.winners.len()).enumerate();
        layers.for_each(|(block, pair)| {
            let (weights, bias) = pair.split_at_mut(1);
            weights[0].fill(0.0);
            bias[0].fill(0.0);
            add_in_order(&mut weights[0], chunks.iter().map(|c| c.sums[block].0.as_slice()));
            add_in_order(&mut bias[0], chunks.iter().map(|c| c.sums[block].1.as_slice()));
        });
    }
}

/// A gradient passes where the layer's output was above zero. Where dropout has zeroed an output
/// its gradient is zero already.
fn cut_gradient(gradient: &mut [f32], output: &[f32]) {
    for (gradient, output) in gradient.iter_mut().zip(output) {
        *gradient = if *output > 0.0 { *gradient } else { 0.0 };
    }
}

#[derive(Clone, Copy)]
struct Picture<'a> {
    index: usize,
    input: &'a [f32],
}

impl Picture<'_> {
    fn part<'a, T>(&self, batch: &'a [T], shape: &ConvShape) -> &'a [T] {
        &batch[self.index * shape.output_len()..][..shape.output_len()]
    }
}

/// One picture from the gradient in `chunk.upper` down, adding to `chunk.sums`.
fn backward_picture(
    network: &Network,
    (outputs, winners): (&[Vec<f32>], &[Vec<u8>]),
    picture: Picture<'_>,
    chunk: &mut Chunk,
    mask: impl Fn(u64) -> MaskKey,
) {
    let mut block = winners.len();
    for (at, layer) in network.layers[..network.first_dense()].iter().enumerate().rev() {
        let shape = match layer {
            Layer::Conv(shape) => shape,
            Layer::Dropout { rate, number } => {
                dropout::apply(&mut chunk.upper, *rate, mask(*number));
                continue;
            }
            Layer::Dense { .. } => unreachable!("dense layers come last"),
        };
        block -= 1;
        let below = network.layers[..at].iter().rev().find_map(super::as_conv);
        let input = below.map_or(picture.input, |below| picture.part(&outputs[block - 1], below));
        let incoming = Incoming {
            input,
            weights: network.kernel(block).weights,
            gradient: &chunk.upper,
            winners: picture.part(&winners[block], shape),
        };
        chunk.lower.resize(shape.input_len(), 0.0);
        let (weights, bias) = &mut chunk.sums[block];
        let input = below.is_some().then_some(&mut chunk.lower[..]);
        conv::backward(shape, incoming, Gradients { weights, bias, input }, &mut chunk.scratch);
        std::mem::swap(&mut chunk.upper, &mut chunk.lower);
    }
}
