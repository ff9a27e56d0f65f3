//! What else a picture search brings: twelve kinds of clutter, two of which share tags with ships.

use rand_chacha::ChaCha8Rng;

use super::raster::Canvas;
use super::{places, things, vehicles};

/// A kind of clutter that the program can draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClutterKind {
    /// A house with a garden.
    House,
    /// Trees.
    Forest,
    /// Mountains under a sky.
    Mountains,
    /// A city's skyline.
    City,
    /// A quay without a boat: water and sky like a ship's.
    Harbour,
    /// A car: a vehicle, as a ship is.
    Car,
    /// An aeroplane: a vehicle, as a ship is.
    Aeroplane,
    /// A face.
    Face,
    /// A flower.
    Flower,
    /// Fruit in a bowl.
    Fruit,
    /// Coloured shapes.
    Abstract,
    /// A chart with text.
    Chart,
}

impl ClutterKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 12] = [
        Self::House,
        Self::Forest,
        Self::Face,
        Self::City,
        Self::Car,
        Self::Flower,
        Self::Harbour,
        Self::Chart,
        Self::Mountains,
        Self::Abstract,
        Self::Fruit,
        Self::Aeroplane,
    ];

    pub(super) fn paint(self, canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
        match self {
            Self::House => places::house(canvas, rng),
            Self::Forest => places::forest(canvas, rng),
            Self::Mountains => places::mountains(canvas, rng),
            Self::City => places::city(canvas, rng),
            Self::Harbour => places::harbour(canvas, rng),
            Self::Car => vehicles::car(canvas, rng),
            Self::Aeroplane => vehicles::aeroplane(canvas, rng),
            Self::Face => things::face(canvas, rng),
            Self::Flower => things::flower(canvas, rng),
            Self::Fruit => things::fruit(canvas, rng),
            Self::Abstract => things::shapes(canvas, rng),
            Self::Chart => things::chart(canvas, rng),
        }
    }
}
