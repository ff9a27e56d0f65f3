//! Larger tiles, F(4×4, 3×3): thirty-six multiplications in place of a hundred and forty-four, for a forward pass that
//! pools what it gets.
//!
//! A tile of 6×6 inputs gives 4×4 outputs. The polynomials are taken at 0, ±5/8, ±3/2 and ∞: with the usual 0, ±1, ±2 and ∞
//! (Lavin and Gray 2015) the largest error is three to four times as large.

use std::ops::Range;

use super::forward::TileProducts;
use super::{Picture, Scratch, Tiling};
use crate::nn::isa::{Isa, on_each_isa};
use crate::nn::panel::{LANES, Row, grown, load};

/// A column or row of six.
type Six = [Row; 6];

/// Numbers of a transformed tile.
const POSITIONS: usize = 36;

/// Fewest tiles that are worth one reading of the weights; as [`BAND`], the best of a few on one processor.
const LEAST: usize = 18;

/// Numbers of a band's transformed inputs and outputs that stay in the cache, over [`POSITIONS`].
const BAND: usize = 2600;

/// The points beside 0 and ∞, and their powers, all exact.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// Transformed weights: `[position][output / 16][input]` rows of sixteen outputs, the inputs filled up to a
/// multiple of sixteen.
#[derive(Debug, Clone)]
pub(crate) struct LargeFilter {
    factors: Vec<Row>,
    panels: usize,
}

impl LargeFilter {
    /// Of `weights [9, inputs, outputs]`.
    pub(crate) fn new(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        let (panels, rows) = (outputs.div_ceil(LANES), inputs.next_multiple_of(LANES));
        let mut factors = vec![[0.0; LANES]; POSITIONS * panels * rows];
        for at in 0..panels {
            let target = (&mut factors[at * rows..], panels * rows);
            filter(Isa::detect(), weights, (inputs, outputs), at * LANES, target);
        }
        Self { factors, panels }
    }
}

impl Tiling {
    /// Cuts a picture of `height × width` outputs into large tiles.
    pub(crate) fn large(input: Picture, height: usize, width: usize) -> Self {
        Self { input, padding: 0, rows: height.div_ceil(4), columns: width.div_ceil(4) }
    }

    /// Cuts the rows of large tiles of a picture into bands that stay in the cache.
    pub(crate) fn large_bands(&self, outputs: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let tiles = LEAST.max(BAND / (self.input.maps + outputs));
        let (rows, step) = (self.rows, (tiles / self.columns).max(1));
        (0..rows).step_by(step).map(move |first| first..rows.min(first + step))
    }

    /// The input rows that a row of large tiles reads; those below the picture are empty.
    fn large_lines<'a>(&self, picture: &'a [f32], row: usize) -> [&'a [f32]; 6] {
        let len = self.input.row_len();
        std::array::from_fn(|at| {
            let line = 4 * row + at;
            if line < self.input.height { &picture[line * len..][..len] } else { &[][..] }
        })
    }
}

/// Of tiles of 6×6 inputs.
pub(crate) type LargeProducts<'a> = TileProducts<'a, POSITIONS>;

impl LargeProducts<'_> {
    /// Aᵀ m A: the 4×4 outputs of one tile, sixteen maps of them.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    pub(crate) fn output(&self, panel: usize, tile: usize, square: &mut [[Row; 4]; 4]) {
        let (products, stride) =
            (&self.rows[panel * self.tiles + tile..], self.rows.len() / POSITIONS);
        let mut positions = [&products[0]; POSITIONS];
        for (at, position) in positions.iter_mut().enumerate() {
            *position = &products[at * stride];
        }
        for lane in 0..LANES {
            let mut columns = [[0.0; 4]; 6];
            for at in 0..6 {
                let mut column = [0.0; 6];
                for row in 0..6 {
                    column[row] = positions[row * 6 + at][lane];
                }
                columns[at] = gather_output(column);
            }
            for row in 0..4 {
                let four = gather_output(columns.map(|column| column[row]));
                for column in 0..4 {
                    square[row][column][lane] = four[column];
                }
            }
        }
    }
}

