//! Clutter that fills the frame: a face, a flower, fruit, shapes, a chart.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::pen::{Pen, Pose};
use super::raster::{Canvas, Colour, mix, scaled};
use super::scene::{Noise, between};

pub(super) fn any_colour(rng: &mut ChaCha8Rng) -> Colour {
    std::array::from_fn(|_| between(rng, 0.1, 0.95))
}

/// A blotchy wall behind a thing in the middle of the frame.
fn studio(canvas: &mut Canvas, rng: &mut ChaCha8Rng, paint: Colour) -> Pose {
    let noise = Noise(rng.random());
    let other = mix(paint, any_colour(rng), 0.4);
    canvas.each(|x, y, _| mix(paint, other, noise.fractal(x * 0.02, y * 0.02)));
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let size = height * between(rng, 0.6, 1.0);
    Pose {
        at: (width * between(rng, 0.35, 0.65), height * between(rng, 0.42, 0.58)),
        scale: (if rng.random_bool(0.5) { size } else { -size }, size),
        tilt: between(rng, -0.15, 0.15),
        light: [between(rng, 0.75, 1.05); 3],
        haze: (paint, between(rng, 0.0, 0.12)),
    }
}

pub(super) fn face(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let wall = any_colour(rng);
    let pose = studio(canvas, rng, wall);
    let tone = between(rng, 0.35, 0.95);
    let skin = [tone, tone * 0.78, tone * 0.62];
    let hair = scaled([0.45, 0.3, 0.18], between(rng, 0.2, 1.6));
    let (shirt, smile, wide) =
        (any_colour(rng), between(rng, -0.02, 0.05), between(rng, 0.2, 0.26));
    let long = rng.random_bool(0.5);
    let mut pen = Pen::new(canvas, pose);
    pen.disc((0.0, -0.62), (0.5, 0.28), shirt);
    if long {
        pen.disc((0.0, -0.03), (wide + 0.09, 0.42), hair);
    }
    pen.tower((-0.08, 0.08), (-0.42, -0.15), 0.0, scaled(skin, 0.85));
    pen.disc((0.0, 0.03), (wide, 0.31), skin);
    pen.dome((0.0, 0.14), (wide + 0.03, 0.26), hair);
    for x in [-0.09, 0.09] {
        pen.disc((x, 0.06), (0.045, 0.024), [0.96; 3]);
        pen.disc((x, 0.06), (0.019, 0.022), [0.15, 0.2, 0.25]);
        pen.line((x - 0.05, 0.115), (x + 0.05, 0.12), 0.016, hair);
    }
    pen.shape(&[(0.0, 0.05), (-0.03, -0.06), (0.035, -0.06)], scaled(skin, 0.82));
    pen.shape(
        &[(-0.09, -0.13 + smile), (0.0, -0.13), (0.09, -0.13 + smile), (0.0, -0.17)],
        [0.66, 0.25, 0.24],
    );
}

pub(super) fn flower(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let pose = studio(canvas, rng, [0.22, 0.42, 0.18]);
    let (petal, petals) = (any_colour(rng), rng.random_range(5..13));
    let reach = between(rng, 0.22, 0.32);
    let mut pen = Pen::new(canvas, pose);
    pen.line((0.0, 0.0), (0.06, -0.8), 0.035, [0.18, 0.42, 0.12]);
    pen.disc((0.17, -0.4), (0.15, 0.05), [0.2, 0.48, 0.15]);
    for k in 0..petals {
        let (sin, cos) = (k as f32 / petals as f32 * std::f32::consts::TAU).sin_cos();
        let shade = scaled(petal, 0.85 + 0.2 * sin.abs());
        pen.disc((cos * reach * 0.8, sin * reach * 0.8), (reach * 0.45, reach * 0.45), shade);
    }
    pen.disc((0.0, 0.0), (reach * 0.45, reach * 0.45), [0.85, 0.65, 0.12]);
}

