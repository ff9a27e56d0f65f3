//! Scores of a picture's full-size pixels, 0 (worst) to 1 (best), as `CleanVision` defines them.

use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

use super::resize;
use crate::nn::isa::{Isa, on_each_isa};

/// Longest side of the picture whose edges are looked at, in pixels.
const EDGE_SIDE: u32 = 64;
/// Scale of blurriness and of the histogram's deviation.
const BLUR_SCALE: f64 = 0.01;
/// A histogram whose part of the score is no more than this says nothing against blur.
const STEEP: f64 = 0.18;
/// Steps of brightness between black and white: sixteen to each grey level.
const STEPS: usize = 255 * 16;
/// Spread between the channels, in levels, from which on a picture is certainly in colour.
const COLOURED: f64 = 16.0;

/// Scores of a picture, each from 0 (worst) to 1 (nothing to see).
///
/// They agree with `CleanVision`'s for files of one or three channels, but for `grayscale`: there a file of one channel
/// is 0 and every other file 1, while here the pixels decide. A picture all of whose pixels are grey counts as one of one
/// channel, whatever its file says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// 99th percentile of brightness: low when even the brightest pixels are dark.
    pub dark: f32,
    /// One less the 5th percentile of brightness: low when even the darkest pixels are bright.
    pub light: f32,
    /// Low when there are few edges and the histogram is even.
    pub blurry: f32,
    /// A tenth of the entropy of the histograms of the channels, in bits, at most 1.
    pub low_information: f32,
    /// 99th percentile of the spread between the channels, over 16 levels, at most 1.
    pub grayscale: f32,
}

impl Scores {
    /// Measures all pixels of a picture, which has at least one.
    pub fn of(pixels: &RgbImage) -> Self {
        let levels = Levels::of(pixels);
        Self {
            dark: levels.brightness(0.99) as f32,
            light: (1.0 - levels.brightness(0.05)) as f32,
            blurry: sharpness(pixels) as f32,
            low_information: (levels.entropy() / 10.0).min(1.0) as f32,
            grayscale: (levels.spread(0.99) / COLOURED).min(1.0) as f32,
        }
    }
}

/// Histograms of a picture.
struct Levels {
    channels: [[u32; 256]; 3],
    brightness: Vec<u32>,
    spread: [u32; 256],
    count: usize,
}

impl Levels {
    fn of(pixels: &RgbImage) -> Self {
        let isa = Isa::detect();
        // Two of each: neighbours often have the same level, and would wait for each other's count.
        let mut histograms = [[[0_u32; 256]; 4]; 2];
        let mut brightness = vec![0_u32; STEPS + 1];
        let mut block = Block { levels: [[0; BLOCK]; 4], steps: [0; BLOCK] };
        for pixels in pixels.as_raw().as_chunks::<3>().0.chunks(BLOCK) {
            measure(isa, pixels, &mut block);
            for at in 0..pixels.len() {
                for (histogram, levels) in histograms[at % 2].iter_mut().zip(&block.levels) {
                    histogram[usize::from(levels[at])] += 1;
                }
                brightness[usize::from(block.steps[at])] += 1;
            }
        }
        let [one, other] = histograms;
        let both = |at: usize| std::array::from_fn(|level| one[at][level] + other[at][level]);
        Self {
            channels: [both(0), both(1), both(2)],
            brightness,
            spread: both(3),
            count: pixels.as_raw().len() / 3,
        }
    }

    fn brightness(&self, share: f64) -> f64 {
        percentile(&self.brightness, self.count, share) / STEPS as f64
    }

    fn spread(&self, share: f64) -> f64 {
        percentile(&self.spread, self.count, share)
    }

    /// In bits, over the histograms of all channels side by side; of one, where all three are the same.
    fn entropy(&self) -> f64 {
        let grey = self.spread[0] as usize == self.count;
        let channels = if grey { &self.channels[..1] } else { &self.channels[..] };
        let total = (self.count * channels.len()) as f64;
        let seen = channels.iter().flatten().filter(|&&seen| seen > 0);
        let entropy: f64 = seen.map(|&seen| f64::from(seen) / total).map(|p| -p * p.log2()).sum();
        entropy.max(0.0)
    }
}

/// Pixels that are measured together.
const BLOCK: usize = 256;

/// What is counted of some pixels; of fewer than [`BLOCK`], the rest is of no meaning.
struct Block {
    /// Red, green, blue, and the spread between them.
    levels: [[u8; BLOCK]; 4],
    /// Steps of brightness.
    steps: [u16; BLOCK],
}

/// Steps for each unit of the root of the thousandfold square of brightness: √1000 is in it.
const FACTOR: f32 = 16.0 / 31.622_776;
/// From here on the numbers are whole: added to a small one, it leaves the rounded one in the lowest bits.
const ROUNDER: f32 = 8_388_608.0;

