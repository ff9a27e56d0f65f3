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
    /// On transformed tiles of 4×4 inputs.
    Small(winograd::Filter<4, 2>),
    /// On tiles of 6×6 inputs.
    Large(winograd::Filter<6, 4>),
}

impl Filter {
    /// Makes weights ready for the forward pass.
    ///
    /// # Panics
    /// When the weights do not have the length that `shape` says.
    pub fn new(shape: &ConvolutionShape, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let method = Method::of(shape, weights, winograd::large_pays_forward);
        Self { method, bias: bias.map(<[f32]>::to_vec) }
    }

    /// Makes weights ready for the backward pass, which needs no bias.
    ///
    /// # Panics
    /// When the weights do not have the length that `shape` says.
    pub fn backward(shape: &ConvolutionShape, weights: &[f32]) -> Self {
        let method = match Method::of(shape, weights, winograd::large_pays_backward) {
            Method::Patches(weights) => Method::Patches(weights),
            Method::Small(factors) => Method::Small(factors.transposed()),
            Method::Large(factors) => Method::Large(factors.transposed()),
        };
        Self { method, bias: None }
    }
}

impl Method {
    /// The fastest for `shape`, where `large_pays` says which tiles are.
    fn of(
        shape: &ConvolutionShape,
        weights: &[f32],
        large_pays: impl Fn(usize, usize) -> bool,
    ) -> Self {
        assert_eq!(weights.len(), shape.weight_len(), "weights length");
        let (inputs, outputs) = (shape.input_maps, shape.output_maps);
        if !shape.has_tiles() {
            Self::Patches(weights.to_vec())
        } else if large_pays(shape.output_height(), shape.output_width()) {
            Self::Large(winograd::Filter::new(weights, inputs, outputs))
        } else {
            Self::Small(winograd::Filter::new(weights, inputs, outputs))
        }
    }
}

impl ConvolutionShape {
    /// Whether the convolution is worked on in transformed tiles: 3×3 with stride 1. Few inputs would leave the
    /// products mostly empty, and of a small picture's tiles half would lie outside.
    fn has_tiles(&self) -> bool {
        let roomy = self.output_height().min(self.output_width()) > 3;
        self.kernel == 3 && self.stride == 1 && self.input_maps >= LANES && roomy
    }
}
