//! Convolution 3×3 with stride 2 and `ReLU`: bands of rows as patch matrices that fit the cache.

use super::kernel::Kernel;
use crate::nn::dense::cut;
use crate::nn::gemm::{Into, Matrix, Size, multiply};

/// Bytes of patches worked on at a time.
const BAND_BYTES: usize = 192 * 1024;

/// Writes `output [side / 2, side / 2, outputs]` from maps `[side, side, inputs]` with a border of one zero.
pub(super) fn forward(
    kernel: &Kernel,
    padded: &[f32],
    side: usize,
    output: &mut [f32],
    patches: &mut Vec<f32>,
) {
    let (outputs, half) = (kernel.bias.len(), side / 2);
    let patch = kernel.weights.len() / outputs;
    let row = (side + 2) * patch / 9;
    let band = (BAND_BYTES / (4 * half * patch)).max(1);
    for (index, output) in output.chunks_mut(band * half * outputs).enumerate() {
        patches.clear();
        let rows = output.len() / (half * outputs);
        for y in (index * band..).take(rows) {
            gather(&padded[2 * y * row..][..3 * row], row, patch / 3, patches);
        }
        for pixel in output.chunks_exact_mut(outputs) {
            pixel.copy_from_slice(&kernel.bias);
        }
        let size = Size { m: rows * half, n: outputs, k: patch };
        let weights = Matrix::by_rows(&kernel.weights, outputs);
        multiply(size, Matrix::by_rows(patches, patch), weights, output, Into::Add);
        cut(output);
    }
}

/// Appends the patches of one output row; `third` numbers of a patch are neighbours in each of three
/// rows.
fn gather(rows: &[f32], row: usize, third: usize, patches: &mut Vec<f32>) {
    let (top, rest) = rows.split_at(row);
    let (middle, bottom) = rest.split_at(row);
    let step = 2 * third / 3;
    for start in (0..=row - third - third / 3).step_by(step) {
        for row in [top, middle, bottom] {
            patches.extend_from_slice(&row[start..start + third]);
        }
    }
}
