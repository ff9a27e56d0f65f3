//! The transforms between pictures and products, and their transposes, sixteen maps at a time.

use std::ops::Range;

use super::{Picture, Products, Tile, Tiling};
use crate::nn::isa::on_each_isa;
use crate::nn::panel::{LANES, Row, load, store as put};

/// A transform of sixteen maps at once, lane by lane: of operations on whole rows the compiler makes registers that
/// hold one lane of several rows, and shuffles.
#[inline(always)]
pub(super) fn in_lanes<const FROM: usize, const TO: usize>(
    from: [&Row; FROM],
    transform: impl Fn([f32; FROM]) -> [f32; TO],
    to: &mut [Row; TO],
) {
    for lane in 0..LANES {
        let mut numbers = [0.0; FROM];
        for at in 0..FROM {
            numbers[at] = from[at][lane];
        }
        let numbers = transform(numbers);
        for at in 0..TO {
            to[at][lane] = numbers[at];
        }
    }
}

/// The rows of some columns at one place.
#[inline(always)]
pub(super) fn across<const LINES: usize, const COLUMNS: usize>(
    columns: &[[Row; LINES]; COLUMNS],
    line: usize,
) -> [&Row; COLUMNS] {
    let mut rows = [&columns[0][line]; COLUMNS];
    for at in 1..COLUMNS {
        rows[at] = &columns[at][line];
    }
    rows
}

on_each_isa! {
    /// Bᵀ d B of a row of tiles, sixteen maps from `map` on: `lines` are its input rows, empty outside the picture;
    /// `panel` is `[position][tile]`, `stride` apart.
    pub(super) fn input<const IN: usize, const OUT: usize>(
        tiling: &Tiling<IN, OUT>,
        map: usize,
        lines: &[&[f32]; IN],
        panel: (&mut [Row], usize),
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let (panel, stride) = panel;
        let (mut columns, mut values) = ([[[0.0; LANES]; IN]; IN], [[0.0; LANES]; IN]);
        column(tiling, map, lines, 0, &mut columns[OUT]);
        column(tiling, map, lines, 1, &mut columns[OUT + 1]);
        for tile in 0..tiling.columns {
            (columns[0], columns[1]) = (columns[OUT], columns[OUT + 1]);
            for (at, next) in columns.iter_mut().enumerate().skip(2) {
                column(tiling, map, lines, OUT * tile + at, next);
            }
            for row in 0..IN {
                in_lanes(across(&columns, row), Tiling::<IN, OUT>::spread_input, &mut values);
                for at in 0..IN {
                    panel[(row * IN + at) * stride + tile] = values[at];
                }
            }
        }
    }
}

/// Bᵀ d of a column, counted from the left border of the zeros.
#[inline(always)]
fn column<const IN: usize, const OUT: usize>(
    tiling: &Tiling<IN, OUT>,
    map: usize,
    lines: &[&[f32]; IN],
    at: usize,
    to: &mut [Row; IN],
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let mut pixels = [[0.0; LANES]; IN];
    let Picture { width, maps, .. } = tiling.input;
    if at >= tiling.padding && at < tiling.padding + width {
        let from = (at - tiling.padding) * maps + map;
        for line in 0..IN {
            if !lines[line].is_empty() {
                pixels[line] = load(&lines[line][from..], maps - map);
            }
        }
    }
    in_lanes(pixels.each_ref(), Tiling::<IN, OUT>::spread_input, to);
}

/// Aᵀ m A: the outputs of one tile, whose products stand `stride` apart.
#[inline(always)]
pub(super) fn output<const IN: usize, const OUT: usize>(
    products: &[Row],
    stride: usize,
    square: &mut [[Row; OUT]; OUT],
) where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let mut positions = [[&products[0]; IN]; IN];
    for at in 0..IN * IN {
        positions[at % IN][at / IN] = &products[at * stride];
    }
    for lane in 0..LANES {
        let mut columns = [[0.0; OUT]; IN];
        for at in 0..IN {
            let mut column = [0.0; IN];
            for row in 0..IN {
                column[row] = positions[at][row][lane];
            }
            columns[at] = Tiling::<IN, OUT>::gather_output(column);
        }
        for row in 0..OUT {
            let mut line = [0.0; IN];
            for at in 0..IN {
                line[at] = columns[at][row];
            }
            let line = Tiling::<IN, OUT>::gather_output(line);
            for column in 0..OUT {
                square[row][column][lane] = line[column];
            }
        }
    }
}

