//! The forward half of a training pass.

use rayon::prelude::*;

use super::super::architecture::Layer;
use super::super::network::Network;
use super::{Position, Workspace, as_conv, mask_rows};
use crate::nn::conv::{self, Scratch};
use crate::nn::dropout::MaskKey;
use crate::nn::{CHUNK, dense, dropout};

impl Workspace {
    pub(super) fn forward_convolutions(
        &mut self,
        network: &Network,
        pixels: &[f32],
        position: Position,
    ) {
        let front = &network.layers[..network.first_dense()];
        let length = network.architecture.input_len();
        let count = pixels.len() / length;
        // One row of slices per picture: each picture's part of every layer's buffers.
        let mut pictures: Vec<Vec<(&mut [f32], &mut [u8])>> = (0..count).map(|_| vec![]).collect();
        let shapes = front.iter().filter_map(as_conv);
        for ((shape, output), winners) in shapes.zip(&mut self.outputs).zip(&mut self.winners) {
            let winners = winners.chunks_exact_mut(shape.output_len());
            let parts = output.chunks_exact_mut(shape.output_len()).zip(winners);
            for (picture, part) in pictures.iter_mut().zip(parts) {
                picture.push(part);
            }
        }
        let chunks = pictures.par_chunks_mut(CHUNK).zip(&mut self.chunks).enumerate();
        chunks.for_each(|(at, (pictures, chunk))| {
            for (offset, outputs) in pictures.iter_mut().enumerate() {
                let index = at * CHUNK + offset;
                let input = &pixels[index * length..(index + 1) * length];
                let mask = |layer| position.mask(layer, index);
                forward_picture(network, input, outputs, &mut chunk.scratch, mask);
            }
        });
    }

    /// The dense layers; gives the logits.
    pub(super) fn forward_dense(
        &mut self,
        network: &Network,
        count: usize,
        position: Position,
    ) -> Vec<f32> {
        let mut index = network.architecture.conv.len();
        for layer in &network.layers[network.first_dense()..] {
            match layer {
                Layer::Conv(_) => unreachable!("convolutions come first"),
                Layer::Dropout { rate, number } => {
                    let output = &mut self.outputs[index - 1];
                    let width = output.len() / self.batch;
                    mask_rows(&mut output[..count * width], width, *rate, |row| {
                        position.mask(*number, row)
                    });
                }
                Layer::Dense { shape, relu } => {
                    let (before, after) = self.outputs.split_at_mut(index);
                    let x = &before[index - 1][..count * shape.inputs];
                    let y = &mut after[0][..count * shape.outputs];
                    let kernel = network.kernel(index);
                    dense::forward(*shape, x, (kernel.weights, kernel.bias), y, *relu);
                    index += 1;
                }
            }
        }
        self.outputs[index - 1][..count * network.architecture.classes].to_vec()
    }
}

/// The convolution blocks and their dropout on one picture; `outputs` has a part per block.
fn forward_picture(
    network: &Network,
    input: &[f32],
    outputs: &mut [(&mut [f32], &mut [u8])],
    scratch: &mut Scratch,
    mask: impl Fn(u64) -> MaskKey,
) {
    let mut block = 0;
    for layer in &network.layers[..network.first_dense()] {
        match layer {
            Layer::Conv(shape) => {
                let (before, after) = outputs.split_at_mut(block);
                let x = before.last().map_or(input, |(output, _)| output);
                let (output, winners) = &mut after[0];
                conv::forward(shape, x, network.kernel(block), (output, winners), scratch);
                block += 1;
            }
            Layer::Dropout { rate, number } => {
                dropout::apply(outputs[block - 1].0, *rate, mask(*number));
            }
            Layer::Dense { .. } => unreachable!("dense layers come last"),
        }
    }
}
