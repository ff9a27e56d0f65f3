//! The variables of each node: names, shapes, and how they start and change.

use super::{Architecture, Layer, Node};
use crate::nn::conv::ConvShape;
use crate::nn::init::Fan;

/// What a variable is for, which decides how it starts and what changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Connects inputs and outputs; starts at random.
    Weight(Fan),
    /// Is added; starts at zero.
    Bias,
    /// Multiplies a normalised map; starts at one.
    Scale,
    /// The running mean of a map: no gradient, but an average over batches. Starts at zero.
    Mean,
    /// The running variance of a map, likewise. Starts at one.
    Variance,
}

impl Role {
    /// Whether the optimiser changes it, rather than an average over batches.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::Mean | Self::Variance)
    }
}

/// The name, shape and purpose of one variable.
#[derive(Debug, Clone)]
pub struct VariableSpec {
    /// For example `conv1.weight`.
    pub name: String,
    /// For example `[27, 32]`.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl VariableSpec {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Architecture {
    /// The variables in node order; within a node as [`Node::variables`] gives them.
    pub fn variables(&self) -> Vec<VariableSpec> {
        self.nodes().iter().flat_map(Node::variables).collect()
    }
}

impl Node {
    /// The variables of this node: weight and bias; or scale, bias, mean and variance of a batch
    /// normalisation.
    pub fn variables(&self) -> Vec<VariableSpec> {
        let spec = |part: &str, shape: Vec<usize>, role| VariableSpec {
            name: format!("{}.{part}", self.name),
            shape,
            role,
        };
        let weight = |rows, columns, fan| spec("weight", vec![rows, columns], Role::Weight(fan));
        let bias = |maps| spec("bias", vec![maps], Role::Bias);
        match &self.layer {
            Layer::ConvPool(ConvShape { input_maps, output_maps, .. }) => {
                let fan = Fan { inputs: 9 * input_maps, outputs: 9 * output_maps };
                vec![weight(9 * input_maps, *output_maps, fan), bias(*output_maps)]
            }
            Layer::Convolution { shape, bias: with_bias } => {
                let taps = shape.kernel * shape.kernel;
                let (inputs, outputs) = (taps * shape.input_maps, taps * shape.output_maps);
                let mut specs = vec![weight(inputs, shape.output_maps, Fan { inputs, outputs })];
                specs.extend(with_bias.then(|| bias(shape.output_maps)));
                specs
            }
            Layer::BatchNorm { .. } => {
                let maps = vec![self.output.maps];
                vec![
                    spec("scale", maps.clone(), Role::Scale),
                    spec("bias", maps.clone(), Role::Bias),
                    spec("mean", maps.clone(), Role::Mean),
                    spec("variance", maps, Role::Variance),
                ]
            }
            Layer::Dense { shape, .. } => {
                let fan = Fan { inputs: shape.inputs, outputs: shape.outputs };
                vec![weight(shape.inputs, shape.outputs, fan), bias(shape.outputs)]
            }
            Layer::Picture
            | Layer::Relu
            | Layer::AddRelu
            | Layer::MaxPool
            | Layer::GlobalAveragePool
            | Layer::Dropout { .. } => Vec::new(),
        }
    }
}
