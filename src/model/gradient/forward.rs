//! The forward half of a training pass.

use rayon::prelude::*;

use super::super::architecture::{Layer, Node};
use super::super::network::Network;
use super::{Kept, Position, Workspace, mask_rows};
use crate::nn::batch_norm::{Affine, statistics};
use crate::nn::conv::{self, Filter, Kernel};
use crate::nn::{CHUNK, convolution, dense, elementwise, pooling};

impl Workspace {
    /// Computes the result of node `at` for the batch.
    pub(super) fn forward(
        &mut self,
        network: &Network,
        at: usize,
        pixels: &[f32],
        position: Position,
    ) {
        let count = pixels.len() / network.architecture.input_len();
        let Node { layer, inputs, output, .. } = &network.nodes[at];
        let (before, after) = self.values.split_at_mut(at);
        let input = |number: usize| match inputs[number] {
            0 => pixels,
            from => &before[from][..count * network.nodes[from].output.len()],
        };
        let (x, y) = (input(0), &mut after[0][..count * output.len()]);
        let (from_len, len) = (x.len() / count, output.len());
        match layer {
            Layer::ConvPool(shape) => {
                let Kept::Winners(winners) = &mut self.kept[at] else {
                    unreachable!("a pool keeps its winners")
                };
                let (weights, bias) = network.kernel(at);
                let filter = Filter::new(shape, Kernel { weights, bias });
                let outputs =
                    y.par_chunks_mut(CHUNK * len).zip(winners.par_chunks_mut(CHUNK * len));
                let scratches = self.partials.scratches(count.div_ceil(CHUNK));
                let groups = x.par_chunks(CHUNK * from_len).zip(outputs).zip(scratches);
                groups.for_each(|((x, (y, winners)), scratch)| {
                    let outputs = y.chunks_exact_mut(len).zip(winners.chunks_exact_mut(len));
                    for (x, output) in x.chunks_exact(from_len).zip(outputs) {
                        conv::forward(shape, x, &filter, output, &mut scratch.conv);
                    }
                });
            }
            Layer::Convolution { shape, bias } => {
                let bias = bias.then(|| network.numbers(at, 1));
                let filter = convolution::Filter::new(shape, network.numbers(at, 0), bias);
                let group = shape.group();
                let scratches = self.partials.scratches(count.div_ceil(group));
                let groups = x.par_chunks(group * from_len).zip(y.par_chunks_mut(group * len));
                groups.zip(scratches).for_each(|((x, y), scratch)| {
                    convolution::forward(shape, x, &filter, y, &mut scratch.convolution);
                });
            }
            Layer::BatchNorm { relu } => {
                let found = statistics(x, output.maps, len);
                let affine = Affine::new((&found.mean, &found.variance), network.kernel(at));
                let pictures = x.par_chunks_exact(from_len).zip(y.par_chunks_exact_mut(len));
                pictures.for_each(|(x, y)| affine.apply(x, y, *relu));
                self.kept[at] = Kept::Statistics(found);
            }
            Layer::Relu => elementwise::relu(x, y),
            Layer::AddRelu => elementwise::add_relu(x, input(1), y),
            Layer::MaxPool => {
                let Kept::Winners(winners) = &mut self.kept[at] else {
                    unreachable!("a pool keeps its winners")
                };
                let shape = network.nodes[inputs[0]].output.into();
                let outputs = y.par_chunks_exact_mut(len).zip(winners.par_chunks_exact_mut(len));
                let pictures = x.par_chunks_exact(from_len).zip(outputs);
                pictures.for_each(|(x, output)| pooling::max_pool(&shape, x, output));
            }
            Layer::GlobalAveragePool => {
                let pictures = x.par_chunks_exact(from_len).zip(y.par_chunks_exact_mut(len));
                pictures.for_each(|(x, y)| pooling::average(x, y));
            }
            Layer::Dropout { rate, number } => {
                y.copy_from_slice(x);
                mask_rows(y, len, *rate, |row| position.mask(*number, row));
            }
            Layer::Dense { shape, relu } => {
                dense::forward(*shape, x, network.kernel(at), y, *relu);
            }
            Layer::Picture => unreachable!("the picture is given"),
        }
    }
}