/// The products of some rows of large tiles of the picture `x [height, width, maps]`.
pub(crate) fn large_products<'a>(
    tiling: &Tiling,
    filter: &LargeFilter,
    x: &[f32],
    rows: Range<usize>,
    scratch: &'a mut Scratch,
) -> LargeProducts<'a> {
    let (panels, tiles) = (tiling.input.maps.div_ceil(LANES), rows.len() * tiling.columns);
    let inputs = grown(&mut scratch.inputs, POSITIONS * panels * tiles);
    for (at, row) in rows.enumerate() {
        let lines = tiling.large_lines(x, row);
        for panel in 0..panels {
            let target = (&mut inputs[panel * tiles + at * tiling.columns..], panels * tiles);
            input(Isa::detect(), tiling, panel * LANES, &lines, target);
        }
    }
    LargeProducts::new(inputs, (&filter.factors, filter.panels), tiles, &mut scratch.outputs)
}

/// A transform of sixteen maps at once, lane by lane: of operations on whole rows the compiler makes registers that hold one
/// lane of several rows, and shuffles.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn in_lanes<const FROM: usize, const TO: usize>(
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

/// Bᵀ d: what a product reads of six inputs.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn spread_input(d: [f32; 6]) -> [f32; 6] {
    let even = [d[4] - B2 * d[2], d[4] - A2 * d[2]];
    let odd = [A * (d[3] - B2 * d[1]), B * (d[3] - A2 * d[1])];
    [
        d[4] - (A2 + B2) * d[2] + A2 * B2 * d[0],
        even[0] + odd[0],
        even[0] - odd[0],
        even[1] + odd[1],
        even[1] - odd[1],
        d[5] - (A2 + B2) * d[3] + A2 * B2 * d[1],
    ]
}

/// Aᵀ m: four outputs of six products.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn gather_output(m: [f32; 6]) -> [f32; 4] {
    let (sums, differences) = ([m[1] + m[2], m[3] + m[4]], [m[1] - m[2], m[3] - m[4]]);
    [
        m[0] + sums[0] + sums[1],
        A * differences[0] + B * differences[1],
        A2 * sums[0] + B2 * sums[1],
        m[5] + A2 * A * differences[0] + B2 * B * differences[1],
    ]
}

/// G g: six factors of three weights.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn spread_filter(g: [f32; 3]) -> [f32; 6] {
    let (zero, a, b) = (1.0 / (A2 * B2), 0.5 / (A2 * (A2 - B2)), 0.5 / (B2 * (B2 - A2)));
    let even = [g[0] + A2 * g[2], g[0] + B2 * g[2]];
    let odd = [A * g[1], B * g[1]];
    [
        zero * g[0],
        a * (even[0] + odd[0]),
        a * (even[0] - odd[0]),
        b * (even[1] + odd[1]),
        b * (even[1] - odd[1]),
        g[2],
    ]
}

on_each_isa! {
    /// Bᵀ d B of a row of tiles, sixteen maps from `map` on: `lines` are its six input rows, empty outside the
    /// picture; `panel` is `[position][tile]`, `stride` apart.
    fn input(tiling: &Tiling, map: usize, lines: &[&[f32]; 6], panel: (&mut [Row], usize)) {
        let (panel, stride) = panel;
        let (mut columns, mut values) = ([[[0.0; LANES]; 6]; 6], [[0.0; LANES]; 6]);
        column(tiling, map, lines, 0, &mut columns[4]);
        column(tiling, map, lines, 1, &mut columns[5]);
        for tile in 0..tiling.columns {
            (columns[0], columns[1]) = (columns[4], columns[5]);
            for (at, next) in columns.iter_mut().enumerate().skip(2) {
                column(tiling, map, lines, 4 * tile + at, next);
            }
            for row in 0..6 {
                let [a, b, c, d, e, f] = &columns;
                let line = [&a[row], &b[row], &c[row], &d[row], &e[row], &f[row]];
                in_lanes(line, spread_input, &mut values);
                for at in 0..6 {
                    panel[(row * 6 + at) * stride + tile] = values[at];
                }
            }
        }
    }
}

/// Bᵀ d of a column.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn column(tiling: &Tiling, map: usize, lines: &[&[f32]; 6], at: usize, to: &mut Six) {
    let mut pixels = [[0.0; LANES]; 6];
    let Picture { width, maps, .. } = tiling.input;
    if at < width {
        for line in 0..6 {
            if !lines[line].is_empty() {
                pixels[line] = load(&lines[line][at * maps + map..], maps - map);
            }
        }
    }
    in_lanes(pixels.each_ref(), spread_input, to);
}

