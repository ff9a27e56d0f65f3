//! The forward pass of one picture.

use super::filter::{Filter, Method};
use super::{ConvShape, Scratch, direct, pool};
use crate::nn::isa::Isa;
use crate::nn::panel::{LANES, Row, Unit};
use crate::nn::winograd::{self, Tile, Tiling};

/// Weights and bias of one convolution, as [`ConvShape::weight_len`] orders them.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    /// `[9 · input_maps, output_maps]`.
    pub weights: &'a [f32],
    /// `[output_maps]`.
    pub bias: &'a [f32],
}

/// Computes one output picture and, per output, which of its four sources won (0 to 3, or
/// [`super::DEAD`] where `ReLU` cut it off). Evaluation passes no winners: an empty slice.
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn forward(
    shape: &ConvShape,
    input: &[f32],
    filter: &Filter,
    (output, winners): (&mut [f32], &mut [u8]),
    scratch: &mut Scratch,
) {
    assert_eq!(input.len(), shape.input_len(), "input length");
    assert_eq!(output.len(), shape.output_len(), "output length");
    assert!(winners.is_empty() || winners.len() == output.len(), "winners length");
    match &filter.method {
        Method::Direct(weights) => {
            let unit = Unit::detect();
            let row = shape.pooled_width() * shape.output_maps;
            for (at, output) in output.chunks_exact_mut(row).enumerate() {
                let winners = part(winners, at * row, row);
                let lines = &input[2 * at * shape.width * shape.input_maps..];
                let weights = (&weights[..], &filter.bias[..]);
                direct::pooled_row(unit, shape, lines, weights, (output, winners));
            }
        }
        Method::Small(factors) => {
            by_tiles(shape, input, (factors, &filter.bias), (output, winners), scratch);
        }
        Method::Large(factors) => {
            by_tiles(shape, input, (factors, &filter.bias), (output, winners), scratch);
        }
    }
}

/// On transformed tiles, band by band.
fn by_tiles<const IN: usize, const OUT: usize>(
    shape: &ConvShape,
    input: &[f32],
    (factors, bias): (&winograd::Filter<IN, OUT>, &[Row]),
    (output, winners): (&mut [f32], &mut [u8]),
    scratch: &mut Scratch,
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let (isa, tiling) = (Isa::detect(), shape.tiling());
    let row = shape.pooled_width() * shape.output_maps;
    for rows in tiling.bands(1, shape.output_maps) {
        let band = winograd::products(&tiling, factors, input, rows.clone(), &mut scratch.winograd);
        for (at, tiles_row) in rows.enumerate() {
            let start = OUT / 2 * tiles_row * row;
            let len = (OUT / 2 * row).min(output.len() - start);
            for (panel, bias) in bias.iter().enumerate() {
                let tiles = (&band, panel, at * tiling.columns..(at + 1) * tiling.columns);
                let sizes = ((panel * LANES, shape.output_maps), row);
                let into = (&mut output[start..start + len], part(winners, start, len));
                pool::tiles(isa, tiles, bias, sizes, into);
            }
        }
    }
}

/// A part of the winners, where there are any.
fn part(winners: &mut [u8], start: usize, len: usize) -> &mut [u8] {
    if winners.is_empty() { winners } else { &mut winners[start..start + len] }
}
