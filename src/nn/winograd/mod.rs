//! Convolutions 3×3 with stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray 2015): sixteen
//! multiplications in place of thirty-six, forward and backward.
//!
//! Where a forward pass is pooled, larger tiles spare more: [`large`].
//!
//! A tile of 4×4 inputs d and a kernel g give 2×2 outputs Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. Over all maps the
//! elementwise product is sixteen matrix products, one per position of the tile. The gradients are those of
//! this formula: each transform is taken back by its transpose.

mod backward;
mod filter;
mod forward;
mod large;
#[cfg(test)]
mod tests;
mod transform;

pub(crate) use backward::{Incoming, Sums, backward};
pub(crate) use filter::Filter;
pub(crate) use forward::{Products, forward, products};
pub(crate) use large::{LargeFilter, LargeProducts, large_products};

use super::panel::Row;

/// Numbers of a transformed tile.
const POSITIONS: usize = 16;

/// Fewest tiles that are worth one reading of the weights.
const LEAST: usize = 36;

/// Numbers of a band's transformed inputs and outputs that stay in the cache, over [`POSITIONS`].
const BAND: usize = 4608;

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

/// How a picture is cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// The input.
    pub(crate) input: Picture,
    /// Zeros at each border of it.
    pub(crate) padding: usize,
    /// Rows of tiles.
    pub(crate) rows: usize,
    /// Tiles in a row.
    pub(crate) columns: usize,
}

/// Buffers that one thread needs; they grow once and are reused.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    inputs: Vec<Row>,
    outputs: Vec<Row>,
}

impl Tiling {
    /// Cuts the rows of tiles of `count` pictures into bands that stay in the cache.
    pub(crate) fn bands(
        &self,
        count: usize,
        outputs: usize,
    ) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let tiles = LEAST.max(BAND / (self.input.maps + outputs));
        let (rows, step) = (count * self.rows, (tiles / self.columns).max(1));
        (0..rows).step_by(step).map(move |first| first..rows.min(first + step))
    }
}
