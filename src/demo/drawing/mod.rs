//! Pictures drawn by the program: ships on varied seas, and the clutter that a search brings along.

mod clutter;
mod freighter;
mod pen;
mod places;
mod raster;
mod sail;
mod scene;
mod ship;
mod tags;
mod things;
mod vehicles;

use image::codecs::jpeg::JpegEncoder;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::labels::Label;
pub(super) use clutter::ClutterKind;
use pen::{Pen, Pose};
use raster::{Canvas, mix, scaled};
use scene::{Scene, between};
pub(super) use ship::ShipKind;

/// What a drawn picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A ship of one kind at sea.
    Ship(ShipKind),
    /// Anything else.
    Clutter(ClutterKind),
}

/// One drawn picture.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    /// A JPEG file, 240 to 340 pixels wide.
    pub jpeg: Vec<u8>,
    /// What a tagger would say of it.
    pub labels: Vec<Label>,
}

/// Draws a subject. The same subject, seed and index give the same bytes.
pub(super) fn draw(subject: Subject, seed: u64, index: u64) -> Drawing {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let kind = match subject {
        Subject::Ship(kind) => kind as u64,
        Subject::Clutter(kind) => 100 + kind as u64,
    };
    rng.set_stream((kind << 32) | index);
    let width = rng.random_range(240..=340);
    let height = (width as f32 * between(&mut rng, 0.62, 0.78)) as usize;
    let mut canvas = Canvas::new(width, height);
    match subject {
        Subject::Ship(kind) => paint_ship(&mut canvas, kind, &mut rng),
        Subject::Clutter(kind) => kind.paint(&mut canvas, &mut rng),
    }
    let labels = match subject {
        Subject::Ship(kind) => tags::of_ship(kind, &mut rng),
        Subject::Clutter(kind) => tags::of_clutter(kind, &mut rng),
    };
    Drawing { jpeg: developed(canvas, &mut rng), labels }
}

fn paint_ship(canvas: &mut Canvas, kind: ShipKind, rng: &mut ChaCha8Rng) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let scene = Scene::new(rng, canvas.height);
    scene.paint(canvas, rng);
    let length = width * between(rng, 0.76, 0.98);
    // Seen at an angle a ship looks shorter, not lower.
    let foreshortened = length * between(rng, 0.86, 1.0);
    let below = (height - scene.horizon) * between(rng, 0.06, 0.24);
    let at = (width * between(rng, 0.42, 0.58), scene.horizon + below);
    let mirrored = if rng.random_bool(0.5) { -1.0 } else { 1.0 };
    let sway = 0.015 + 0.05 * scene.swell;
    let tilt = between(rng, -sway, sway);
    let water = scene.water(at.1, canvas.height);
    for depth in 0..4 {
        let size = (foreshortened * (0.50 - 0.03 * depth as f32), 2.0 + 3.5 * depth as f32);
        canvas.ellipse((at.0, at.1 + size.1 * 0.8), size, scaled(water, 0.55), 0.16);
    }
    // Against the sun a ship is little more than its outline.
    let backlit = if rng.random_bool(0.12) { between(rng, 0.35, 0.7) } else { 1.0 };
    let pose = Pose {
        at,
        scale: (foreshortened * mirrored, length * kind.stature()),
        tilt,
        light: scaled(scene.light, backlit),
        haze: (scene.sky[1], scene.haze * between(rng, 0.5, 1.0)),
    };
    kind.draw(&mut Pen::new(canvas, pose), rng);
    paint_waterline(canvas, &scene, (at, foreshortened * mirrored, tilt), rng);
}

/// Waves in front of the hull, a bow wave and a wake.
fn paint_waterline(
    canvas: &mut Canvas,
    scene: &Scene,
    (at, length, tilt): (raster::Point, f32, f32),
    rng: &mut ChaCha8Rng,
) {
    let reach = length.abs() * 0.56;
    let water = scene.water(at.1 + 2.0, canvas.height);
    let foam = mix(scaled(scene.light, 0.95), water, 0.3);
    let lean = tilt.tan();
    let mut crest = Vec::new();
    for step in 0..=48 {
        let along = (step as f32 / 24.0 - 1.0) * reach;
        let rough = between(rng, -1.0, 1.0) * (0.5 + 2.5 * scene.swell) * length.abs() / 200.0;
        crest.push((at.0 + along, at.1 + along * lean * 0.3 + rough));
    }
    let drop = length.abs() * 0.05 + 2.0;
    let mut hide = crest.clone();
    hide.push((at.0 + reach, at.1 + drop));
    hide.push((at.0 - reach, at.1 + drop));
    canvas.fill(&hide, 0.93, |x, y| mix(water, canvas_grain(x, y), 0.05));
    for pair in crest.windows(2).step_by(3) {
        canvas.stroke(pair[0], pair[1], between(rng, 0.4, 1.4), foam);
    }
    let speed = between(rng, 0.0, 1.0);
    for k in 0..(speed * 14.0) as usize {
        let bow = at.0 + length * (0.49 - 0.02 * k as f32);
        let stern = at.0 - length * (0.5 + 0.03 * k as f32);
        let size = (between(rng, 1.5, 6.0), between(rng, 0.6, 2.2));
        canvas.ellipse((bow, at.1 + between(rng, -1.5, 2.0)), size, foam, 0.5);
        canvas.ellipse((stern, at.1 + between(rng, 0.0, 2.5)), size, foam, 0.4);
    }
}

