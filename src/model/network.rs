//! The variables of a network and its evaluation on plain buffers.

use rayon::prelude::*;

use super::architecture::{Architecture, Layer};
use crate::nn::conv::{self, Kernel, Scratch};
use crate::nn::dense;
use crate::nn::init::Initializer;
use crate::nn::loss;

/// One named array of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// For example `conv1.weight`.
    pub name: String,
    /// Rows first.
    pub shape: Vec<usize>,
    /// The numbers, row by row.
    pub data: Vec<f32>,
}

/// A network with its weights, in plain buffers: what training changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(super) architecture: Architecture,
    pub(super) layers: Vec<Layer>,
    pub(super) variables: Vec<Variable>,
}

impl Network {
    /// A network with the initial weights of `seed`. The architecture must have passed its check.
    pub fn new(architecture: &Architecture, initializer: Initializer, seed: u64) -> Self {
        let specs = architecture.variables().into_iter().enumerate();
        let variables = specs.map(|(layer, spec)| {
            let mut data = vec![0.0; spec.shape.iter().product()];
            if let Some(fan) = spec.fan {
                initializer.fill(&mut data, fan, seed, layer as u64);
            }
            Variable { name: spec.name, shape: spec.shape, data }
        });
        Self::with_variables(architecture, variables.collect())
    }

    /// A network with the given weights, in the order and shapes of [`Architecture::variables`].
    pub(super) fn with_variables(architecture: &Architecture, variables: Vec<Variable>) -> Self {
        let layers = architecture.layers();
        Self { architecture: architecture.clone(), layers, variables }
    }

    /// The description that the network was built from.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The variables in layer order.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variables in layer order, to be changed; lengths must stay.
    pub fn variables_mut(&mut self) -> &mut [Variable] {
        &mut self.variables
    }

    /// The variables sorted by name.
    pub fn named(&self) -> Vec<&Variable> {
        let mut named: Vec<_> = self.variables.iter().collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        named
    }

    /// Weight and bias of the `index`-th layer that has any.
    pub(super) fn kernel(&self, index: usize) -> Kernel<'_> {
        let pair = &self.variables[2 * index..2 * index + 2];
        Kernel { weights: &pair[0].data, bias: &pair[1].data }
    }

    /// The index of the first layer after the convolutions and their dropout.
    pub(super) fn first_dense(&self) -> usize {
        let dense = |layer: &Layer| matches!(layer, Layer::Dense { .. });
        self.layers.iter().position(dense).expect("the output layer is dense")
    }

    /// Logits `[count, classes]` in evaluation mode; `fill(i, picture)` writes picture `i` as
    /// `[s, s, 3]` in 0..1. A picture's logits do not depend on the others.
    pub fn logits(&self, count: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        let flat = match self.layers[self.first_dense()] {
            Layer::Dense { shape, .. } => shape.inputs,
            _ => unreachable!("first_dense finds a dense layer"),
        };
        let mut values = vec![0.0; count * flat];
        values.par_chunks_mut(flat).enumerate().for_each_init(
            Evaluation::default,
            |state, (index, features)| {
                state.next.resize(self.architecture.input_len(), 0.0);
                fill(index, &mut state.next);
                self.features(state, features);
            },
        );
        let mut index = self.architecture.conv.len();
        for layer in &self.layers[self.first_dense()..] {
            if let Layer::Dense { shape, relu } = layer {
                let mut next = vec![0.0; count * shape.outputs];
                let kernel = self.kernel(index);
                dense::evaluate(*shape, &values, (kernel.weights, kernel.bias), &mut next, *relu);
                (values, index) = (next, index + 1);
            }
        }
        values
    }

    /// The convolution blocks on the picture in `state.next`.
    fn features(&self, state: &mut Evaluation, features: &mut [f32]) {
        let shapes = self.layers.iter().filter_map(|layer| match layer {
            Layer::Conv(shape) => Some(shape),
            _ => None,
        });
        for (index, shape) in shapes.enumerate() {
            std::mem::swap(&mut state.next, &mut state.current);
            let last = index + 1 == self.architecture.conv.len();
            state.next.resize(shape.output_len(), 0.0);
            state.winners.resize(shape.output_len(), 0);
            let output = if last { &mut *features } else { &mut state.next[..] };
            let out = (output, &mut state.winners[..]);
            conv::forward(shape, &state.current, self.kernel(index), out, &mut state.scratch);
        }
    }

    /// Probabilities `[count, classes]` in evaluation mode; see [`Network::logits`].
    pub fn probabilities(&self, count: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        let mut values = self.logits(count, fill);
        loss::softmax(&mut values, self.architecture.classes);
        values
    }
}

#[derive(Default)]
struct Evaluation {
    current: Vec<f32>,
    next: Vec<f32>,
    winners: Vec<u8>,
    scratch: Scratch,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::architecture::tests::tiny;
    use super::*;
    use crate::nn::rng::{Purpose, Stream};

    /// Pictures of noise in 0..1.
    pub(crate) fn noise(count: usize, architecture: &Architecture) -> Vec<f32> {
        let mut stream = Stream::new(5, Purpose::Initial, 0, 77);
        (0..count * architecture.input_len()).map(|_| stream.unit()).collect()
    }

    #[test]
    fn a_picture_alone_and_in_a_batch_gives_the_same_bits() {
        let network = Network::new(&tiny(), Initializer::GlorotUniform, 1);
        let (pixels, length) = (noise(7, &tiny()), tiny().input_len());
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

    #[test]
    fn variables_are_named_sorted_and_seeded() {
        let network = |seed| Network::new(&tiny(), Initializer::GlorotUniform, seed);
        let one = network(1);
        let names: Vec<_> = one.named().iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names[..3], ["conv1.bias", "conv1.weight", "conv2.bias"]);
        assert_eq!(network(1), one);
        assert_ne!(network(2), one);
        assert!(one.named()[0].data.iter().all(|v| *v == 0.0));
    }
}
