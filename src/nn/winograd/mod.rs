//! Convolutions 3×3 with stride 1 by Winograd's minimal filtering (Lavin and Gray 2015), forward and backward.
//!
//! A tile of IN×IN inputs d and a kernel g give OUT×OUT outputs Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. Over all maps the
//! elementwise product is IN² matrix products, one per position of the tile. The gradients are those of this
//! formula: each transform is taken back by its transpose. Small tiles, F(2×2, 3×3), take sixteen multiplications in
//! place of thirty-six, large ones, F(4×4, 3×3), thirty-six in place of a hundred and forty-four.

#![expect(clippy::inline_always, reason = "what is here takes on its caller's instruction set")]

mod backward;
mod filter;
mod forward;
#[cfg(test)]
mod tests;
mod tile;
mod transform;

use std::ops::Range;

pub(crate) use backward::{Incoming, Sums, backward};
pub(crate) use filter::Filter;
pub(crate) use forward::{Products, forward, products};
pub(crate) use tile::Tile;

use super::panel::Row;

/// The size of a picture: rows, columns and feature maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) maps: usize,
}

impl Picture {
    fn len(&self) -> usize {
        self.height * self.width * self.maps
    }

    fn row_len(&self) -> usize {
        self.width * self.maps
    }
}

/// How a picture is cut into tiles of IN×IN inputs, which give OUT×OUT outputs each; those at the right and lower
/// edge may give fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiling<const IN: usize, const OUT: usize> {
    /// The input.
    input: Picture,
    /// Zeros at each border of it.
    padding: usize,
    /// Rows of tiles.
    pub(crate) rows: usize,
    /// Tiles in a row.
    pub(crate) columns: usize,
}

/// Whether large tiles are the faster way to `height × width` outputs: they take fewer multiplications, of which
/// they waste some at the edges, but read more than twice as many weights, which a single tile is not worth.
pub(crate) fn large_pays_forward(height: usize, width: usize) -> bool {
    let (large, small) = tiles(height, width);
    large >= 4 && 36 * large < 16 * small
}

/// The same backward, where weights are also gathered once for each group of pictures: it takes more tiles, and a
/// quarter of the multiplications to spare.
pub(crate) fn large_pays_backward(height: usize, width: usize) -> bool {
    let (large, small) = tiles(height, width);
    large >= 9 && 4 * 36 * large <= 3 * 16 * small
}

/// Large and small tiles of `height × width` outputs.
fn tiles(height: usize, width: usize) -> (usize, usize) {
    let tiles = |out| height.div_ceil(out) * width.div_ceil(out);
    (tiles(4), tiles(2))
}

/// Buffers that one thread needs; they grow once and are reused.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    inputs: Vec<Row>,
    outputs: Vec<Row>,
}

impl<const IN: usize, const OUT: usize> Tiling<IN, OUT> {
    /// For `height × width` outputs.
    pub(crate) fn new(input: Picture, padding: usize, height: usize, width: usize) -> Self {
        Self { input, padding, rows: height.div_ceil(OUT), columns: width.div_ceil(OUT) }
    }

    /// The input rows that a row of tiles reads; those outside the picture are empty.
    fn lines<'a>(&self, picture: &'a [f32], row: usize) -> [&'a [f32]; IN] {
        let len = self.input.row_len();
        let mut lines = [&[][..]; IN];
        for (at, slot) in lines.iter_mut().enumerate() {
            let line = (OUT * row + at).checked_sub(self.padding);
            if let Some(line) = line.filter(|line| *line < self.input.height) {
                *slot = &picture[line * len..][..len];
            }
        }
        lines
    }
}

impl<const IN: usize, const OUT: usize> Tiling<IN, OUT>
where
    Self: Tile<IN, OUT>,
{
    /// Cuts the rows of tiles of `count` pictures into bands that stay in the cache.
    pub(crate) fn bands(
        &self,
        count: usize,
        outputs: usize,
    ) -> impl Iterator<Item = Range<usize>> + use<IN, OUT> {
        let tiles = Self::LEAST.max(Self::BAND / (self.input.maps + outputs));
        let (rows, step) = (count * self.rows, (tiles / self.columns).max(1));
        (0..rows).step_by(step).map(move |first| first..rows.min(first + step))
    }
}
