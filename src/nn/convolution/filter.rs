//! Weights in the order in which the two passes read them.

use super::ConvolutionShape;
use crate::nn::panel::LANES;
use crate::nn::winograd;

/// Weights and bias of one convolution, made ready once for any number of pictures.
#[derive(Debug, Clone)]
pub struct Filter {
    pub(super) method: Method,
    pub(super) bias: Option<Vec<f32>>,
}

/// How the sums are computed.
#[derive(Debug, Clone)]
pub(super) enum Method {
    /// As matrix products over patches that are written out: the weights as they stand.
    Patches(Vec<f32>),
    /// On transformed tiles.
    Winograd(winograd::Filter),
}

impl Filter {
    /// Makes weights ready for the forward pass.
    ///
    /// # Panics
    /// When the weights do not have the length that `shape` says.
    pub fn new(shape: &ConvolutionShape, weights: &[f32], bias: Option<&[f32]>) -> Self {
        assert_eq!(weights.len(), shape.weight_len(), "weights length");
        let method = if shape.has_tiles() {
            let (inputs, outputs) = (shape.input_maps, shape.output_maps);
            Method::Winograd(winograd::Filter::new(weights, inputs, outputs))
        } else {
            Method::Patches(weights.to_vec())
        };
        Self { method, bias: bias.map(<[f32]>::to_vec) }
    }

    /// Makes weights ready for the backward pass, which needs no bias.
    ///
    /// # Panics
    /// When the weights do not have the length that `shape` says.
    pub fn backward(shape: &ConvolutionShape, weights: &[f32]) -> Self {
        let mut filter = Self::new(shape, weights, None);
        if let Method::Winograd(factors) = &mut filter.method {
            *factors = factors.transposed();
        }
        filter
    }
}

impl ConvolutionShape {
    /// Whether the convolution is worked on in transformed tiles: 3×3 with stride 1. Few inputs would leave the
    /// products mostly empty, and of a small picture's tiles half would lie outside.
    fn has_tiles(&self) -> bool {
        let large = self.output_height().min(self.output_width()) > 3;
        self.kernel == 3 && self.stride == 1 && self.input_maps >= LANES && large
    }
}
