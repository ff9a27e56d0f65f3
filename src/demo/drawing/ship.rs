//! Four kinds of ship as silhouettes in ship lengths: bow at +0.5, stern at −0.5, water at height 0.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::pen::Pen;
use super::raster::{Colour, scaled};
use super::scene::between;

/// A kind of ship that the program can draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShipKind {
    /// A grey warship with gun, mast and sloped blocks.
    Destroyer,
    /// A cargo ship: deep hull, bridge far aft, containers, cranes or tanks.
    Freighter,
    /// Two to four masts under sail.
    SailingShip,
    /// A flat deck with an island.
    Carrier,
}

impl ShipKind {
    /// Every kind; the first two are the demo's default classes.
    pub(crate) const ALL: [Self; 4] =
        [Self::Destroyer, Self::Freighter, Self::SailingShip, Self::Carrier];

    /// The class name of the kind.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Destroyer => "destroyer",
            Self::Freighter => "freighter",
            Self::SailingShip => "sailing-ship",
            Self::Carrier => "carrier",
        }
    }

    /// How much taller than in life it is drawn, so that it fills a picture.
    pub(super) fn stature(self) -> f32 {
        if self == Self::SailingShip { 0.85 } else { 1.25 }
    }

    /// Hull, superstructure and all, by the pen's light.
    pub(super) fn draw(self, pen: &mut Pen<'_>, rng: &mut ChaCha8Rng) {
        match self {
            Self::Destroyer => destroyer(pen, rng),
            Self::Freighter => super::freighter::freighter(pen, rng),
            Self::SailingShip => super::sail::sailing_ship(pen, rng),
            Self::Carrier => carrier(pen, rng),
        }
    }
}

/// Paint as warships and work boats share it: greys, and now and then something brighter.
pub(super) fn hull_paint(rng: &mut ChaCha8Rng, greys: f64) -> Colour {
    const BRIGHT: [Colour; 6] = [
        [0.50, 0.12, 0.10],
        [0.10, 0.22, 0.42],
        [0.09, 0.30, 0.22],
        [0.13, 0.13, 0.15],
        [0.70, 0.68, 0.62],
        [0.62, 0.34, 0.12],
    ];
    if rng.random_bool(greys) {
        let grey = between(rng, 0.38, 0.72);
        return [grey * between(rng, 0.93, 1.02), grey, grey * between(rng, 0.98, 1.08)];
    }
    scaled(BRIGHT[rng.random_range(0..BRIGHT.len())], between(rng, 0.8, 1.2))
}

fn destroyer(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng) {
    let paint = hull_paint(rng, 0.92);
    let deck = between(rng, 0.040, 0.060);
    let bow = deck * between(rng, 1.3, 1.9);
    pen.shape(
        &[(-0.49, -0.03), (-0.5, deck), (0.05, deck), (0.5, bow), (0.42, -0.03)],
        scaled(paint, 0.92),
    );
    pen.line((-0.5, 0.004), (0.43, 0.004), 0.008, [0.12, 0.10, 0.10]);
    let wall = scaled(paint, between(rng, 0.95, 1.15));
    let front = between(rng, 0.14, 0.24);
    let height = between(rng, 0.060, 0.095);
    pen.tower((-0.10, front), (deck, deck + height), 0.025, wall);
    pen.line((0.02, deck + height * 0.72), (front - 0.03, deck + height * 0.72), 0.010, [0.1; 3]);
    let aft = between(rng, -0.38, -0.28);
    pen.tower((aft, -0.13), (deck, deck + height * between(rng, 0.5, 0.8)), 0.018, wall);
    for place in [-0.16, 0.0].into_iter().take(rng.random_range(1..=2)) {
        pen.tower(
            (place - 0.035, place + 0.035),
            (deck, deck + height * 1.35),
            0.012,
            scaled(wall, 0.8),
        );
    }
    mast(pen, (front - between(rng, 0.05, 0.12), deck + height), between(rng, 0.10, 0.17));
    if rng.random_bool(0.6) {
        mast(pen, (aft + 0.08, deck + height * 0.6), between(rng, 0.06, 0.12));
    }
    let gun = front + between(rng, 0.06, 0.12);
    pen.tower((gun - 0.025, gun + 0.022), (deck, deck + 0.030), 0.010, wall);
    pen.line(
        (gun, deck + 0.022),
        (gun + 0.075, deck + between(rng, 0.026, 0.05)),
        0.008,
        scaled(wall, 0.7),
    );
    if rng.random_bool(0.5) {
        pen.tower((-0.45, -0.41), (deck, deck + 0.024), 0.006, wall);
    }
}

fn mast(pen: &mut Pen<'_>, foot: (f32, f32), height: f32) {
    let dark = [0.28, 0.29, 0.30];
    let top = foot.1 + height;
    pen.line((foot.0 - 0.018, foot.1), (foot.0, top), 0.007, dark);
    pen.line((foot.0 + 0.018, foot.1), (foot.0, top), 0.007, dark);
    for (share, reach) in [(0.45, 0.030), (0.7, 0.022)] {
        let y = foot.1 + height * share;
        pen.line((foot.0 - reach, y), (foot.0 + reach, y), 0.008, dark);
    }
}

fn carrier(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng) {
    let paint = hull_paint(rng, 0.9);
    let deck = between(rng, 0.062, 0.085);
    pen.shape(&[(-0.46, -0.03), (-0.48, deck), (0.44, deck), (0.40, -0.03)], scaled(paint, 0.85));
    let ramp = if rng.random_bool(0.4) { between(rng, 0.015, 0.035) } else { 0.0 };
    let edge = deck + 0.014;
    pen.shape(
        &[(-0.5, deck), (-0.5, edge), (0.36, edge), (0.5, edge + ramp), (0.49, deck)],
        scaled(paint, 0.7),
    );
    let island = between(rng, -0.16, 0.16);
    let wide = between(rng, 0.05, 0.085);
    let top = edge + between(rng, 0.05, 0.08);
    pen.tower((island - wide, island + wide), (edge, top), 0.010, paint);
    pen.line(
        (island - wide * 0.7, top - 0.018),
        (island + wide * 0.7, top - 0.018),
        0.008,
        [0.1; 3],
    );
    pen.tower((island - wide * 0.5, island), (top, top + 0.03), 0.006, scaled(paint, 0.9));
    mast(pen, (island + wide * 0.2, top), between(rng, 0.06, 0.11));
    for _ in 0..rng.random_range(2..9) {
        let x = between(rng, -0.46, 0.40);
        let jet = scaled(paint, between(rng, 0.55, 1.2));
        pen.shape(&[(x, edge), (x + 0.045, edge + 0.004), (x + 0.012, edge + 0.009)], jet);
        pen.shape(&[(x, edge), (x + 0.012, edge + 0.005), (x, edge + 0.018)], jet);
    }
}