on_each_isa! {
    /// Fills `block` with what is counted of up to [`BLOCK`] pixels; their perceived brightness is
    /// √(0.241 R² + 0.691 G² + 0.068 B²).
    fn measure(pixels: &[[u8; 3]], block: &mut Block) {
        let [red, green, blue, spread] = &mut block.levels;
        for (((pixel, red), green), blue) in
            pixels.iter().zip(red.iter_mut()).zip(green.iter_mut()).zip(blue.iter_mut())
        {
            [*red, *green, *blue] = *pixel;
        }
        for at in 0..BLOCK {
            let (red, green, blue) = (red[at], green[at], blue[at]);
            spread[at] = red.max(green).max(blue) - red.min(green).min(blue);
            let [red, green, blue] = [red, green, blue].map(|level| i32::from(level).pow(2));
            let square = (241 * red + 691 * green + 68 * blue) as f32;
            block.steps[at] = (square.sqrt() * FACTOR + ROUNDER).to_bits() as u16;
        }
    }
}

/// The percentile of `count` values by their histogram, linear between the two values around it.
fn percentile(histogram: &[u32], count: usize, share: f64) -> f64 {
    let place = share * (count - 1) as f64;
    let (mut passed, mut below) = (0_usize, None);
    for (value, &seen) in histogram.iter().enumerate() {
        passed += seen as usize;
        if below.is_none() && passed > place.floor() as usize {
            below = Some(value as f64);
        }
        if passed > place.ceil() as usize {
            let below = below.unwrap_or(value as f64);
            return below + (value as f64 - below) * place.fract();
        }
    }
    below.unwrap_or(0.0)
}

/// How little blurred the picture is: its edges at no more than 64 pixels a side, and how uneven its histogram is.
fn sharpness(pixels: &RgbImage) -> f64 {
    let luma = small(pixels);
    let edges = 1.0 - (-edge_deviation(&luma) * BLUR_SCALE).exp();
    let mut histogram = [0.0_f64; 256];
    for &level in luma.as_raw() {
        histogram[usize::from(level)] += 1.0;
    }
    let steep = 1.0 - (-deviation(&histogram) * BLUR_SCALE).exp();
    (edges + if steep > STEEP { steep } else { 0.0 }).min(1.0)
}

/// Luma (ITU-R BT.601 in 16 bits) of the picture shrunk by a cubic filter.
fn small(pixels: &RgbImage) -> GrayImage {
    let (width, height) = pixels.dimensions();
    let longest = width.max(height);
    let shrunk = (longest > EDGE_SIDE).then(|| {
        // Rounded down, as CleanVision does.
        let side = |length: u32| {
            ((u64::from(length) * u64::from(EDGE_SIDE) / u64::from(longest)) as u32).max(1)
        };
        let mut shrunk = RgbImage::new(side(width), side(height));
        resize::resample_cubic(pixels, &mut shrunk);
        shrunk
    });
    let pixels = shrunk.as_ref().unwrap_or(pixels);
    let levels = pixels.as_raw().as_chunks::<3>().0.iter().map(|rgb| {
        let [red, green, blue] = rgb.map(u32::from);
        ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
    });
    GrayImage::from_raw(pixels.width(), pixels.height(), levels.collect())
        .expect("one level was made for each pixel")
}

