//! The backward pass of one picture.

use super::{ConvShape, Scratch, axpy, backward_gemm, backward_sparse};

/// Where a picture's gradients go.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Added to: `[9 · input_maps, output_maps]`.
    pub weights: &'a mut [f32],
    /// Added to: `[output_maps]`.
    pub bias: &'a mut [f32],
    /// Replaced: `[height, width, input_maps]`; `None` for the first layer, whose input is data.
    pub input: Option<&'a mut [f32]>,
}

/// What the backward pass of a layer starts from.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The layer's input picture.
    pub input: &'a [f32],
    /// Its weights, read only when an input gradient is wanted.
    pub weights: &'a [f32],
    /// The gradient of its output.
    pub gradient: &'a [f32],
    /// The winners that the forward pass saved.
    pub winners: &'a [u8],
}

/// Adds one picture's gradients to `into`.
///
/// At most a quarter of the convolution's gradient is not zero, because each pooled output has one
/// winner. With 256-bit fused multiply-add only those numbers are worked on; elsewhere the zeros
/// are written out and three matrix products do the work.
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn backward(shape: &ConvShape, from: Incoming<'_>, into: Gradients<'_>, scratch: &mut Scratch) {
    assert_eq!(from.input.len(), shape.input_len(), "input length");
    assert_eq!(from.gradient.len(), shape.output_len(), "gradient length");
    assert_eq!(from.winners.len(), shape.output_len(), "winners length");
    match axpy::Unit::detect() {
        Some(unit) => backward_sparse::backward(unit, shape, (from, into), scratch),
        None => backward_gemm::backward(shape, from, into, scratch),
    }
}
