//! Products of transformed tiles, and the outputs that they give.

use std::ops::Range;

use super::filter::Filter;
use super::{Picture, Scratch, Tile, Tiling, transform};
use crate::nn::isa::Isa;
use crate::nn::panel::{self, LANES, Row, Unit, grown};

/// The products of some tiles: `[position][output / 16][tile]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Products<'a, const IN: usize, const OUT: usize> {
    rows: &'a [Row],
    /// How many tiles there are.
    tiles: usize,
}

impl<const IN: usize, const OUT: usize> Products<'_, IN, OUT>
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    /// The outputs of one tile, sixteen maps of them.
    #[inline(always)]
    pub(crate) fn output(&self, panel: usize, tile: usize, square: &mut [[Row; OUT]; OUT]) {
        let products = &self.rows[panel * self.tiles + tile..];
        transform::output::<IN, OUT>(products, self.rows.len() / (IN * IN), square);
    }
}

/// The products of some rows of tiles of `x [n, height, width, maps]`, rows counted over all pictures.
pub(crate) fn products<'a, const IN: usize, const OUT: usize>(
    tiling: &Tiling<IN, OUT>,
    filter: &Filter<IN, OUT>,
    x: &[f32],
    rows: Range<usize>,
    scratch: &'a mut Scratch,
) -> Products<'a, IN, OUT>
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let tiles = rows.len() * tiling.columns;
    let inputs = transformed(tiling, x, rows, &mut scratch.inputs);
    let rows = grown(&mut scratch.outputs, IN * IN * filter.panels() * tiles);
    let positions = inputs.chunks_exact(inputs.len() / (IN * IN));
    let positions = positions.zip(filter.factors.chunks_exact(filter.position_len()));
    let targets = rows.chunks_exact_mut(filter.panels() * tiles);
    for (products, (inputs, factors)) in targets.zip(positions) {
        panel::multiply(Unit::detect(), tiles, inputs, factors, products);
    }
    Products { rows, tiles }
}

/// Transformed inputs of some rows of tiles: `[position][input / 16][tile]`.
pub(super) fn transformed<'a, const IN: usize, const OUT: usize>(
    tiling: &Tiling<IN, OUT>,
    x: &[f32],
    rows: Range<usize>,
    buffer: &'a mut Vec<Row>,
) -> &'a mut [Row]
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let (panels, tiles) = (tiling.input.maps.div_ceil(LANES), rows.len() * tiling.columns);
    let inputs = grown(buffer, IN * IN * panels * tiles);
    for (at, row) in rows.enumerate() {
        let lines = tiling.lines(&x[row / tiling.rows * tiling.input.len()..], row % tiling.rows);
        for panel in 0..panels {
            let target = &mut inputs[panel * tiles + at * tiling.columns..];
            let target = (target, panels * tiles);
            transform::input(Isa::detect(), tiling, panel * LANES, &lines, target);
        }
    }
    inputs
}

/// `y [n, height, width, maps]` of `x`, without bias; `output` has the sizes of one picture of `y`.
pub(crate) fn forward<const IN: usize, const OUT: usize>(
    (tiling, output): (&Tiling<IN, OUT>, &Picture),
    filter: &Filter<IN, OUT>,
    x: &[f32],
    y: &mut [f32],
    scratch: &mut Scratch,
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let isa = Isa::detect();
    for rows in tiling.bands(x.len() / tiling.input.len(), output.maps) {
        let band = products(tiling, filter, x, rows.clone(), scratch);
        for (at, row) in rows.enumerate() {
            let lines = &mut y[tiling.outputs_of(row, output)];
            for panel in 0..filter.panels() {
                let tiles = (&band, panel, at * tiling.columns..(at + 1) * tiling.columns);
                transform::store(isa, tiles, output, panel * LANES, lines);
            }
        }
    }
}

impl<const IN: usize, const OUT: usize> Tiling<IN, OUT> {
    /// Where the outputs of a row of tiles, counted over all pictures, stand: OUT rows, or those that are left.
    pub(super) fn outputs_of(&self, row: usize, output: &Picture) -> Range<usize> {
        let (picture, first) = (row / self.rows, OUT * (row % self.rows));
        let start = picture * output.len() + first * output.row_len();
        start..start + OUT.min(output.height - first) * output.row_len()
    }
}
