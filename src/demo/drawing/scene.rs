//! Sky, light and sea: what lies behind and below a ship.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::raster::{Canvas, Colour, Point, mix, scaled};

/// The light of a picture and where its sea begins.
pub(super) struct Scene {
    /// Sky at the upper edge and at the horizon.
    pub(super) sky: [Colour; 2],
    /// Sea at the horizon and at the lower edge.
    pub(super) sea: [Colour; 2],
    /// What a white wall looks like.
    pub(super) light: Colour,
    /// Pixels from the upper edge to the horizon.
    pub(super) horizon: f32,
    /// 0 calm to 1 rough.
    pub(super) swell: f32,
    /// Share of the horizon's colour over what is far away, 0 to 1.
    pub(super) haze: f32,
    noise: Noise,
}

/// Upper sky, horizon, deep sea, light; each a weather or time of day.
const WEATHERS: [[Colour; 4]; 7] = [
    [[0.30, 0.52, 0.82], [0.74, 0.85, 0.94], [0.07, 0.24, 0.38], [1.0, 0.98, 0.94]],
    [[0.40, 0.60, 0.78], [0.86, 0.90, 0.90], [0.10, 0.36, 0.40], [1.0, 1.0, 0.96]],
    [[0.52, 0.55, 0.60], [0.74, 0.76, 0.78], [0.25, 0.31, 0.34], [0.80, 0.82, 0.85]],
    [[0.26, 0.28, 0.45], [0.96, 0.62, 0.36], [0.17, 0.15, 0.24], [0.72, 0.55, 0.46]],
    [[0.45, 0.36, 0.52], [0.95, 0.76, 0.62], [0.24, 0.24, 0.33], [0.85, 0.70, 0.64]],
    [[0.05, 0.07, 0.14], [0.20, 0.24, 0.34], [0.03, 0.05, 0.09], [0.50, 0.54, 0.64]],
    [[0.78, 0.80, 0.81], [0.84, 0.85, 0.85], [0.48, 0.54, 0.56], [0.86, 0.87, 0.88]],
];

/// Uniform between two bounds.
pub(super) fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    rng.random_range(low..high)
}

impl Scene {
    /// A weather, a horizon and a sea state drawn by chance.
    pub(super) fn new(rng: &mut ChaCha8Rng, height: usize) -> Self {
        let weather = rng.random_range(0..WEATHERS.len());
        let [top, low, deep, light] = WEATHERS[weather];
        let shift: Colour = std::array::from_fn(|_| between(rng, 0.94, 1.06));
        let tinted = |c: Colour| std::array::from_fn(|i| c[i] * shift[i]);
        let foggy = weather == WEATHERS.len() - 1;
        Self {
            sky: [tinted(top), tinted(low)],
            sea: [mix(tinted(low), tinted(deep), between(rng, 0.35, 0.75)), tinted(deep)],
            light: scaled(light, between(rng, 0.85, 1.1)),
            horizon: height as f32 * between(rng, 0.47, 0.60),
            swell: between(rng, 0.0, 1.0),
            haze: if foggy { between(rng, 0.2, 0.45) } else { between(rng, 0.0, 0.22) },
            noise: Noise(rng.random()),
        }
    }

    /// Sky with clouds, perhaps a sun and a coast, and the sea under it.
    pub(super) fn paint(&self, canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
        self.paint_sky(canvas, rng);
        if rng.random_bool(0.45) {
            self.paint_coast(canvas, rng);
        }
        self.paint_sea(canvas);
        self.paint_whitecaps(canvas, rng);
    }

    /// Sky and clouds alone, over the whole canvas.
    pub(super) fn paint_sky(&self, canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
        let cover = between(rng, 0.35, 0.75);
        let scale = between(rng, 0.008, 0.03);
        let cloud = mix(self.sky[1], scaled(self.light, 0.97), 0.6);
        canvas.each(|x, y, _| {
            if y > self.horizon + 1.0 {
                return self.sky[1];
            }
            let down = (y / self.horizon).min(1.0);
            let clear = mix(self.sky[0], self.sky[1], down.powf(1.3));
            let depth = self.noise.fractal(x * scale, y * scale * (1.6 + 2.0 * down));
            mix(clear, cloud, ((depth - cover) * 2.5).clamp(0.0, 0.6))
        });
        if rng.random_bool(0.35) {
            let at =
                (between(rng, 0.0, canvas.width as f32), self.horizon * between(rng, 0.1, 0.95));
            let radius = between(rng, 4.0, 11.0);
            let glow = mix(self.sky[1], [1.0, 0.95, 0.8], 0.7);
            for ring in 1..6 {
                canvas.ellipse(at, (radius * ring as f32, radius * ring as f32), glow, 0.10);
            }
            canvas.ellipse(at, (radius, radius), mix(glow, [1.0; 3], 0.5), 0.9);
        }
    }