on_each_isa! {
    /// Writes the outputs of a row of tiles, sixteen maps from `map` on, to rows of `[width, maps]`: OUT of them, or
    /// those that are left of the picture.
    pub(super) fn store<const IN: usize, const OUT: usize>(
        tiles: (&Products<'_, IN, OUT>, usize, Range<usize>),
        output: &Picture,
        map: usize,
        lines: &mut [f32],
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let (products, panel, range) = tiles;
        let mut square = [[[0.0; LANES]; OUT]; OUT];
        for (at, tile) in range.enumerate() {
            products.output(panel, tile, &mut square);
            for (line, row) in lines.chunks_exact_mut(output.row_len()).zip(&square) {
                let inside = OUT.min(output.width - OUT * at);
                for (column, values) in row.iter().enumerate().take(inside) {
                    let place = (OUT * at + column) * output.maps + map;
                    put(values, &mut line[place..], output.maps - map);
                }
            }
        }
    }
}

on_each_isa! {
    /// A dy Aᵀ of a row of tiles, as [`input`] writes it; the reverse of [`store`].
    pub(super) fn gradient<const IN: usize, const OUT: usize>(
        tiling: &Tiling<IN, OUT>,
        output: &Picture,
        map: usize,
        lines: &[f32],
        panel: (&mut [Row], usize),
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let (panel, stride) = panel;
        let (mut columns, mut values) = ([[[0.0; LANES]; IN]; OUT], [[0.0; LANES]; IN]);
        for tile in 0..tiling.columns {
            for (at, column) in columns.iter_mut().enumerate() {
                let mut pixels = [[0.0; LANES]; OUT];
                if OUT * tile + at < output.width {
                    let place = (OUT * tile + at) * output.maps + map;
                    let lines = lines.chunks_exact(output.row_len());
                    for (pixel, line) in pixels.iter_mut().zip(lines) {
                        *pixel = load(&line[place..], output.maps - map);
                    }
                }
                in_lanes(pixels.each_ref(), Tiling::<IN, OUT>::spread_output, column);
            }
            for row in 0..IN {
                in_lanes(across(&columns, row), Tiling::<IN, OUT>::spread_output, &mut values);
                for at in 0..IN {
                    panel[(row * IN + at) * stride + tile] = values[at];
                }
            }
        }
    }
}

on_each_isa! {
    /// Adds B v Bᵀ of a row of tiles to the gradient `dx` of a picture; the reverse of [`input`].
    pub(super) fn scatter<const IN: usize, const OUT: usize>(
        tiling: &Tiling<IN, OUT>,
        place: (usize, usize),
        panel: (&[Row], usize),
        dx: &mut [f32],
    ) where Tiling<IN, OUT>: Tile<IN, OUT> {
        let ((row, map), (panel, stride)) = (place, panel);
        let (mut rows, mut column) = ([[[0.0; LANES]; IN]; IN], [[0.0; LANES]; IN]);
        // Columns that the next tile adds to as well.
        let mut kept = [[[0.0; LANES]; IN]; 2];
        for tile in 0..tiling.columns {
            for (line, values) in rows.iter_mut().enumerate() {
                let mut slopes = [&panel[0]; IN];
                for at in 0..IN {
                    slopes[at] = &panel[(line * IN + at) * stride + tile];
                }
                in_lanes(slopes, Tiling::<IN, OUT>::gather_input, values);
            }
            for at in 0..IN {
                in_lanes(across(&rows, at), Tiling::<IN, OUT>::gather_input, &mut column);
                if at < 2 {
                    for line in 0..IN {
                        add(&mut column[line], &kept[at][line]);
                    }
                }
                if at < OUT {
                    add_column(tiling, (row, OUT * tile + at, map), &column, dx);
                } else {
                    kept[at - OUT] = column;
                }
            }
        }
        for (at, column) in kept.iter().enumerate() {
            add_column(tiling, (row, OUT * tiling.columns + at, map), column, dx);
        }
    }
}

/// `sums += row`.
#[inline(always)]
pub(super) fn add(sums: &mut Row, row: &Row) {
    for lane in 0..LANES {
        sums[lane] += row[lane];
    }
}

/// Adds a column of a row of tiles to the pixels under it, where they are inside the picture.
#[inline(always)]
fn add_column<const IN: usize, const OUT: usize>(
    tiling: &Tiling<IN, OUT>,
    (row, column, map): (usize, usize, usize),
    values: &[Row; IN],
    dx: &mut [f32],
) {
    let Picture { height, width, maps } = tiling.input;
    if column < tiling.padding || column >= tiling.padding + width {
        return;
    }
    for (line, value) in values.iter().enumerate() {
        let line = OUT * row + line;
        if line >= tiling.padding && line < tiling.padding + height {
            let pixel = (line - tiling.padding) * width + column - tiling.padding;
            let slot = &mut dx[pixel * maps + map..];
            let mut sum = load(slot, maps - map);
            add(&mut sum, value);
            put(&sum, slot, maps - map);
        }
    }
}
