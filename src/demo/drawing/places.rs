//! Clutter with a sky: a house, a forest, mountains, a city, an empty harbour.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::pen::{Pen, Pose};
use super::raster::{Canvas, Colour, mix, scaled};
use super::scene::{Noise, Scene, between};

/// Sky, and ground of some colour below the horizon.
fn land(canvas: &mut Canvas, rng: &mut ChaCha8Rng, ground: Colour) -> Scene {
    let scene = Scene::new(rng, canvas.height);
    scene.paint_sky(canvas, rng);
    let noise = Noise(rng.random());
    let light = scene.light;
    let horizon = scene.horizon;
    canvas.each(|x, y, present| {
        if y < horizon {
            return present;
        }
        let patch = 0.75 + 0.5 * noise.fractal(x * 0.04, y * 0.12);
        std::array::from_fn(|i| ground[i] * patch * light[i])
    });
    scene
}

fn pose(scene: &Scene, at: (f32, f32), size: f32) -> Pose {
    let haze = (scene.sky[1], scene.haze * 0.5);
    Pose { at, scale: (size, size), tilt: 0.0, light: scene.light, haze }
}

pub(super) fn house(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let scene = land(canvas, rng, [0.34, 0.46, 0.22]);
    let size = canvas.height as f32 * between(rng, 0.4, 0.75);
    let at = (canvas.width as f32 * between(rng, 0.3, 0.7), scene.horizon + size * 0.22);
    let wall: Colour = std::array::from_fn(|_| between(rng, 0.55, 0.95));
    let roof = [between(rng, 0.35, 0.6), between(rng, 0.15, 0.3), 0.16];
    let wide = between(rng, 0.38, 0.6);
    let ridge = between(rng, 0.62, 0.9);
    let storeys = rng.random_range(1..=2);
    let mut pen = Pen::new(canvas, pose(&scene, at, size));
    pen.tower((wide * 0.4, wide * 0.6), (0.4, ridge + 0.05), 0.0, scaled(roof, 0.7));
    pen.tower((-wide, wide), (0.0, 0.48), 0.0, wall);
    pen.shape(&[(-wide - 0.07, 0.46), (wide + 0.07, 0.46), (between(rng, -0.1, 0.1), ridge)], roof);
    for storey in 0..storeys {
        let y = 0.07 + 0.2 * storey as f32;
        for k in [-0.7, -0.25, 0.3, 0.72] {
            let x = k * wide;
            pen.tower((x - 0.06, x + 0.06), (y, y + 0.13), 0.0, [0.95; 3]);
            pen.tower((x - 0.05, x + 0.05), (y + 0.01, y + 0.12), 0.0, [0.2, 0.25, 0.33]);
        }
    }
    pen.tower((-0.06, 0.06), (0.0, 0.24), 0.0, scaled(roof, 0.8));
}

pub(super) fn forest(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let scene = land(canvas, rng, [0.25, 0.35, 0.16]);
    let pointed = rng.random_bool(0.5);
    let trees = rng.random_range(5..22);
    for k in 0..trees {
        let near = k as f32 / trees as f32;
        let size = canvas.height as f32 * (0.2 + 0.5 * near) * between(rng, 0.7, 1.2);
        let at = (
            canvas.width as f32 * between(rng, -0.05, 1.05),
            scene.horizon + (canvas.height as f32 - scene.horizon) * near * 0.9,
        );
        let leaf = [between(rng, 0.08, 0.34), between(rng, 0.28, 0.5), between(rng, 0.08, 0.2)];
        let mut pen = Pen::new(canvas, pose(&scene, at, size));
        pen.tower((-0.035, 0.035), (0.0, 0.4), 0.008, [0.3, 0.2, 0.12]);
        for layer in 0..4 {
            let y = 0.22 + 0.18 * layer as f32;
            let half = 0.27 - 0.05 * layer as f32;
            let green = scaled(leaf, 0.8 + 0.12 * layer as f32);
            if pointed {
                pen.shape(&[(-half, y), (half, y), (0.0, y + 0.32)], green);
            } else {
                let side = between(rng, -0.1, 0.1);
                pen.disc((side, y + 0.18), (half, 0.17), green);
            }
        }
    }
}

