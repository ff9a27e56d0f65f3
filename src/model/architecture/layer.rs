//! The layers that a network is made of.

use crate::nn::conv::ConvShape;
use crate::nn::convolution::ConvolutionShape;
use crate::nn::dense::DenseShape;
use crate::nn::pooling::PoolShape;

/// The size of what a layer gives for one picture: `[height, width, maps]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Rows; 1 for a vector.
    pub height: usize,
    /// Columns; 1 for a vector.
    pub width: usize,
    /// Feature maps, or numbers of a vector.
    pub maps: usize,
}

impl Extent {
    /// A square map.
    pub fn square(size: usize, maps: usize) -> Self {
        Self { height: size, width: size, maps }
    }

    /// A vector.
    pub fn vector(len: usize) -> Self {
        Self { height: 1, width: 1, maps: len }
    }

    /// How many numbers these are.
    pub fn len(&self) -> usize {
        self.height * self.width * self.maps
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Extent> for PoolShape {
    fn from(Extent { height, width, maps }: Extent) -> Self {
        Self { height, width, maps }
    }
}

/// What a node does with its inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// The picture, or its features; the first node, and the only one without inputs.
    Picture,
    /// Convolution 3×3 without padding, bias, `ReLU` and 2×2 max pooling in one operation.
    ConvPool(ConvShape),
    /// A convolution.
    Convolution {
        /// Its sizes.
        shape: ConvolutionShape,
        /// Whether a bias is added; without one, a batch normalisation follows.
        bias: bool,
    },
    /// Batch normalisation over pictures and pixels, with scale and shift per map.
    BatchNorm {
        /// Whether a `ReLU` follows.
        relu: bool,
    },
    /// Negative numbers become zero.
    Relu,
    /// The sum of two inputs of one size, negative results zero.
    AddRelu,
    /// The largest of each 2×2 window; an odd last row or column is left out.
    MaxPool,
    /// The mean of each map.
    GlobalAveragePool,
    /// Zeroes numbers at random while training.
    Dropout {
        /// Probability of a zero.
        rate: f32,
        /// Which dropout layer of the network this is.
        number: u64,
    },
    /// A fully connected layer; reads maps as one vector, row by row.
    Dense {
        /// Its sizes.
        shape: DenseShape,
        /// Whether a `ReLU` follows.
        relu: bool,
    },
}

/// One step of a network. A network is a list of nodes in which inputs come first: the picture is
/// node 0, the logits are what the last node gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique in the network, for example `conv1`; variables are named after it.
    pub name: String,
    /// What it does.
    pub layer: Layer,
    /// The nodes whose results it takes, all before it in the list.
    pub inputs: Vec<usize>,
    /// The size of its result.
    pub output: Extent,
}