on_each_isa! {
    /// G g Gᵀ of `weights [9, inputs, outputs]`, sixteen outputs from `map` on: `[position][input]`, `stride` apart.
    fn filter(weights: &[f32], sizes: (usize, usize), map: usize, panel: (&mut [Row], usize)) {
        let ((inputs, outputs), (panel, stride)) = (sizes, panel);
        for input in 0..inputs {
            let mut columns = [[[0.0; LANES]; 6]; 3];
            for (at, column) in columns.iter_mut().enumerate() {
                let mut taps = [[0.0; LANES]; 3];
                for (row, tap) in taps.iter_mut().enumerate() {
                    let from = ((3 * row + at) * inputs + input) * outputs + map;
                    *tap = load(&weights[from..], outputs - map);
                }
                in_lanes(taps.each_ref(), spread_filter, column);
            }
            for row in 0..6 {
                let mut values = [[0.0; LANES]; 6];
                let taps = [&columns[0][row], &columns[1][row], &columns[2][row]];
                in_lanes(taps, spread_filter, &mut values);
                for at in 0..6 {
                    panel[(row * 6 + at) * stride + input] = values[at];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::rng::{Purpose, Stream};

    fn noise(len: usize, index: u64) -> Vec<f32> {
        let mut stream = Stream::new(1, Purpose::Initial, 9, index);
        (0..len).map(|_| stream.between(-1.0, 1.0)).collect()
    }

    #[test]
    fn a_tile_is_a_convolution() {
        let (pixels, weights) = (noise(36 * LANES, 1), noise(9 * LANES * LANES, 2));
        let tiling = Tiling::large(Picture { height: 6, width: 6, maps: LANES }, 4, 4);
        let filter = LargeFilter::new(&weights, LANES, LANES);
        let mut scratch = Scratch::default();
        let mut square = [[[0.0; LANES]; 4]; 4];
        let products = large_products(&tiling, &filter, &pixels, 0..1, &mut scratch);
        products.output(0, 0, &mut square);
        for (row, column, lane) in
            (0..4).flat_map(|row| (0..4).flat_map(move |at| (0..LANES).map(move |k| (row, at, k))))
        {
            let mut sum = 0.0;
            for (y, x, from) in
                (0..3).flat_map(|y| (0..3).flat_map(move |x| (0..LANES).map(move |k| (y, x, k))))
            {
                let pixel = pixels[((row + y) * 6 + column + x) * LANES + from];
                let weight = weights[((3 * y + x) * LANES + from) * LANES + lane];
                sum += f64::from(pixel) * f64::from(weight);
            }
            let found = f64::from(square[row][column][lane]);
            assert!((found - sum).abs() < 2e-5, "{row} {column} {lane}: {found} {sum}");
        }
    }

    #[test]
    fn every_instruction_set_transforms_to_the_same_bits() {
        let picture = Picture { height: 9, width: 11, maps: 20 };
        let tiling = Tiling::large(picture, 6, 8);
        let (pixels, weights) = (noise(picture.len(), 1), noise(9 * 20 * 20, 2));
        let run = |isa| {
            let mut panel = vec![[9.0; LANES]; POSITIONS * 2];
            let lines = tiling.large_lines(&pixels, 1);
            input(isa, &tiling, LANES, &lines, (&mut panel, 2));
            let mut factors = vec![[9.0; LANES]; POSITIONS * 32];
            super::filter(isa, &weights, (20, 20), LANES, (&mut factors, 32));
            (panel, factors)
        };
        for isa in Isa::all() {
            assert!(run(isa) == run(Isa::Portable), "{isa:?}");
        }
    }

    #[test]
    fn bands_cover_every_row_of_tiles_once() {
        let tiling = Tiling::large(Picture { height: 150, width: 150, maps: 64 }, 148, 148);
        assert_eq!((tiling.rows, tiling.columns), (37, 37));
        let rows: Vec<usize> = tiling.large_bands(64).flatten().collect();
        assert_eq!(rows, (0..37).collect::<Vec<_>>());
    }
}
