//! Pixels beside one another as the outputs of a row read them, and back.

use std::ops::Range;

use super::ConvolutionShape;

/// Some output rows of a group of pictures.
#[derive(Debug, Clone)]
pub(super) struct Band {
    /// The output rows.
    pub(super) rows: Range<usize>,
    /// How many pictures the group has.
    pub(super) group: usize,
}

impl Band {
    /// Cuts the output of a group into bands.
    pub(super) fn of(shape: &ConvolutionShape, group: usize) -> impl Iterator<Item = Self> {
        let row = group * shape.output_width() * shape.patch_len();
        let (rows, step) = (shape.output_height(), (super::BAND / row).max(1));
        let starts = (0..rows).step_by(step);
        starts.map(move |start| Self { rows: start..rows.min(start + step), group })
    }

    /// Output pixels of the band, over all its pictures.
    pub(super) fn pixels(&self, shape: &ConvolutionShape) -> usize {
        self.rows.len() * self.row_pixels(shape)
    }

    /// Output pixels of one row of all pictures.
    fn row_pixels(&self, shape: &ConvolutionShape) -> usize {
        self.group * shape.output_width()
    }

    /// Unfolded rows in one plane: with stride s, plane q holds the input rows q, q + s, ….
    fn plane_rows(&self, shape: &ConvolutionShape) -> usize {
        self.rows.len() + (shape.kernel - 1) / shape.stride
    }

    /// Numbers of all planes.
    pub(super) fn unfolded_len(&self, shape: &ConvolutionShape) -> usize {
        let planes = shape.stride.min(shape.kernel);
        planes * self.plane_rows(shape) * self.row_pixels(shape) * shape.patch_len()
    }

    /// Where the patch matrix of a kernel row begins among the unfolded rows.
    pub(super) fn kernel_row(&self, shape: &ConvolutionShape, index: usize) -> usize {
        let row = self.row_pixels(shape) * shape.patch_len();
        let (plane, below) = (index % shape.stride, index / shape.stride);
        (plane * self.plane_rows(shape) + below) * row
    }

    /// Writes out what the band reads of `x [group, height, width, input_maps]`: for each input
    /// row and picture, the patch columns of each output column.
    pub(super) fn unfold(&self, shape: &ConvolutionShape, x: &[f32], unfolded: &mut [f32]) {
        let row = shape.output_width() * shape.patch_len();
        let plane_rows = self.plane_rows(shape);
        for (at, target) in unfolded.chunks_exact_mut(row).enumerate() {
            let (line, picture) = (at / self.group, at % self.group);
            let (plane, below) = (line / plane_rows, line % plane_rows);
            let padded = (self.rows.start + below) * shape.stride + plane;
            let source = padded.checked_sub(shape.padding).filter(|row| *row < shape.height);
            match source {
                Some(row) => {
                    let pixels = &x[picture * shape.input_len()..][row * shape.input_row_len()..];
                    unfold_row(shape, &pixels[..shape.input_row_len()], target);
                }
                None => target.fill(0.0),
            }
        }
    }

    /// Adds the gradient of the patches of one kernel row to `dx [group, height, width,
    /// input_maps]`.
    pub(super) fn fold(
        &self,
        shape: &ConvolutionShape,
        index: usize,
        slopes: &[f32],
        dx: &mut [f32],
    ) {
        let row = shape.output_width() * shape.patch_len();
        for (at, slopes) in slopes.chunks_exact(row).enumerate() {
            let (line, picture) = (at / self.group, at % self.group);
            let padded = (self.rows.start + line) * shape.stride + index;
            let target = padded.checked_sub(shape.padding).filter(|row| *row < shape.height);
            if let Some(row) = target {
                let pixels = &mut dx[picture * shape.input_len()..];
                let pixels = &mut pixels[row * shape.input_row_len()..][..shape.input_row_len()];
                fold_row(shape, slopes, pixels);
            }
        }
    }
}

impl ConvolutionShape {
    /// Numbers of one patch in one kernel row.
    pub(super) fn patch_len(&self) -> usize {
        self.kernel * self.input_maps
    }

    fn input_row_len(&self) -> usize {
        self.width * self.input_maps
    }

    /// The numbers of an input row that the patch of an output column covers, and how many numbers
    /// of the patch lie left of the picture.
    fn covered(&self, column: usize) -> (Range<usize>, usize) {
        let start = column * self.stride;
        let from = start.saturating_sub(self.padding);
        let to = (start + self.kernel).saturating_sub(self.padding).min(self.width).max(from);
        let outside = self.padding.saturating_sub(start).min(self.kernel);
        (from * self.input_maps..to * self.input_maps, outside * self.input_maps)
    }
}

fn unfold_row(shape: &ConvolutionShape, pixels: &[f32], target: &mut [f32]) {
    for (column, patch) in target.chunks_exact_mut(shape.patch_len()).enumerate() {
        let (covered, before) = shape.covered(column);
        let after = before + covered.len();
        patch[..before].fill(0.0);
        patch[before..after].copy_from_slice(&pixels[covered]);
        patch[after..].fill(0.0);
    }
}

fn fold_row(shape: &ConvolutionShape, slopes: &[f32], pixels: &mut [f32]) {
    for (column, patch) in slopes.chunks_exact(shape.patch_len()).enumerate() {
        let (covered, before) = shape.covered(column);
        for (pixel, slope) in pixels[covered].iter_mut().zip(&patch[before..]) {
            *pixel += slope;
        }
    }
}
