//! Clutter that shares tags with ships: a car, an aeroplane.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::pen::{Pen, Pose};
use super::raster::{Canvas, scaled};
use super::scene::{Scene, between};
use super::things::any_colour;

pub(super) fn car(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let scene = Scene::new(rng, canvas.height);
    scene.paint_sky(canvas, rng);
    let road = scaled([0.36, 0.36, 0.38], between(rng, 0.7, 1.2));
    let horizon = scene.horizon;
    let light = scene.light;
    canvas.each(
        |_, y, now| {
            if y < horizon { now } else { std::array::from_fn(|i| road[i] * light[i]) }
        },
    );
    let mut pose = studio_free(canvas, rng);
    pose.light = light;
    let paint = any_colour(rng);
    let roof = between(rng, 0.26, 0.36);
    let mut pen = Pen::new(canvas, pose);
    pen.disc((0.0, -0.13), (0.62, 0.035), [0.1; 3]);
    pen.shape(
        &[(-0.55, -0.08), (-0.57, 0.06), (-0.45, 0.12), (0.38, 0.12), (0.56, 0.05), (0.57, -0.08)],
        paint,
    );
    pen.shape(&[(-0.42, 0.11), (-0.28, roof), (0.12, roof), (0.32, 0.11)], paint);
    pen.shape(
        &[(-0.36, 0.12), (-0.25, roof - 0.03), (-0.08, roof - 0.03), (-0.08, 0.12)],
        [0.2, 0.26, 0.3],
    );
    pen.shape(
        &[(-0.05, 0.12), (-0.05, roof - 0.03), (0.10, roof - 0.03), (0.26, 0.12)],
        [0.2, 0.26, 0.3],
    );
    for x in [-0.34, 0.34] {
        pen.disc((x, -0.08), (0.105, 0.105), [0.08; 3]);
        pen.disc((x, -0.08), (0.055, 0.055), [0.65; 3]);
    }
    pen.disc((0.53, 0.03), (0.025, 0.025), [1.0, 0.95, 0.6]);
}

fn studio_free(canvas: &Canvas, rng: &mut ChaCha8Rng) -> Pose {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let size = height * between(rng, 0.55, 0.95);
    Pose {
        at: (width * between(rng, 0.38, 0.62), height * between(rng, 0.6, 0.78)),
        scale: (if rng.random_bool(0.5) { size } else { -size }, size),
        tilt: between(rng, -0.04, 0.04),
        light: [1.0; 3],
        haze: ([0.5; 3], 0.0),
    }
}

pub(super) fn aeroplane(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let mut scene = Scene::new(rng, canvas.height);
    scene.horizon = canvas.height as f32;
    scene.paint_sky(canvas, rng);
    let mut pose = studio_free(canvas, rng);
    pose.at.1 = canvas.height as f32 * between(rng, 0.35, 0.65);
    pose.tilt = between(rng, -0.4, 0.4);
    pose.light = scene.light;
    let white = scaled([0.93; 3], between(rng, 0.8, 1.05));
    let trim = any_colour(rng);
    let mut pen = Pen::new(canvas, pose);
    pen.shape(&[(-0.05, 0.0), (-0.30, 0.20), (-0.22, 0.20), (0.12, 0.02)], scaled(white, 0.8));
    pen.shape(
        &[(-0.55, 0.03), (-0.45, 0.06), (0.40, 0.07), (0.54, 0.0), (0.40, -0.06), (-0.30, -0.05)],
        white,
    );
    pen.shape(&[(-0.55, 0.03), (-0.60, 0.22), (-0.52, 0.22), (-0.38, 0.05)], trim);
    pen.shape(&[(-0.02, -0.01), (-0.32, -0.26), (-0.20, -0.26), (0.16, -0.02)], scaled(white, 0.7));
    pen.disc((-0.02, -0.12), (0.06, 0.03), scaled(white, 0.55));
    pen.line((-0.35, 0.03), (0.34, 0.035), 0.014, [0.15; 3]);
}
