//! A convolution of any kernel, stride and padding on NHWC pictures.
//!
//! One of 3×3 with stride 1 is worked on in transformed tiles, see [`super::winograd`]. Of others
//! only the columns of a patch are written out: each pixel becomes the `kernel` pixels beside one
//! another that its outputs read. The patch matrix of one kernel row is then a run of these rows,
//! so the convolution is one matrix product per kernel row, without waste at the borders. Several
//! small pictures are worked on together, row by row, so that the products stay tall.

mod backward;
mod filter;
mod forward;
mod unfold;

pub use backward::{Gradients, Incoming, backward};
pub use filter::Filter;
pub use forward::forward;

use super::winograd::{self, Picture, Tiling};

/// Numbers of a group's output that make a product tall enough.
const TALL: usize = 1 << 15;

/// Pictures that may be worked on together.
const MAX_GROUP: usize = 8;

/// Numbers of written-out patches worked on at a time: half a megabyte.
const BAND: usize = 1 << 17;

/// The sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Rows of the input picture.
    pub height: usize,
    /// Columns of the input picture.
    pub width: usize,
    /// Feature maps of the input.
    pub input_maps: usize,
    /// Feature maps of the output.
    pub output_maps: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Rows and columns from one patch to the next.
    pub stride: usize,
    /// Rows and columns of zeros at each border.
    pub padding: usize,
}

impl ConvolutionShape {
    /// Rows of the output: ⌊(height + 2 · padding − kernel) / stride⌋ + 1.
    pub fn output_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn output_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Numbers in one input picture `[height, width, input_maps]`.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.input_maps
    }

    /// Numbers in one output picture.
    pub fn output_len(&self) -> usize {
        self.output_height() * self.output_width() * self.output_maps
    }

    /// Numbers in the weights `[kernel² · input_maps, output_maps]`, rows by kernel row, kernel
    /// column, input map.
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel_row_len()
    }

    /// Pictures that one piece of work covers; follows from the shape alone.
    pub fn group(&self) -> usize {
        (TALL / self.output_len()).clamp(1, MAX_GROUP)
    }

    /// Transformed tiles, and the output's size.
    fn tiling<const IN: usize, const OUT: usize>(&self) -> (Tiling<IN, OUT>, Picture) {
        let input = Picture { height: self.height, width: self.width, maps: self.input_maps };
        let (height, width) = (self.output_height(), self.output_width());
        let tiling = Tiling::new(input, self.padding, height, width);
        (tiling, Picture { height, width, maps: self.output_maps })
    }

    /// Weights of one kernel row: `[kernel · input_maps, output_maps]`.
    fn kernel_row_len(&self) -> usize {
        self.kernel * self.input_maps * self.output_maps
    }
}

/// Buffers that one thread needs; they grow once and are reused.
#[derive(Debug, Default)]
pub struct Scratch {
    patches: Vec<f32>,
    rows: Vec<f32>,
    slopes: Vec<f32>,
    winograd: winograd::Scratch,
    sums: winograd::Sums,
}

#[cfg(test)]
mod tests;
