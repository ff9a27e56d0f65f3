//! The variables of a network.

use std::ops::Range;

use super::architecture::{Architecture, Layer, Node, Role, VariableSpec};
use crate::nn::init::Initializer;

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
    pub(super) nodes: Vec<Node>,
    pub(super) variables: Vec<Variable>,
    /// The variables of each node.
    ranges: Vec<Range<usize>>,
    roles: Vec<Role>,
}

impl Network {
    /// A network with the initial weights of `seed`. The architecture must have passed its check.
    pub fn new(architecture: &Architecture, initializer: Initializer, seed: u64) -> Self {
        let specs = architecture.variables().into_iter().enumerate();
        let variables = specs.map(|(index, spec)| {
            let mut data = vec![0.0; spec.len()];
            match spec.role {
                Role::Weight(fan) => initializer.fill(&mut data, fan, seed, index as u64),
                Role::Scale | Role::Variance => data.fill(1.0),
                Role::Bias | Role::Mean => {}
            }
            Variable { name: spec.name, shape: spec.shape, data }
        });
        Self::with_variables(architecture, variables.collect())
    }

    /// A network with the given weights, in the order and shapes of [`Architecture::variables`].
    pub(super) fn with_variables(architecture: &Architecture, variables: Vec<Variable>) -> Self {
        let nodes = architecture.nodes();
        let specs: Vec<Vec<VariableSpec>> = nodes.iter().map(Node::variables).collect();
        let mut start = 0;
        let ranges = specs.iter().map(|specs| {
            let range = start..start + specs.len();
            start = range.end;
            range
        });
        let ranges = ranges.collect();
        let roles = specs.iter().flatten().map(|spec| spec.role).collect();
        Self { architecture: architecture.clone(), nodes, variables, ranges, roles }
    }

    /// The description that the network was built from.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The steps from picture to logits.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The variables in layer order.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variables in layer order, to be changed; lengths must stay.
    pub fn variables_mut(&mut self) -> &mut [Variable] {
        &mut self.variables
    }

    /// Makes this the network for pictures of another size, with the same variables.
    ///
    /// # Panics
    /// When the variables' shapes follow from the size, as where maps are flattened.
    pub fn resize(&mut self, image_size: usize) {
        self.architecture.image_size = image_size;
        self.nodes = self.architecture.nodes();
        let shapes = self.nodes.iter().flat_map(Node::variables).map(|spec| spec.shape);
        assert!(shapes.eq(self.variables.iter().map(|v| v.shape.clone())), "shapes stay");
    }

    /// What each variable is for, in layer order.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The variables sorted by name.
    pub fn named(&self) -> Vec<&Variable> {
        let mut named: Vec<_> = self.variables.iter().collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        named
    }

    /// Where the variables of node `at` stand in the list.
    pub(super) fn range(&self, at: usize) -> Range<usize> {
        self.ranges[at].clone()
    }

    /// The numbers of variable `part` of node `at`, in the order of [`Node::variables`].
    pub(super) fn numbers(&self, at: usize, part: usize) -> &[f32] {
        &self.variables[self.ranges[at].start + part].data
    }

    /// Weight and bias of node `at`, which has both.
    pub(super) fn kernel(&self, at: usize) -> (&[f32], &[f32]) {
        (self.numbers(at, 0), self.numbers(at, 1))
    }

    /// The index of the first node that works on vectors.
    pub(super) fn first_dense(&self) -> usize {
        let dense = |node: &Node| matches!(node.layer, Layer::Dense { .. });
        self.nodes.iter().position(dense).expect("the output layer is dense")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::architecture::tests::{tiny, tiny_residual};
    use super::*;
    use crate::nn::rng::{Purpose, Stream};

    /// Pictures of noise in 0..1.
    pub(crate) fn noise(count: usize, architecture: &Architecture) -> Vec<f32> {
        noise_of(count * architecture.input_len())
    }

    /// So many numbers of noise in 0..1.
    pub(crate) fn noise_of(len: usize) -> Vec<f32> {
        let mut stream = Stream::new(5, Purpose::Initial, 0, 77);
        (0..len).map(|_| stream.unit()).collect()
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
        let residual = Network::new(&tiny_residual(), Initializer::HeUniform, 1);
        let start = |name: &str| {
            let variable = residual.variables.iter().find(|v| v.name == name).unwrap();
            variable.data[0]
        };
        let norm = ["scale", "bias", "mean", "variance"].map(|p| start(&format!("stem_norm.{p}")));
        assert_eq!(norm.map(f32::to_bits), [1.0f32, 0.0, 0.0, 1.0].map(f32::to_bits));
    }
}
