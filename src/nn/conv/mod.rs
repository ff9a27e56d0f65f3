//! Convolution 3×3 (valid), bias, `ReLU` and 2×2 max pooling as one operation on NHWC pictures.
//!
//! Forward, a tile of Winograd's minimal filtering is just one pool window, or four, so that bias, `ReLU` and pool
//! happen where the tile is transformed back; a first layer, which has few inputs, is computed by the
//! definition. The full map is never stored. Backward, only the gradients that passed the pool count.

mod axpy;
mod backward;
mod backward_gemm;
mod backward_sparse;
mod direct;
mod filter;
mod forward;
mod nonzero;
mod op;
mod pool;

pub use backward::{Gradients, Incoming, backward};
pub use filter::Filter;
pub use forward::{Kernel, forward};
pub use op::ConvPool;
pub(crate) use op::contiguous;
pub use pool::DEAD;

use super::winograd::{self, Picture, Tiling};

/// Bytes of convolution output worked on at a time.
const BAND_BYTES: usize = 192 * 1024;

/// The sizes of one fused convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Rows of the input picture, at least 4.
    pub height: usize,
    /// Columns of the input picture, at least 4.
    pub width: usize,
    /// Feature maps of the input.
    pub input_maps: usize,
    /// Feature maps of the output.
    pub output_maps: usize,
}

impl ConvShape {
    /// Rows after convolution and pooling: ⌊(height − 2) / 2⌋.
    pub fn pooled_height(&self) -> usize {
        self.height.saturating_sub(2) / 2
    }

    /// Columns after convolution and pooling: ⌊(width − 2) / 2⌋.
    pub fn pooled_width(&self) -> usize {
        self.width.saturating_sub(2) / 2
    }

    /// Numbers in one input picture `[height, width, input_maps]`.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.input_maps
    }

    /// Numbers in one output picture `[pooled_height, pooled_width, output_maps]`.
    pub fn output_len(&self) -> usize {
        self.pooled_height() * self.pooled_width() * self.output_maps
    }

    /// Numbers in the weights `[9 · input_maps, output_maps]`, rows by kernel row, kernel column,
    /// input map.
    pub fn weight_len(&self) -> usize {
        9 * self.input_maps * self.output_maps
    }

    /// Tiles of one pool window each, or of four.
    fn tiling<const IN: usize, const OUT: usize>(&self) -> Tiling<IN, OUT> {
        let input = Picture { height: self.height, width: self.width, maps: self.input_maps };
        Tiling::new(input, 0, 2 * self.pooled_height(), 2 * self.pooled_width())
    }

    /// Pooled rows in one band.
    fn band(&self) -> usize {
        let row = 4 * self.width * self.output_maps;
        (BAND_BYTES / (2 * row)).clamp(1, self.pooled_height().max(1))
    }

    /// Weights of one kernel row: `[3 · input_maps, output_maps]`.
    fn kernel_row_len(&self) -> usize {
        3 * self.input_maps * self.output_maps
    }
}

/// Buffers that one thread needs; they grow once and are reused.
#[derive(Debug, Default)]
pub struct Scratch {
    winograd: winograd::Scratch,
    band: Vec<f32>,
    flipped: Vec<f32>,
    sums: Vec<f32>,
    nonzero: nonzero::Nonzero,
}

/// The first `len` numbers of a buffer that grows when it is too short.
pub(crate) fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

#[cfg(test)]
mod tests;
