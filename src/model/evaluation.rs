//! The evaluation of a network: dropout off, running statistics in place of the batch's.

use rayon::prelude::*;

use super::architecture::{Layer, Node};
use super::network::Network;
use crate::nn::batch_norm::Affine;
use crate::nn::conv::{self, Filter, Kernel};
use crate::nn::{convolution, dense, elementwise, loss, pooling};

/// The weights of a node's layer in the form in which evaluation reads them.
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    /// As they stand.
    Plain,
    ConvPool(Filter),
    Convolution(convolution::Filter),
    /// The factors and addends of a batch normalisation by its running statistics.
    BatchNorm(Affine),
}

/// What one thread needs to evaluate pictures.
#[derive(Default)]
struct Evaluation {
    /// The result of each node.
    values: Vec<Vec<f32>>,
    /// Of a pool by itself.
    winners: Vec<u8>,
    conv: conv::Scratch,
    convolution: convolution::Scratch,
}

impl Network {
    /// Logits `[count, classes]` in evaluation mode; `fill(i, picture)` writes picture `i` as
    /// `[s, s, 3]` in 0..1. A picture's logits do not depend on the others.
    pub fn logits(&self, count: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        self.logits_with(&self.prepare(), count, fill)
    }

    /// What the output layer is given of each picture in evaluation mode, `[count, width]`; see [`Network::logits`].
    pub fn features(&self, count: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        self.values(&self.prepare(), count, fill, self.nodes.len() - 1)
    }

    /// [`Network::logits`] with what [`Network::prepare`] gave.
    pub(super) fn logits_with(
        &self,
        prepared: &[Prepared],
        count: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Vec<f32> {
        self.values(prepared, count, fill, self.nodes.len())
    }

    /// The results of the node before `end`, a dense one or the last that works on maps.
    fn values(
        &self,
        prepared: &[Prepared],
        count: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
        end: usize,
    ) -> Vec<f32> {
        let first_dense = self.first_dense();
        let flat = self.nodes[self.source(first_dense - 1)].output.len();
        let mut values = vec![0.0; count * flat];
        values.par_chunks_mut(flat).enumerate().for_each_init(
            Evaluation::default,
            |state, (index, features)| {
                state.values.resize_with(first_dense, Vec::new);
                state.values[0].resize(self.architecture.input_len(), 0.0);
                fill(index, &mut state.values[0]);
                for (at, prepared) in prepared.iter().enumerate().take(first_dense).skip(1) {
                    self.evaluate(at, prepared, state);
                }
                features.copy_from_slice(&state.values[self.source(first_dense - 1)]);
            },
        );
        for (at, node) in self.nodes.iter().enumerate().take(end).skip(first_dense) {
            if let Layer::Dense { shape, relu } = node.layer {
                let mut next = vec![0.0; count * shape.outputs];
                dense::evaluate(shape, &values, self.kernel(at), &mut next, relu);
                values = next;
            }
        }
        values
    }

    /// Probabilities `[count, classes]` in evaluation mode; see [`Network::logits`].
    pub fn probabilities(&self, count: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        let mut values = self.logits(count, fill);
        loss::softmax(&mut values, self.architecture.classes);
        values
    }

    /// The node whose result node `at` gives in evaluation mode: dropout passes its input on.
    fn source(&self, mut at: usize) -> usize {
        while matches!(self.nodes[at].layer, Layer::Dropout { .. }) {
            at = self.nodes[at].inputs[0];
        }
        at
    }

    /// Every node's weights, made ready for evaluation.
    pub(super) fn prepare(&self) -> Vec<Prepared> {
        let prepared = self.nodes.iter().enumerate().map(|(at, node)| match node.layer {
            Layer::ConvPool(shape) => {
                let (weights, bias) = self.kernel(at);
                Prepared::ConvPool(Filter::new(&shape, Kernel { weights, bias }))
            }
            Layer::Convolution { shape, bias } => {
                let bias = bias.then(|| self.numbers(at, 1));
                Prepared::Convolution(convolution::Filter::new(&shape, self.numbers(at, 0), bias))
            }
            Layer::BatchNorm { .. } => {
                let numbers = |part| self.numbers(at, part);
                let statistics = (numbers(2), numbers(3));
                Prepared::BatchNorm(Affine::new(statistics, (numbers(0), numbers(1))))
            }
            _ => Prepared::Plain,
        });
        prepared.collect()
    }

    /// One node on one picture, whose earlier results are in `state`.
    fn evaluate(&self, at: usize, prepared: &Prepared, state: &mut Evaluation) {
        let Node { layer, inputs, output, .. } = &self.nodes[at];
        let (before, after) = state.values.split_at_mut(at);
        let (x, y) = (&before[self.source(inputs[0])][..], &mut after[0]);
        if !matches!(layer, Layer::Dropout { .. }) {
            y.resize(output.len(), 0.0);
        }
        match layer {
            Layer::ConvPool(shape) => {
                let Prepared::ConvPool(filter) = prepared else { unreachable!("made for it") };
                conv::forward(shape, x, filter, (y, &mut []), &mut state.conv);
            }
            Layer::Convolution { shape, .. } => {
                let Prepared::Convolution(filter) = prepared else { unreachable!("made for it") };
                convolution::forward(shape, x, filter, y, &mut state.convolution);
            }
            Layer::BatchNorm { relu } => {
                let Prepared::BatchNorm(affine) = prepared else { unreachable!("made for it") };
                affine.apply(x, y, *relu);
            }
            Layer::Relu => elementwise::relu(x, y),
            Layer::AddRelu => elementwise::add_relu(x, &before[self.source(inputs[1])], y),
            Layer::MaxPool => {
                state.winners.resize(output.len(), 0);
                let shape = self.nodes[inputs[0]].output.into();
                pooling::max_pool(&shape, x, (y, &mut state.winners));
            }
            Layer::GlobalAveragePool => pooling::average(x, y),
            Layer::Dropout { .. } => {}
            Layer::Picture | Layer::Dense { .. } => unreachable!("not between picture and vectors"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::architecture::tests::{tiny, tiny_residual};
    use super::super::network::tests::noise;
    use super::*;
    use crate::nn::init::Initializer;

    #[test]
    fn the_output_layer_makes_logits_of_the_features() {
        for architecture in [tiny(), tiny_residual()] {
            let network = Network::new(&architecture, Initializer::GlorotUniform, 1);
            let (pixels, length) = (noise(2, &architecture), architecture.input_len());
            let fill = |index: usize, picture: &mut [f32]| {
                picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
            };
            let features = network.features(2, fill);
            let Layer::Dense { shape, .. } = network.nodes.last().unwrap().layer else {
                panic!("the output layer is dense")
            };
            let mut logits = vec![0.0; 2 * shape.outputs];
            let kernel = network.kernel(network.nodes.len() - 1);
            dense::evaluate(shape, &features, kernel, &mut logits, false);
            assert_eq!(logits, network.logits(2, fill));
        }
    }

    #[test]
    fn a_picture_alone_and_in_a_batch_gives_the_same_bits() {
        for architecture in [tiny(), tiny_residual()] {
            let network = Network::new(&architecture, Initializer::GlorotUniform, 1);
            let (pixels, length) = (noise(7, &architecture), architecture.input_len());
            let fill = |index: usize, picture: &mut [f32]| {
                picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
            };
            let together = network.probabilities(7, fill);
            for index in 0..7 {
                let alone = network.probabilities(1, |_, picture| fill(index, picture));
                assert_eq!(alone, together[index * 3..index * 3 + 3]);
                assert!((alone.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
    }
}