fn canvas_grain(x: f32, y: f32) -> raster::Colour {
    [((x * 12.99 + y * 78.23).sin() * 437.58).fract().abs(); 3]
}

/// What lens, sensor and file do to a picture: blur, exposure, cast, vignette, noise, JPEG.
fn developed(mut canvas: Canvas, rng: &mut ChaCha8Rng) -> Vec<u8> {
    if rng.random_bool(0.35) {
        canvas.blur(1);
    }
    let exposure = between(rng, 0.88, 1.12);
    let contrast = between(rng, 0.9, 1.15);
    let cast: raster::Colour = std::array::from_fn(|_| between(rng, 0.97, 1.03));
    let dark_corners = between(rng, 0.0, 0.35);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    canvas.each(|x, y, colour| {
        let off = ((x / width - 0.5).powi(2) + (y / height - 0.5).powi(2)) * dark_corners;
        let shade = exposure * (1.0 - off);
        std::array::from_fn(|i| ((colour[i] - 0.5) * contrast + 0.5) * shade * cast[i])
    });
    let grain = between(rng, 1.0, 9.0);
    let mut image = canvas.into_image();
    for sample in image.iter_mut() {
        let noise = (rng.random::<f32>() + rng.random::<f32>() - 1.0) * grain;
        *sample = (f32::from(*sample) + noise).clamp(0.0, 255.0) as u8;
    }
    encoded(&image, rng.random_range(62..=93))
}

/// A JPEG file of a picture.
pub(super) fn encoded(image: &image::RgbImage, quality: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, quality)
        .encode_image(image)
        .expect("an RGB picture of this size fits a JPEG in memory");
    jpeg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_bytes() {
        for subject in [Subject::Ship(ShipKind::Carrier), Subject::Clutter(ClutterKind::Face)] {
            assert_eq!(draw(subject, 7, 3).jpeg, draw(subject, 7, 3).jpeg);
            assert_ne!(draw(subject, 7, 3).jpeg, draw(subject, 7, 4).jpeg);
            assert_ne!(draw(subject, 7, 3).jpeg, draw(subject, 8, 3).jpeg);
        }
    }

    #[test]
    fn every_subject_gives_a_picture_and_labels() {
        let ships = ShipKind::ALL.map(Subject::Ship);
        let clutter = ClutterKind::ALL.map(Subject::Clutter);
        for subject in ships.into_iter().chain(clutter) {
            let drawing = draw(subject, 1, 0);
            let image = image::load_from_memory(&drawing.jpeg).unwrap();
            assert!(image.width() >= 240 && image.height() >= 140, "{subject:?}");
            assert!(drawing.labels.len() >= 3, "{subject:?}");
        }
    }

    #[test]
    fn kinds_of_ship_differ_by_outline_on_average() {
        let mean = |kind| {
            let mut sum = vec![0.0_f32; 24 * 24];
            for index in 0..24 {
                let jpeg = draw(Subject::Ship(kind), 5, index).jpeg;
                let image = image::load_from_memory(&jpeg).unwrap();
                let small = image::imageops::thumbnail(&image.to_luma8(), 24, 24);
                sum.iter_mut().zip(small.iter()).for_each(|(s, p)| *s += f32::from(*p) / 24.0);
            }
            sum
        };
        let (sail, carrier) = (mean(ShipKind::SailingShip), mean(ShipKind::Carrier));
        let apart: f32 = sail.iter().zip(&carrier).map(|(a, b)| (a - b).abs()).sum::<f32>();
        assert!(apart / 576.0 > 3.0, "{}", apart / 576.0);
    }
}
