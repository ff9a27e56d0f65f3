//! The transforms between pictures and products, and their transposes, sixteen maps at a time.

use std::ops::Range;

use super::{Picture, Products, Tiling};
use crate::nn::isa::on_each_isa;
use crate::nn::panel::{LANES, Row, load, store as put};

/// A column or row of four.
pub(super) type Four = [Row; 4];

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(super) fn plus(a: &Row, b: &Row) -> Row {
    let mut sum = *a;
    for lane in 0..LANES {
        sum[lane] += b[lane];
    }
    sum
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(super) fn minus(a: &Row, b: &Row) -> Row {
    let mut difference = *a;
    for lane in 0..LANES {
        difference[lane] -= b[lane];
    }
    difference
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(super) fn half(a: &Row) -> Row {
    let mut half = *a;
    for lane in &mut half {
        *lane *= 0.5;
    }
    half
}

/// Bᵀ d: what a product reads of four inputs.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn spread_input(d: &Four) -> Four {
    [minus(&d[0], &d[2]), plus(&d[1], &d[2]), minus(&d[2], &d[1]), minus(&d[1], &d[3])]
}

/// Aᵀ m: two outputs of four products.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn gather_output(m: &Four) -> [Row; 2] {
    [plus(&plus(&m[0], &m[1]), &m[2]), minus(&minus(&m[1], &m[2]), &m[3])]
}

on_each_isa! {
    /// Bᵀ d B of a row of tiles, sixteen maps from `map` on: `lines` are its four input rows, empty outside the
    /// picture; `panel` is `[position][tile]`, `stride` apart.
    pub(super) fn input(
        tiling: &Tiling,
        map: usize,
        lines: &[&[f32]; 4],
        panel: (&mut [Row], usize),
    ) {
        let (panel, stride) = panel;
        let mut window = [column(tiling, map, lines, 0), column(tiling, map, lines, 1)];
        for tile in 0..tiling.columns {
            let next = [column(tiling, map, lines, 2 * tile + 2), column(tiling, map, lines, 2 * tile + 3)];
            for row in 0..4 {
                let line = [window[0][row], window[1][row], next[0][row], next[1][row]];
                let values = spread_input(&line);
                for at in 0..4 {
                    panel[(row * 4 + at) * stride + tile] = values[at];
                }
            }
            window = next;
        }
    }
}

/// Bᵀ d of a column, counted from the left border of the zeros.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn column(tiling: &Tiling, map: usize, lines: &[&[f32]; 4], at: usize) -> Four {
    let mut pixels = [[0.0; LANES]; 4];
    let Picture { width, maps, .. } = tiling.input;
    if at >= tiling.padding && at < tiling.padding + width {
        let from = (at - tiling.padding) * maps + map;
        for line in 0..4 {
            if !lines[line].is_empty() {
                pixels[line] = load(&lines[line][from..], maps - map);
            }
        }
    }
    spread_input(&pixels)
}

/// Aᵀ m A: the 2×2 outputs of one tile, whose products stand `stride` apart.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(super) fn output(products: &[Row], stride: usize) -> [[Row; 2]; 2] {
    let mut columns = [[[0.0; LANES]; 4]; 2];
    for at in 0..4 {
        let mut column = [[0.0; LANES]; 4];
        for row in 0..4 {
            column[row] = products[(row * 4 + at) * stride];
        }
        let [top, bottom] = gather_output(&column);
        columns[0][at] = top;
        columns[1][at] = bottom;
    }
    [gather_output(&columns[0]), gather_output(&columns[1])]
}

on_each_isa! {
    /// Writes the outputs of a row of tiles, sixteen maps from `map` on, to a pair of rows of `[width, maps]`, or
    /// to the last row alone.
    pub(super) fn store(
        tiles: (&Products<'_>, usize, Range<usize>),
        output: &Picture,
        map: usize,
        pair: &mut [f32],
    ) {
        let (products, panel, range) = tiles;
        let (line, count) = (output.width * output.maps, output.maps - map);
        for (at, tile) in range.enumerate() {
            let [top, bottom] = products.output(panel, tile);
            for column in 0..2.min(output.width - 2 * at) {
                let place = (2 * at + column) * output.maps + map;
                put(&top[column], &mut pair[place..], count);
                if pair.len() > line {
                    put(&bottom[column], &mut pair[line + place..], count);
                }
            }
        }
    }
}

/// A y: what the gradients of two outputs give four products.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn spread_output(y: &[Row; 2]) -> Four {
    let none = [0.0; LANES];
    [y[0], plus(&y[0], &y[1]), minus(&y[0], &y[1]), minus(&none, &y[1])]
}

