//! Convolution 1×1: one matrix product over all pixels.

use super::kernel::Kernel;
use crate::nn::dense::cut;
use crate::nn::gemm::{Into, Matrix, Size, multiply};

/// `output [pixels, outputs] = input [pixels, inputs] · w + b`, cut at zero when `relu`.
pub(super) fn replace(kernel: &Kernel, input: &[f32], output: &mut [f32], relu: bool) {
    for pixel in output.chunks_exact_mut(kernel.bias.len()) {
        pixel.copy_from_slice(&kernel.bias);
    }
    product(kernel, input, output);
    if relu {
        cut(output);
    }
}

/// `output [pixels, outputs] += input [pixels, inputs] · w + b`.
pub(super) fn add(kernel: &Kernel, input: &[f32], output: &mut [f32]) {
    for pixel in output.chunks_exact_mut(kernel.bias.len()) {
        for (value, bias) in pixel.iter_mut().zip(&kernel.bias) {
            *value += bias;
        }
    }
    product(kernel, input, output);
}

fn product(kernel: &Kernel, input: &[f32], output: &mut [f32]) {
    let outputs = kernel.bias.len();
    let inputs = kernel.weights.len() / outputs;
    let size = Size { m: output.len() / outputs, n: outputs, k: inputs };
    let weights = Matrix::by_rows(&kernel.weights, outputs);
    multiply(size, Matrix::by_rows(input, inputs), weights, output, Into::Add);
}