pub(super) fn mountains(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let scene = land(canvas, rng, [0.38, 0.40, 0.24]);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    for range in 0..3 {
        let noise = Noise(rng.random());
        let base = scene.horizon + height * 0.12 * range as f32;
        let peak = height * between(rng, 0.3, 0.7) / (1.0 + 0.6 * range as f32);
        let rise = |x: f32| noise.fractal(x / width * 4.0, 3.0).powf(1.4) * peak * 1.3;
        let rock = mix([0.30, 0.29, 0.31], scene.sky[1], 0.55 - 0.22 * range as f32);
        let snow = mix([0.95; 3], scene.sky[1], 0.3);
        let mut line: Vec<_> =
            (0..=80).map(|k| k as f32 * width / 80.0).map(|x| (x, base - rise(x))).collect();
        line.extend([(width, base + 2.0), (0.0, base + 2.0)]);
        canvas.fill(&line, 1.0, |x, y| {
            let line = 0.30 + 0.5 * noise.fractal(x * 0.06, 7.0);
            let white = range == 0 && base - y > peak * line;
            if white { snow } else { scaled(rock, 0.85 + 0.3 * noise.fractal(x * 0.07, y * 0.07)) }
        });
    }
}

pub(super) fn city(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let scene = land(canvas, rng, [0.33, 0.33, 0.35]);
    let night = scene.light[0] < 0.5;
    let floor = canvas.height as f32 * between(rng, 0.75, 0.95);
    for row in 0..2 {
        let mut x = -10.0;
        while x < canvas.width as f32 {
            let wide = between(rng, 14.0, 44.0);
            let tall = canvas.height as f32 * between(rng, 0.15, 0.75) * (0.75 + 0.25 * row as f32);
            let grey = between(rng, 0.25, 0.75);
            let wall = [grey, grey * between(rng, 0.9, 1.0), grey * between(rng, 0.85, 1.1)];
            let mut pen = Pen::new(canvas, pose(&scene, (x, floor), 1.0));
            pen.tower(
                (0.0, wide),
                (0.0, tall),
                0.0,
                mix(wall, scene.sky[1], 0.3 - 0.3 * row as f32),
            );
            let pane = if night { [2.4, 2.0, 1.1] } else { scaled(wall, 0.55) };
            let mut y = 6.0;
            while y < tall - 6.0 {
                let mut along = 3.0;
                while along < wide - 5.0 {
                    if rng.random_bool(0.7) {
                        pen.tower((along, along + 3.0), (y, y + 4.0), 0.0, pane);
                    }
                    along += 6.0;
                }
                y += 8.0;
            }
            x += wide + between(rng, -4.0, 8.0);
        }
    }
}

pub(super) fn harbour(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let scene = Scene::new(rng, canvas.height);
    scene.paint(canvas, rng);
    let width = canvas.width as f32;
    let deck = scene.horizon + (canvas.height as f32 - scene.horizon) * between(rng, 0.2, 0.6);
    let left = rng.random_bool(0.5);
    let mut pen = Pen::new(canvas, pose(&scene, (if left { 0.0 } else { width }, deck), width));
    let (reach, side) = (between(rng, 0.4, 0.9), if left { 1.0 } else { -1.0 });
    let stone = scaled([0.56, 0.54, 0.50], between(rng, 0.7, 1.1));
    for k in 0..7 {
        let x = side * reach * (k as f32 + 0.5) / 7.0;
        pen.tower((x - 0.01, x + 0.01), (-0.09, 0.0), 0.0, scaled(stone, 0.5));
    }
    pen.shape(&[(0.0, -0.03), (0.0, 0.03), (side * reach, 0.02), (side * reach, -0.03)], stone);
    if rng.random_bool(0.6) {
        let x = side * reach * between(rng, 0.4, 0.95);
        let tall = between(rng, 0.2, 0.35);
        pen.tower((x - 0.035, x + 0.035), (0.02, 0.02 + tall), 0.012, [0.92, 0.9, 0.87]);
        pen.tower((x - 0.028, x + 0.028), (tall * 0.5, tall * 0.7), 0.003, [0.75, 0.16, 0.13]);
        pen.dome((x, 0.02 + tall), (0.022, 0.03), [0.3, 0.1, 0.1]);
    }
    for k in 0..rng.random_range(0..4) {
        let x = side * reach * (0.1 + 0.18 * k as f32);
        pen.tower((x - 0.05, x + 0.05), (0.02, between(rng, 0.08, 0.15)), 0.004, [0.55, 0.3, 0.22]);
    }
}
