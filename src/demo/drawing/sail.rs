//! The sailing ship: masts, square and gaff sails, rigging.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::pen::Pen;
use super::raster::{Colour, scaled};
use super::scene::between;

const WOOD: Colour = [0.34, 0.22, 0.13];
const ROPE: Colour = [0.2, 0.17, 0.14];

/// Two to four masts, each under square or fore-and-aft sails, some of them furled.
pub(super) fn sailing_ship(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng) {
    let deck = between(rng, 0.055, 0.085);
    let dark = between(rng, 0.6, 1.2);
    let hull = if rng.random_bool(0.3) { [0.78, 0.77, 0.72] } else { scaled(WOOD, dark) };
    pen.shape(
        &[
            (-0.36, -0.03),
            (-0.42, 0.04),
            (-0.43, deck + 0.035),
            (-0.30, deck + 0.006),
            (0.16, deck),
            (0.40, deck + 0.032),
            (0.34, 0.01),
            (0.28, -0.03),
        ],
        hull,
    );
    pen.line((-0.42, deck * 0.7), (0.37, deck * 0.78), 0.008, scaled([0.85, 0.75, 0.5], dark));
    pen.line((0.36, deck + 0.02), (0.5, deck + between(rng, 0.06, 0.1)), 0.009, WOOD);
    let canvas = scaled([0.93, 0.90, 0.82], between(rng, 0.75, 1.08));
    let masts = rng.random_range(2..=4);
    let square = rng.random_bool(0.6);
    let tallest = between(rng, 0.42, 0.60);
    for mast in 0..masts {
        let share = (mast as f32 + 0.5) / masts as f32;
        let x = -0.36 + 0.66 * share;
        let top = deck + tallest * (1.0 - 0.45 * (share - 0.55).abs());
        pen.line((x, deck), (x, top), 0.009, WOOD);
        let half = 0.26 / masts as f32 * between(rng, 0.9, 1.25);
        if square && mast + 1 < masts.max(3) {
            square_sails(pen, rng, (x, half), (deck + 0.05, top), canvas);
        } else {
            gaff_sail(pen, (x, half * 1.7), (deck + 0.03, top), canvas);
        }
        pen.line((x, top), (x - half * 1.4, deck + 0.01), 0.003, ROPE);
    }
    if rng.random_bool(0.7) {
        let mast_top = deck + tallest * 0.85;
        pen.shape(
            &[(0.22, mast_top), (0.48, deck + 0.08), (0.28, deck + 0.06)],
            scaled(canvas, 0.95),
        );
    }
}

fn square_sails(
    pen: &mut Pen<'_>,
    rng: &mut ChaCha8Rng,
    (x, half): (f32, f32),
    (foot, top): (f32, f32),
    canvas: Colour,
) {
    let rows = rng.random_range(2..=4);
    for row in 0..rows {
        let lower = foot + (top - foot) * row as f32 / rows as f32;
        let upper = foot + (top - foot) * ((row + 1) as f32 / rows as f32 - 0.05);
        let (wide, narrow) = (half * (1.0 - 0.14 * row as f32), half * (0.9 - 0.14 * row as f32));
        pen.line((x - wide, upper), (x + wide, upper), 0.006, WOOD);
        if rng.random_bool(0.12) {
            continue;
        }
        let belly = between(rng, 0.0, 0.035);
        pen.shape(
            &[
                (x - narrow, upper),
                (x + narrow, upper),
                (x + wide + belly, f32::midpoint(lower, upper)),
                (x + wide, lower),
                (x, lower + 0.012),
                (x - wide, lower),
                (x - wide + belly, f32::midpoint(lower, upper)),
            ],
            scaled(canvas, between(rng, 0.9, 1.05)),
        );
    }
}

fn gaff_sail(pen: &mut Pen<'_>, (x, reach): (f32, f32), (foot, top): (f32, f32), canvas: Colour) {
    let peak = foot + (top - foot) * 0.92;
    pen.line((x, foot), (x - reach, foot), 0.006, WOOD);
    pen.shape(
        &[(x, foot), (x, foot + (top - foot) * 0.7), (x - reach * 0.75, peak), (x - reach, foot)],
        canvas,
    );
}
