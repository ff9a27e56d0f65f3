//! The evaluation of a network: dropout off, running statistics in place of the batch's.

use rayon::prelude::*;

use super::architecture::{Layer, Node};
use super::network::Network;
use crate::nn::batch_norm::Affine;
use crate::nn::conv::{self, Kernel};
use crate::nn::{convolution, dense, depthwise, elementwise, loss, pooling};

/// What one thread needs to evaluate pictures.
#[derive(Default)]
struct Evaluation {
    /// The result of each node.
    values: Vec<Vec<f32>>,
    winners: Vec<u8>,
    conv: conv::Scratch,
    convolution: convolution::Scratch,
}

impl Network {
    /// Logits `[count, classes]` in evaluation mode; `fill(i, picture)` writes picture `i` as
    /// `[s, s, 3]` in 0..1. A picture's logits do not depend on the others.
    pub fn logits(&self, count: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        let first_dense = self.first_dense();
        let flat = self.nodes[self.source(first_dense - 1)].output.len();
        let norms: Vec<Option<Affine>> = (0..first_dense).map(|at| self.norm(at)).collect();
        let mut values = vec![0.0; count * flat];
        values.par_chunks_mut(flat).enumerate().for_each_init(
            Evaluation::default,
            |state, (index, features)| {
                state.values.resize_with(first_dense, Vec::new);
                state.values[0].resize(self.architecture.input_len(), 0.0);
                fill(index, &mut state.values[0]);
                for (at, norm) in norms.iter().enumerate().skip(1) {
                    self.evaluate(at, norm.as_ref(), state);
                }
                features.copy_from_slice(&state.values[self.source(first_dense - 1)]);
            },
        );
        for (at, node) in self.nodes.iter().enumerate().skip(first_dense) {
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

    /// The factors and addends of a batch normalisation by its running statistics.
    fn norm(&self, at: usize) -> Option<Affine> {
        let numbers = |part| self.numbers(at, part);
        matches!(self.nodes[at].layer, Layer::BatchNorm { .. })
            .then(|| Affine::new((numbers(2), numbers(3)), (numbers(0), numbers(1))))
    }

    /// One node on one picture, whose earlier results are in `state`.
    fn evaluate(&self, at: usize, norm: Option<&Affine>, state: &mut Evaluation) {
        let Node { layer, inputs, output, .. } = &self.nodes[at];
        let (before, after) = state.values.split_at_mut(at);
        let (x, y) = (&before[self.source(inputs[0])][..], &mut after[0]);
        if !matches!(layer, Layer::Dropout { .. }) {
            y.resize(output.len(), 0.0);
        }
        match layer {
            Layer::ConvPool(shape) => {
                state.winners.resize(output.len(), 0);
                let (weights, bias) = self.kernel(at);
                let kernel = Kernel { weights, bias };
                conv::forward(shape, x, kernel, (y, &mut state.winners), &mut state.conv);
            }
            Layer::Convolution { shape, bias } => {
                let kernel = (self.numbers(at, 0), bias.then(|| self.numbers(at, 1)));
                convolution::forward(shape, x, kernel, y, &mut state.convolution);
            }
            Layer::Depthwise(shape) => depthwise::forward(shape, x, self.numbers(at, 0), y),
            Layer::BatchNorm { relu } => norm.expect("made for this node").apply(x, y, *relu),
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
