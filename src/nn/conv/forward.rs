//! The forward pass of one picture.

use std::ops::Range;

use super::filter::{Filter, Method};
use super::{ConvShape, Scratch, direct, pool};
use crate::nn::isa::Isa;
use crate::nn::panel::{LANES, Row, Unit};
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
                let (scratch, band) = (&mut scratch.winograd, Band::new(&tiling, &rows, 1));
                let products = winograd::products(&tiling, factors, input, rows, scratch);
                band.pool(
                    shape,
                    filter,
                    (&mut *output, &mut *winners),
                    |(panel, tiles), bias, into| {
                        let map = (panel * LANES, shape.output_maps);
                        pool::tiles(Isa::detect(), (&products, panel, tiles), bias, map, into);
                    },
                );
            }
        }
        Method::Large(factors) => {
            let tiling = shape.large_tiling();
            let row = shape.pooled_width() * shape.output_maps;
            for rows in tiling.large_bands(shape.output_maps) {
                let (scratch, band) = (&mut scratch.winograd, Band::new(&tiling, &rows, 2));
                let products = winograd::large_products(&tiling, factors, input, rows, scratch);
                band.pool(
                    shape,
                    filter,
                    (&mut *output, &mut *winners),
                    |(panel, tiles), bias, into| {
                        let sizes = ((panel * LANES, shape.output_maps), row);
                        pool::large_tiles(
                            Isa::detect(),
                            (&products, panel, tiles),
                            bias,
                            sizes,
                            into,
                        );
                    },
                );
            }
        }
    }
}

/// A part of the winners, where there are any.
fn part(winners: &mut [u8], start: usize, len: usize) -> &mut [u8] {
    if winners.is_empty() { winners } else { &mut winners[start..start + len] }
}

/// Some rows of tiles.
struct Band {
    rows: Range<usize>,
    /// Tiles in each.
    columns: usize,
    /// Pooled rows that each gives; the last one of a picture may give fewer.
    pooled: usize,
}

impl Band {
    fn new(tiling: &Tiling, rows: &Range<usize>, pooled: usize) -> Self {
        Self { rows: rows.clone(), columns: tiling.columns, pooled }
    }

    /// Calls `pool` for each row of tiles and each panel of sixteen maps, with the panel and the tiles of the row, counted in
    /// the band, their bias, and the pooled rows that they give.
    fn pool(
        &self,
        shape: &ConvShape,
        filter: &Filter,
        (output, winners): (&mut [f32], &mut [u8]),
        pool: impl Fn((usize, Range<usize>), &Row, (&mut [f32], &mut [u8])),
    ) {
        let row = shape.pooled_width() * shape.output_maps;
        for (at, tiles_row) in self.rows.clone().enumerate() {
            let start = self.pooled * tiles_row * row;
            let len = (self.pooled * row).min(output.len() - start);
            let tiles = at * self.columns..(at + 1) * self.columns;
            for (panel, bias) in filter.bias.iter().enumerate() {
                let into = (&mut output[start..start + len], part(winners, start, len));
                pool((panel, tiles.clone()), bias, into);
            }
        }
    }
}
