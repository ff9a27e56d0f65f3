//! The forward pass of one picture.

use super::filter::{Filter, Method};
use super::{ConvShape, Scratch, direct, pool};
use crate::nn::isa::Isa;
use crate::nn::panel::{LANES, Unit};
use crate::nn::winograd::{self, Tiling};

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
        Method::Winograd(factors) => {
            let tiling = shape.tiling();
            for rows in tiling.bands(1, shape.output_maps) {
                let band = winograd::products(
                    &tiling,
                    factors,
                    input,
                    rows.clone(),
                    &mut scratch.winograd,
                );
                pool_band(shape, &band, filter, (rows.start, output, winners));
            }
        }
        Method::Large(factors) => {
            let tiling = shape.large_tiling();
            for rows in tiling.large_bands(shape.output_maps) {
                let (scratch, first) = (&mut scratch.winograd, rows.start);
                let band = winograd::large_products(&tiling, factors, input, rows, scratch);
                pool_large_band(shape, (&band, &tiling), filter, (first, output, winners));
            }
        }
    }
}

/// A part of the winners, where there are any.
fn part(winners: &mut [u8], start: usize, len: usize) -> &mut [u8] {
    if winners.is_empty() { winners } else { &mut winners[start..start + len] }
}

/// Pools the products of a band whose first pooled row is `first`.
fn pool_band(
    shape: &ConvShape,
    band: &winograd::Products<'_>,
    filter: &Filter,
    (first, output, winners): (usize, &mut [f32], &mut [u8]),
) {
    let (isa, row) = (Isa::detect(), shape.pooled_width() * shape.output_maps);
    for at in 0..band.tiles / shape.pooled_width() {
        for (panel, bias) in filter.bias.iter().enumerate() {
            let (start, map) = ((first + at) * row, panel * LANES);
            let output = &mut output[start..start + row];
            let winners = part(winners, start, row);
            let tiles = at * shape.pooled_width()..(at + 1) * shape.pooled_width();
            pool::tiles(
                isa,
                (band, panel, tiles),
                bias,
                (map, shape.output_maps),
                (output, winners),
            );
        }
    }
}

/// Pools the products of a band whose first row of large tiles is `first`.
fn pool_large_band(
    shape: &ConvShape,
    (band, tiling): (&winograd::LargeProducts<'_>, &Tiling),
    filter: &Filter,
    (first, output, winners): (usize, &mut [f32], &mut [u8]),
) {
    let (isa, row) = (Isa::detect(), shape.pooled_width() * shape.output_maps);
    for at in 0..band.tiles / tiling.columns {
        for (panel, bias) in filter.bias.iter().enumerate() {
            let start = 2 * (first + at) * row;
            let len = (2 * row).min(output.len() - start);
            let (output, winners) = (&mut output[start..start + len], part(winners, start, len));
            let tiles = at * tiling.columns..(at + 1) * tiling.columns;
            let map = (panel * LANES, shape.output_maps);
            pool::large_tiles(isa, (band, panel, tiles), bias, (map, row), (output, winners));
        }
    }
}
