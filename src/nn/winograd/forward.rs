//! Products of transformed tiles, and the outputs that they give.

use std::ops::Range;

use super::filter::Filter;
use super::{POSITIONS, Scratch, Tiling, transform};
use crate::nn::isa::Isa;
use crate::nn::panel::{self, LANES, Row, Unit, grown};

/// The products of some tiles of `P` positions: `[position][output / 16][tile]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TileProducts<'a, const P: usize> {
    pub(super) rows: &'a [Row],
    /// How many tiles there are.
    pub(super) tiles: usize,
}

/// Of tiles of 4×4 inputs.
pub(crate) type Products<'a> = TileProducts<'a, POSITIONS>;

impl<'a, const P: usize> TileProducts<'a, P> {
    /// Of transformed inputs, `[position][input / 16][tile]`, and weights, `[position][output / 16][input]`, for so many
    /// `panels` of sixteen outputs.
    pub(super) fn new(
        inputs: &[Row],
        (factors, panels): (&[Row], usize),
        tiles: usize,
        buffer: &'a mut Vec<Row>,
    ) -> Self {
        let rows = grown(buffer, P * panels * tiles);
        let positions = inputs.chunks_exact(inputs.len() / P);
        let positions = positions.zip(factors.chunks_exact(factors.len() / P));
        let targets = rows.chunks_exact_mut(panels * tiles);
        for (products, (inputs, factors)) in targets.zip(positions) {
            panel::multiply(Unit::detect(), tiles, inputs, factors, products);
        }
        Self { rows, tiles }
    }
}

impl Products<'_> {
    /// The 2×2 outputs of one tile, sixteen maps of them.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    pub(crate) fn output(&self, panel: usize, tile: usize) -> [[Row; 2]; 2] {
        transform::output(&self.rows[panel * self.tiles + tile..], self.rows.len() / POSITIONS)
    }
}

/// The products of some rows of tiles of `x [n, height, width, maps]`, rows counted over all pictures.
pub(crate) fn products<'a>(
    tiling: &Tiling,
    filter: &Filter,
    x: &[f32],
    rows: Range<usize>,
    scratch: &'a mut Scratch,
) -> Products<'a> {
    let tiles = rows.len() * tiling.columns;
    let inputs = transformed(tiling, x, rows, &mut scratch.inputs);
    Products::new(inputs, (&filter.factors, filter.panels()), tiles, &mut scratch.outputs)
}

/// Transformed inputs of some rows of tiles: `[position][input / 16][tile]`.
pub(super) fn transformed<'a>(
    tiling: &Tiling,
    x: &[f32],
    rows: Range<usize>,
    buffer: &'a mut Vec<Row>,
) -> &'a mut [Row] {
    let (panels, tiles) = (tiling.input.maps.div_ceil(LANES), rows.len() * tiling.columns);
    let inputs = grown(buffer, POSITIONS * panels * tiles);
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

impl Tiling {
    /// The input rows that a row of tiles reads; those outside the picture are empty.
    fn lines<'a>(&self, picture: &'a [f32], row: usize) -> [&'a [f32]; 4] {
        let len = self.input.row_len();
        let mut lines = [&[][..]; 4];
        for (at, slot) in lines.iter_mut().enumerate() {
            let line = (2 * row + at).checked_sub(self.padding);
            if let Some(line) = line.filter(|line| *line < self.input.height) {
                *slot = &picture[line * len..][..len];
            }
        }
        lines
    }
}

/// `y [n, height, width, maps]` of `x`, without bias; `output` has the sizes of one picture of `y`.
pub(crate) fn forward(
    (tiling, output): (&Tiling, &super::Picture),
    filter: &Filter,
    x: &[f32],
    y: &mut [f32],
    scratch: &mut Scratch,
) {
    let (isa, line) = (Isa::detect(), output.row_len());
    for rows in tiling.bands(x.len() / tiling.input.len(), output.maps) {
        let band = products(tiling, filter, x, rows.clone(), scratch);
        for (at, row) in rows.enumerate() {
            let (picture, first) = (row / tiling.rows, 2 * (row % tiling.rows));
            let start = picture * output.len() + first * line;
            let pair = &mut y[start..start + line * (output.height - first).min(2)];
            for panel in 0..filter.panels() {
                let tiles = at * tiling.columns..(at + 1) * tiling.columns;
                transform::store(isa, (&band, panel, tiles), output, panel * LANES, pair);
            }
        }
    }
}
