//! The backward pass of a group of pictures.

use super::filter::{Filter, Method};
use super::forward::patches;
use super::unfold::Band;
use super::{ConvolutionShape, Scratch};
use crate::nn::conv::grown;
use crate::nn::gemm::{Into, Matrix, Size, multiply};
use crate::nn::winograd::{self, Tile, Tiling};

/// Where a group's gradients go.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Added to: `[kernel² · input_maps, output_maps]`.
    pub weights: &'a mut [f32],
    /// Added to: `[output_maps]`, where there is a bias.
    pub bias: Option<&'a mut [f32]>,
    /// Replaced: `[n, height, width, input_maps]`; `None` where the input is data.
    pub input: Option<&'a mut [f32]>,
}

/// What the backward pass starts from.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The inputs `[n, height, width, input_maps]`.
    pub input: &'a [f32],
    /// The weights as [`Filter::backward`] gives them, read only when an input gradient is wanted.
    pub filter: &'a Filter,
    /// The gradient of the outputs.
    pub gradient: &'a [f32],
}

/// Adds a group's gradients to `into`; runs on the calling thread.
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn backward(
    shape: &ConvolutionShape,
    from: Incoming<'_>,
    mut into: Gradients<'_>,
    scratch: &mut Scratch,
) {
    let group = from.input.len() / shape.input_len();
    assert_eq!(from.input.len(), group * shape.input_len(), "input length");
    assert_eq!(from.gradient.len(), group * shape.output_len(), "gradient length");
    if let Some(bias) = into.bias.take() {
        for pixel in from.gradient.chunks_exact(shape.output_maps) {
            for (sum, value) in bias.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
    }
    if let Some(dx) = into.input.as_deref_mut() {
        dx.fill(0.0);
    }
    match &from.filter.method {
        Method::Patches(weights) => {
            by_patches(shape, (from, weights), into.weights, into.input, scratch);
        }
        Method::Small(factors) => by_tiles(shape, (from, factors), into, scratch),
        Method::Large(factors) => by_tiles(shape, (from, factors), into, scratch),
    }
}

fn by_tiles<const IN: usize, const OUT: usize>(
    shape: &ConvolutionShape,
    (from, factors): (Incoming<'_>, &winograd::Filter<IN, OUT>),
    into: Gradients<'_>,
    scratch: &mut Scratch,
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let (tiling, output) = shape.tiling();
    let transposed = into.input.is_some().then_some(factors);
    let incoming = winograd::Incoming { x: from.input, dy: from.gradient, transposed };
    let gradients = (into.weights, into.input.unwrap_or_default());
    let Scratch { winograd, sums, .. } = scratch;
    winograd::backward((&tiling, &output), incoming, gradients, sums, winograd);
}

fn by_patches(
    shape: &ConvolutionShape,
    (from, weights): (Incoming<'_>, &[f32]),
    dw: &mut [f32],
    mut dx: Option<&mut [f32]>,
    scratch: &mut Scratch,
) {
    for band in Band::of(shape, from.input.len() / shape.input_len()) {
        let Scratch { patches: buffer, rows, slopes, .. } = &mut *scratch;
        let gradient = gather(shape, &band, from.gradient, rows);
        add_weights(shape, &band, (patches(shape, &band, from.input, buffer), gradient), dw);
        if let Some(dx) = dx.as_deref_mut() {
            fold(shape, &band, (gradient, weights), dx, slopes);
        }
    }
}

/// The gradient of a band in the order of its patches: rows, then pictures, then columns.
fn gather<'a>(
    shape: &ConvolutionShape,
    band: &Band,
    gradient: &'a [f32],
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    let row = shape.output_width() * shape.output_maps;
    if band.group == 1 {
        return &gradient[band.rows.start * row..band.rows.end * row];
    }
    let rows = grown(buffer, band.pixels(shape) * shape.output_maps);
    for (at, target) in rows.chunks_exact_mut(row).enumerate() {
        let (line, picture) = (band.rows.start + at / band.group, at % band.group);
        target.copy_from_slice(&gradient[picture * shape.output_len() + line * row..][..row]);
    }
    rows
}

/// Weights of each kernel row += patchesᵀ · gradient.
fn add_weights(
    shape: &ConvolutionShape,
    band: &Band,
    (patches, gradient): (&[f32], &[f32]),
    weights: &mut [f32],
) {
    let size = Size { m: shape.patch_len(), n: shape.output_maps, k: band.pixels(shape) };
    for (index, weights) in weights.chunks_exact_mut(shape.kernel_row_len()).enumerate() {
        let patches = &patches[band.kernel_row(shape, index)..];
        let patches = Matrix::transposed(patches, shape.patch_len());
        multiply(size, patches, Matrix::by_rows(gradient, shape.output_maps), weights, Into::Add);
    }
}

/// The gradient of the patches, row by row of the kernel, added where they lie in the picture. With
/// stride 1 a convolution with the turned kernel would do, but was no faster.
fn fold(
    shape: &ConvolutionShape,
    band: &Band,
    (gradient, weights): (&[f32], &[f32]),
    dx: &mut [f32],
    buffer: &mut Vec<f32>,
) {
    let size = Size { m: band.pixels(shape), n: shape.patch_len(), k: shape.output_maps };
    let slopes = grown(buffer, size.m * size.n);
    for (index, weights) in weights.chunks_exact(shape.kernel_row_len()).enumerate() {
        let weights = Matrix::transposed(weights, shape.output_maps);
        let gradient = Matrix::by_rows(gradient, shape.output_maps);
        multiply(size, gradient, weights, slopes, Into::Replace);
        band.fold(shape, index, slopes, dx);
    }
}