pub(super) fn fruit(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let wall = any_colour(rng);
    let mut pose = studio(canvas, rng, wall);
    pose.tilt = 0.0;
    let (bowl, pieces) = (any_colour(rng), rng.random_range(3..8));
    let mut pen = Pen::new(canvas, pose);
    pen.tower((-1.5, 1.5), (-0.9, -0.2), 0.0, scaled([0.5, 0.36, 0.24], between(rng, 0.6, 1.3)));
    for _ in 0..pieces {
        let kinds = [
            [0.8, 0.12, 0.1],
            [0.95, 0.55, 0.1],
            [0.5, 0.7, 0.15],
            [0.93, 0.83, 0.25],
            [0.45, 0.12, 0.35],
        ];
        let paint = kinds[rng.random_range(0..kinds.len())];
        let (x, y) = (between(rng, -0.27, 0.27), between(rng, -0.08, 0.16));
        let size = between(rng, 0.09, 0.15);
        pen.disc((x, y), (size, size * between(rng, 0.85, 1.1)), paint);
        pen.disc(
            (x - size * 0.3, y + size * 0.35),
            (size * 0.22, size * 0.2),
            mix(paint, [1.0; 3], 0.6),
        );
        pen.line((x, y + size * 0.9), (x + 0.02, y + size * 1.25), 0.012, [0.25, 0.2, 0.1]);
    }
    pen.shape(&[(-0.45, -0.05), (0.45, -0.05), (0.24, -0.36), (-0.24, -0.36)], bowl);
}

pub(super) fn shapes(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let wall = any_colour(rng);
    studio(canvas, rng, wall);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    for _ in 0..rng.random_range(6..26) {
        let (colour, alpha) = (any_colour(rng), between(rng, 0.5, 1.0));
        let at = (between(rng, 0.0, width), between(rng, 0.0, height));
        let size = between(rng, 0.05, 0.35) * width;
        match rng.random_range(0..3) {
            0 => canvas.ellipse(at, (size * 0.5, size * 0.5), colour, alpha),
            1 => canvas.stroke(
                at,
                (between(rng, 0.0, width), between(rng, 0.0, height)),
                size * 0.1,
                colour,
            ),
            _ => {
                let corner = |rng: &mut ChaCha8Rng| {
                    (at.0 + between(rng, -size, size), at.1 + between(rng, -size, size))
                };
                let points: Vec<_> = (0..rng.random_range(3..6)).map(|_| corner(rng)).collect();
                canvas.polygon(&points, colour, alpha);
            }
        }
    }
}

pub(super) fn chart(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    let paper = scaled([1.0, 1.0, 0.98], between(rng, 0.85, 1.0));
    canvas.each(|_, _, _| paper);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let ink = [0.2, 0.2, 0.22];
    let mut y = height * 0.06;
    while y < height * between(rng, 0.2, 0.45) {
        let mut x = width * 0.08;
        while x < width * 0.9 {
            let word = between(rng, 6.0, 28.0);
            canvas.stroke((x, y), ((x + word).min(width * 0.92), y), 2.6, ink);
            x += word + 5.0;
        }
        y += 7.5;
    }
    let (floor, left) = (height * 0.92, width * 0.12);
    canvas.stroke((left, y), (left, floor), 1.5, ink);
    canvas.stroke((left, floor), (width * 0.92, floor), 1.5, ink);
    let bars = rng.random_range(3..11);
    let step = width * 0.78 / bars as f32;
    let (paint, lines) = (any_colour(rng), rng.random_bool(0.35));
    let mut last = None;
    for k in 0..bars {
        let x = left + step * (k as f32 + 0.2);
        let top = floor - (floor - y) * between(rng, 0.1, 0.95);
        if lines {
            let here = (x, top);
            canvas.stroke(last.unwrap_or(here), here, 2.0, paint);
            canvas.ellipse(here, (3.0, 3.0), paint, 1.0);
            last = Some(here);
        } else {
            canvas.polygon(
                &[(x, top), (x + step * 0.7, top), (x + step * 0.7, floor), (x, floor)],
                paint,
                1.0,
            );
        }
    }
}
