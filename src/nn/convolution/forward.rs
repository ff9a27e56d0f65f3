//! The forward pass of a group of pictures.

use super::filter::{Filter, Method};
use super::unfold::Band;
use super::{ConvolutionShape, Scratch};
use crate::nn::conv::grown;
use crate::nn::gemm::{Into, Matrix, Size, multiply};
use crate::nn::winograd::{self, Tile, Tiling};

/// `y [n, output_height, output_width, output_maps]` of `x [n, height, width, input_maps]`, which
/// are worked on together; runs on the calling thread.
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn forward(
    shape: &ConvolutionShape,
    x: &[f32],
    filter: &Filter,
    y: &mut [f32],
    scratch: &mut Scratch,
) {
    let group = x.len() / shape.input_len();
    assert_eq!(x.len(), group * shape.input_len(), "input length");
    assert_eq!(y.len(), group * shape.output_len(), "output length");
    match &filter.method {
        Method::Patches(weights) => by_patches(shape, x, weights, y, scratch),
        Method::Small(factors) => by_tiles(shape, x, factors, y, scratch),
        Method::Large(factors) => by_tiles(shape, x, factors, y, scratch),
    }
    if let Some(bias) = &filter.bias {
        for pixel in y.chunks_exact_mut(shape.output_maps) {
            for (value, bias) in pixel.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }
}

fn by_tiles<const IN: usize, const OUT: usize>(
    shape: &ConvolutionShape,
    x: &[f32],
    factors: &winograd::Filter<IN, OUT>,
    y: &mut [f32],
    scratch: &mut Scratch,
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let (tiling, output) = shape.tiling();
    winograd::forward((&tiling, &output), factors, x, y, &mut scratch.winograd);
}

fn by_patches(
    shape: &ConvolutionShape,
    x: &[f32],
    weights: &[f32],
    y: &mut [f32],
    scratch: &mut Scratch,
) {
    let group = x.len() / shape.input_len();
    let row = shape.output_width() * shape.output_maps;
    for band in Band::of(shape, group) {
        let pixels = band.pixels(shape);
        let patches = patches(shape, &band, x, &mut scratch.patches);
        if group == 1 {
            let rows = band.rows.start * row..band.rows.end * row;
            products(shape, &band, (patches, weights), &mut y[rows]);
            continue;
        }
        let rows = grown(&mut scratch.rows, pixels * shape.output_maps);
        products(shape, &band, (patches, weights), rows);
        for (at, from) in rows.chunks_exact(row).enumerate() {
            let (line, picture) = (band.rows.start + at / group, at % group);
            y[picture * shape.output_len() + line * row..][..row].copy_from_slice(from);
        }
    }
}

/// The patches of a band: pixels as they stand where a kernel has one pixel and no step, else
/// written out.
pub(super) fn patches<'a>(
    shape: &ConvolutionShape,
    band: &Band,
    x: &'a [f32],
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    if shape.kernel == 1 && shape.stride == 1 && shape.padding == 0 && band.group == 1 {
        return &x[band.rows.start * shape.width * shape.input_maps..];
    }
    let unfolded = grown(buffer, band.unfolded_len(shape));
    band.unfold(shape, x, unfolded);
    unfolded
}

/// One product per kernel row.
fn products(
    shape: &ConvolutionShape,
    band: &Band,
    (patches, weights): (&[f32], &[f32]),
    rows: &mut [f32],
) {
    let size = Size { m: band.pixels(shape), n: shape.output_maps, k: shape.patch_len() };
    for (index, weights) in weights.chunks_exact(shape.kernel_row_len()).enumerate() {
        let patches = &patches[band.kernel_row(shape, index)..];
        let into = if index == 0 { Into::Replace } else { Into::Add };
        let patches = Matrix::by_rows(patches, shape.patch_len());
        multiply(size, patches, Matrix::by_rows(weights, shape.output_maps), rows, into);
    }
}