on_each_isa! {
    /// A dy Aᵀ of a row of tiles, as [`input`] writes it; the reverse of [`store`].
    pub(super) fn gradient(
        sizes: (usize, &Picture),
        map: usize,
        pair: &[f32],
        panel: (&mut [Row], usize),
    ) {
        let ((columns, output), (panel, stride)) = (sizes, panel);
        let (line, count) = (output.width * output.maps, output.maps - map);
        for tile in 0..columns {
            let mut square = [[[0.0; LANES]; 2]; 2];
            let inside = 2.min(output.width - 2 * tile);
            for (column, values) in square.iter_mut().enumerate().take(inside) {
                let place = (2 * tile + column) * output.maps + map;
                values[0] = load(&pair[place..], count);
                if pair.len() > line {
                    values[1] = load(&pair[line + place..], count);
                }
            }
            let columns = [spread_output(&square[0]), spread_output(&square[1])];
            for row in 0..4 {
                let values = spread_output(&[columns[0][row], columns[1][row]]);
                for at in 0..4 {
                    panel[(row * 4 + at) * stride + tile] = values[at];
                }
            }
        }
    }
}

/// B v: what the gradients of four transformed inputs give the inputs.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn gather_input(v: &Four) -> Four {
    let none = [0.0; LANES];
    let (middle, outer) = (minus(&v[1], &v[2]), plus(&v[1], &v[2]));
    [v[0], plus(&middle, &v[3]), minus(&outer, &v[0]), minus(&none, &v[3])]
}

on_each_isa! {
    /// Adds B v Bᵀ of a row of tiles to the gradient `dx` of a picture; the reverse of [`input`].
    pub(super) fn scatter(
        tiling: &Tiling,
        place: (usize, usize),
        panel: (&[Row], usize),
        dx: &mut [f32],
    ) {
        let ((row, map), (panel, stride)) = (place, panel);
        // Columns that the next tile adds to as well.
        let mut kept = [[[0.0; LANES]; 4]; 2];
        for tile in 0..tiling.columns {
            let mut rows = [[[0.0; LANES]; 4]; 4];
            for line in 0..4 {
                let mut values = [[0.0; LANES]; 4];
                for at in 0..4 {
                    values[at] = panel[(line * 4 + at) * stride + tile];
                }
                rows[line] = gather_input(&values);
            }
            let mut columns = [[[0.0; LANES]; 4]; 4];
            for at in 0..4 {
                columns[at] = gather_input(&[rows[0][at], rows[1][at], rows[2][at], rows[3][at]]);
            }
            for at in 0..2 {
                for line in 0..4 {
                    columns[at][line] = plus(&columns[at][line], &kept[at][line]);
                }
                add_column(tiling, (row, 2 * tile + at, map), &columns[at], dx);
            }
            kept = [columns[2], columns[3]];
        }
        for (at, column) in kept.iter().enumerate() {
            add_column(tiling, (row, 2 * tiling.columns + at, map), column, dx);
        }
    }
}

/// Adds a column of a row of tiles to the pixels under it, where they are inside the picture.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_column(
    tiling: &Tiling,
    (row, column, map): (usize, usize, usize),
    values: &Four,
    dx: &mut [f32],
) {
    let Picture { height, width, maps } = tiling.input;
    if column < tiling.padding || column >= tiling.padding + width {
        return;
    }
    for (line, value) in values.iter().enumerate() {
        let line = 2 * row + line;
        if line >= tiling.padding && line < tiling.padding + height {
            let pixel = (line - tiling.padding) * width + column - tiling.padding;
            let slot = &mut dx[pixel * maps + map..];
            let sum = plus(&load(slot, maps - map), value);
            put(&sum, slot, maps - map);
        }
    }
}