    fn paint_coast(&self, canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
        let width = canvas.width as f32;
        let (left, right) = (between(rng, -0.6, 0.6) * width, between(rng, 0.5, 1.6) * width);
        let peak = between(rng, 0.03, 0.20) * canvas.height as f32;
        let green = [0.22, between(rng, 0.24, 0.32), 0.22];
        let colour = mix(green, self.sky[1], between(rng, 0.35, 0.85));
        let mut line: Vec<Point> = vec![(left, self.horizon + 1.0)];
        for step in 0..=40 {
            let along = step as f32 / 40.0;
            let rise = self.noise.fractal(along * 6.0, 9.5) * (along * (1.0 - along) * 4.0).sqrt();
            line.push((left + (right - left) * along, self.horizon - peak * rise));
        }
        line.push((right, self.horizon + 1.0));
        canvas.polygon(&line, colour, 1.0);
    }

    /// The colour of still water, by depth into the picture.
    pub(super) fn water(&self, y: f32, height: usize) -> Colour {
        let near = ((y - self.horizon) / (height as f32 - self.horizon)).clamp(0.0, 1.0);
        mix(self.sea[0], self.sea[1], near.powf(0.7))
    }

    fn paint_sea(&self, canvas: &mut Canvas) {
        let height = canvas.height;
        let glint = mix(self.sky[1], self.light, 0.4);
        canvas.each(|x, y, present| {
            if y < self.horizon {
                return present;
            }
            // Waves look flatter and denser towards the horizon.
            let near = (y - self.horizon) / (height as f32 - self.horizon);
            let (u, v) = (x * 0.05 / (0.15 + near), (y - self.horizon) * 0.45 / (0.25 + near));
            let wave = self.noise.fractal(u, v) - 0.5;
            let base = self.water(y, height);
            let shaded = scaled(base, 1.0 + wave * (0.2 + 0.7 * self.swell) * (0.3 + near));
            mix(shaded, glint, (wave * 1.4 - 0.25).clamp(0.0, 0.35))
        });
    }

    fn paint_whitecaps(&self, canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
        let foam = mix(scaled(self.light, 0.95), self.sea[0], 0.25);
        for _ in 0..(self.swell.powi(2) * 40.0) as usize {
            let near = between(rng, 0.02, 1.0);
            let y = self.horizon + (canvas.height as f32 - self.horizon) * near;
            let x = between(rng, 0.0, canvas.width as f32);
            let size = 1.5 + near * between(rng, 2.0, 9.0);
            canvas.ellipse((x, y), (size, 0.4 + near * 0.8), foam, between(rng, 0.2, 0.7));
        }
    }
}

/// Value noise on a square lattice, smooth between the points.
pub(super) struct Noise(pub(super) u32);

impl Noise {
    fn lattice(&self, x: i32, y: i32) -> f32 {
        let mut h =
            self.0 ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        (h ^ (h >> 15)) as f32 / u32::MAX as f32
    }

    fn smooth(&self, x: f32, y: f32) -> f32 {
        let (column, row) = (x.floor(), y.floor());
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (ease(x - column), ease(y - row));
        let (i, j) = (column as i32, row as i32);
        let upper = self.lattice(i, j) * (1.0 - u) + self.lattice(i + 1, j) * u;
        let lower = self.lattice(i, j + 1) * (1.0 - u) + self.lattice(i + 1, j + 1) * u;
        upper * (1.0 - v) + lower * v
    }

    /// Four octaves, 0 to 1.
    pub(super) fn fractal(&self, x: f32, y: f32) -> f32 {
        let octave = |k: i32| {
            let scale = 2.0_f32.powi(k);
            self.smooth(x * scale + k as f32 * 17.3, y * scale) / scale
        };
        (0..4).map(octave).sum::<f32>() / 1.875
    }
}