/// Standard deviation of eight times each pixel less its eight neighbours, clipped to 0..255; the border stays as it is.
fn edge_deviation(luma: &GrayImage) -> f64 {
    let (width, height) = (luma.width() as usize, luma.height() as usize);
    let levels = luma.as_raw();
    let (mut sum, mut square) = (0_u64, 0_u64);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let own = i32::from(levels[at]);
            let inner = x > 0 && y > 0 && x + 1 < width && y + 1 < height;
            let edge = if inner {
                let rows = [at - width, at, at + width];
                let around = rows.iter().flat_map(|row| &levels[row - 1..=row + 1]);
                let around: i32 = around.map(|&level| i32::from(level)).sum();
                (9 * own - around).clamp(0, 255)
            } else {
                own
            } as u64;
            sum += edge;
            square += edge * edge;
        }
    }
    let count = levels.len() as f64;
    ((square as f64 - (sum as f64).powi(2) / count) / count).max(0.0).sqrt()
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use image::Rgb;

    use super::*;
    use crate::picture::Limits;

    /// The scores that `scripts/cleanvision-agreement --fixture` has written down.
    #[derive(Deserialize)]
    struct Peer {
        dark: f32,
        light: f32,
        blurry: f32,
        low_information: f32,
    }

    #[test]
    fn the_scores_agree_with_cleanvisions() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/picture/fixtures/cleanvision");
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let cases: BTreeMap<String, Peer> = serde_json::from_slice(&read("scores.json")).unwrap();
        assert_eq!(cases.len(), 12);
        for (name, peer) in cases {
            let examined = crate::picture::examine(&read(&name), &Limits::default()).unwrap();
            let own = examined.facts.scores.unwrap();
            // Brightness is counted in steps of a sixteenth of a level, and decoders of JPEG differ by a level or two.
            let apart = [
                (own.dark - peer.dark, 0.005),
                (own.light - peer.light, 0.005),
                (own.blurry - peer.blurry, 0.01),
                (own.low_information - peer.low_information, 0.005),
            ];
            for (kind, (difference, tolerance)) in apart.into_iter().enumerate() {
                assert!(difference.abs() <= tolerance, "{name}, {kind}: {difference}");
            }
        }
    }

    #[test]
    fn a_flat_picture_is_as_dark_or_light_as_its_level_and_says_nothing() {
        let black = Scores::of(&RgbImage::from_pixel(80, 40, Rgb([0, 0, 0])));
        assert_eq!((black.dark, black.light, black.low_information), (0.0, 1.0, 0.0));
        let white = Scores::of(&RgbImage::from_pixel(80, 40, Rgb([255; 3])));
        assert_eq!((white.dark, white.light, white.grayscale), (1.0, 0.0, 0.0));
    }

    #[test]
    fn every_instruction_set_measures_the_same() {
        let pixels: Vec<[u8; 3]> =
            (0..100_u32).map(|at| [7, 77, 151].map(|factor| (at * factor) as u8)).collect();
        let run = |isa| {
            let mut block = Block { levels: [[9; BLOCK]; 4], steps: [9; BLOCK] };
            measure(isa, &pixels, &mut block);
            block
        };
        let portable = run(Isa::Portable);
        for (at, &[red, green, blue]) in pixels.iter().enumerate() {
            let spread = red.max(green).max(blue) - red.min(green).min(blue);
            assert_eq!(portable.levels.map(|levels| levels[at]), [red, green, blue, spread]);
            let share = |share: f64, level: u8| share * f64::from(level).powi(2);
            let bright = (share(0.241, red) + share(0.691, green) + share(0.068, blue)).sqrt();
            assert!((f64::from(portable.steps[at]) - bright * 16.0).abs() < 0.51);
        }
        for isa in Isa::all() {
            let block = run(isa);
            assert!(block.levels == portable.levels && block.steps == portable.steps, "{isa:?}");
        }
    }

    #[test]
    fn green_is_brighter_than_red_and_red_brighter_than_blue() {
        let of = |rgb| Scores::of(&RgbImage::from_pixel(9, 9, Rgb(rgb))).dark;
        assert!((of([0, 255, 0]) - 0.691_f32.sqrt()).abs() < 1e-3);
        assert!((of([255, 0, 0]) - 0.241_f32.sqrt()).abs() < 1e-3);
        assert!((of([0, 0, 255]) - 0.068_f32.sqrt()).abs() < 1e-3);
    }

    #[test]
    fn a_percentile_lies_between_the_values_around_its_place() {
        // 0, 0, 4, 4: the median's place is halfway from the second to the third.
        assert!((percentile(&[2, 0, 0, 0, 2], 4, 0.5) - 2.0).abs() < 1e-12);
        assert!((percentile(&[2, 0, 0, 0, 2], 4, 0.99) - 4.0).abs() < 1e-12);
        assert!((percentile(&[0, 0, 1], 1, 0.05) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_blurred_picture_scores_below_a_sharp_one() {
        let chequer = RgbImage::from_fn(64, 64, |x, y| {
            Rgb([if (x / 4 + y / 4) % 2 == 0 { 20 } else { 230 }; 3])
        });
        let slope = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 2 + y * 2) as u8; 3]));
        assert!(Scores::of(&chequer).blurry > 0.9);
        assert!(Scores::of(&slope).blurry < 0.6);
    }

    #[test]
    fn grey_with_a_little_noise_is_still_grey() {
        let noisy = RgbImage::from_fn(64, 64, |x, y| {
            let level = (x + y) as u8;
            Rgb([level, level + (x % 3) as u8, level])
        });
        assert!(Scores::of(&noisy).grayscale < 0.25);
        let red = Scores::of(&RgbImage::from_pixel(64, 64, Rgb([90, 60, 60])));
        assert!((red.grayscale - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_thinnest_pictures_have_scores() {
        for (width, height) in [(1, 1), (1, 900), (900, 1), (2, 2)] {
            let scores = Scores::of(&RgbImage::from_pixel(width, height, Rgb([9, 90, 200])));
            assert!((0.0..=1.0).contains(&scores.blurry), "{scores:?}");
        }
    }
}
