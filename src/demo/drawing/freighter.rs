//! The freighter: deep hull, bridge far aft, and containers, cranes or tanks on deck.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::pen::Pen;
use super::raster::{mix, scaled};
use super::scene::between;
use super::ship::hull_paint;

/// Hull first, then the cargo, then the bridge in front of it.
pub(super) fn freighter(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng) {
    let paint = hull_paint(rng, 0.15);
    let deck = between(rng, 0.070, 0.115);
    let rake = between(rng, 0.01, 0.06);
    let bow = deck + between(rng, 0.0, 0.025);
    pen.shape(
        &[(-0.47, -0.03), (-0.5, deck), (0.38, deck), (0.44, bow), (0.5, bow), (0.5 - rake, -0.03)],
        paint,
    );
    let boot = if rng.random_bool(0.6) { [0.45, 0.13, 0.11] } else { scaled(paint, 0.6) };
    pen.line((-0.48, 0.006), (0.47 - rake * 0.7, 0.006), between(rng, 0.012, 0.03), boot);
    match rng.random_range(0..3) {
        0 => containers(pen, rng, deck),
        1 => cranes(pen, rng, deck),
        _ => tanks(pen, rng, deck),
    }
    let white = scaled([0.9, 0.89, 0.85], between(rng, 0.7, 1.05));
    let (left, right) = (between(rng, -0.48, -0.44), between(rng, -0.34, -0.30));
    let top = deck + between(rng, 0.10, 0.16);
    pen.tower((left, right), (deck, top), 0.004, white);
    let mut floor = deck + 0.02;
    while floor < top - 0.01 {
        pen.line(
            (left + 0.01, floor),
            (right - 0.01, floor),
            0.006,
            mix(white, [0.1, 0.12, 0.16], 0.7),
        );
        floor += 0.024;
    }
    let funnel = hull_paint(rng, 0.2);
    pen.tower((left + 0.01, left + 0.05), (top, top + between(rng, 0.025, 0.05)), 0.006, funnel);
    pen.line((right - 0.02, top), (right - 0.02, top + 0.05), 0.006, [0.3; 3]);
}

fn containers(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng, deck: f32) {
    let mut x = between(rng, -0.29, -0.26);
    while x < 0.36 {
        for level in 0..rng.random_range(1..=4) {
            let y = deck + level as f32 * 0.026;
            let paint = hull_paint(rng, 0.2);
            pen.tower((x, x + 0.054), (y, y + 0.0245), 0.0, paint);
        }
        x += if rng.random_bool(0.15) { 0.075 } else { 0.057 };
    }
}

fn cranes(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng, deck: f32) {
    let paint = hull_paint(rng, 0.3);
    let posts = rng.random_range(2..=4);
    for post in 0..posts {
        let x = -0.22 + 0.56 * (post as f32 + 0.5) / posts as f32;
        let top = deck + between(rng, 0.08, 0.12);
        pen.tower((x - 0.010, x + 0.010), (deck, top), 0.0, paint);
        let reach = between(rng, 0.05, 0.11) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        pen.line((x, deck + 0.05), (x + reach, top + between(rng, -0.02, 0.03)), 0.009, paint);
        pen.tower((x + 0.02, x + 0.08), (deck, deck + 0.016), 0.0, scaled(paint, 0.7));
    }
}

fn tanks(pen: &mut Pen<'_>, rng: &mut ChaCha8Rng, deck: f32) {
    let paint = hull_paint(rng, 0.5);
    if rng.random_bool(0.4) {
        for k in 0..4 {
            pen.dome((-0.18 + k as f32 * 0.145, deck), (0.058, between(rng, 0.045, 0.06)), paint);
        }
        return;
    }
    pen.line((-0.28, deck + 0.014), (0.38, deck + 0.014), 0.008, paint);
    pen.line((-0.28, deck + 0.024), (0.30, deck + 0.024), 0.005, scaled(paint, 0.8));
    let mid = between(rng, -0.02, 0.10);
    pen.tower((mid - 0.012, mid + 0.012), (deck, deck + 0.06), 0.004, paint);
    pen.line((mid, deck + 0.055), (mid + 0.05, deck + 0.03), 0.007, paint);
}
