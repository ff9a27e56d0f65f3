//! The forward pass of one picture.

use super::super::gemm::{Into, Matrix, Size, multiply};
use super::{ConvShape, Scratch, grown, pool};

/// Weights and bias of one convolution, as [`ConvShape::weight_len`] orders them.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    /// `[9 · input_maps, output_maps]`.
    pub weights: &'a [f32],
    /// `[output_maps]`.
    pub bias: &'a [f32],
}

/// Computes one output picture and, per output, which of its four sources won (0 to 3, or
/// [`super::DEAD`] where `ReLU` cut it off).
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn forward(
    shape: &ConvShape,
    input: &[f32],
    kernel: Kernel<'_>,
    (output, winners): (&mut [f32], &mut [u8]),
    scratch: &mut Scratch,
) {
    assert_eq!(input.len(), shape.input_len(), "input length");
    assert_eq!(output.len(), shape.output_len(), "output length");
    let maps = shape.output_maps;
    let pooled_row = shape.pooled_width() * maps;
    let band = shape.band();
    let conv_row = shape.width * maps;
    let rows = output.chunks_mut(band * pooled_row).zip(winners.chunks_mut(band * pooled_row));
    for (index, (output, winners)) in rows.enumerate() {
        let pooled_rows = output.len() / pooled_row;
        let conv = grown(&mut scratch.band, 2 * pooled_rows * conv_row);
        convolve(shape, &input[2 * index * band * shape.width * shape.input_maps..], kernel, conv);
        let pairs = conv.chunks_exact(2 * conv_row);
        let outputs = output.chunks_exact_mut(pooled_row).zip(winners.chunks_exact_mut(pooled_row));
        for (pair, (output, winners)) in pairs.zip(outputs) {
            pool::pool(pair.split_at(conv_row), kernel.bias, output, winners);
        }
    }
}

/// The convolution without bias of as many rows as `conv` holds, from the top of `input`.
fn convolve(shape: &ConvShape, input: &[f32], kernel: Kernel<'_>, conv: &mut [f32]) {
    let pixels = conv.len() / shape.output_maps;
    // The last two pixels of the last row have no full patch, and nobody reads them.
    let size = Size { m: pixels - 2, n: shape.output_maps, k: 3 * shape.input_maps };
    for (row, weights) in kernel.weights.chunks_exact(shape.kernel_row_len()).enumerate() {
        let patches =
            Matrix::by_rows(&input[row * shape.width * shape.input_maps..], shape.input_maps);
        let into = if row == 0 { Into::Replace } else { Into::Add };
        multiply(size, patches, Matrix::by_rows(weights, shape.output_maps), conv, into);
    }
}
