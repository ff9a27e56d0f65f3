//! Numbers that say whether a picture is dark, flat, blurred or empty, measured on its thumbnail.

use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

use crate::nn::isa::{Isa, on_each_isa};

/// Quality numbers of a picture's thumbnail, all from its luma.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quality {
    /// Mean, from 0 (black) to 1 (white).
    pub brightness: f32,
    /// Standard deviation, from 0 (flat) to 0.5 (half black, half white).
    pub contrast: f32,
    /// Variance of the 4-neighbour Laplacian of luma 0–255: the usual measure of focus. Under about 100 is blurred.
    pub sharpness: f32,
    /// Entropy of the 256-bin histogram, from 0 to 8 bits.
    pub entropy: f32,
}

impl Quality {
    /// Measures `luma`, which has at least one pixel.
    pub(super) fn of(luma: &GrayImage) -> Self {
        let mut histogram = [0_u64; 256];
        for &level in luma.as_raw() {
            histogram[usize::from(level)] += 1;
        }
        let count = luma.as_raw().len() as f64;
        let (mut mean, mut square, mut entropy) = (0.0, 0.0, 0.0);
        for (level, &seen) in histogram.iter().enumerate().filter(|(_, seen)| **seen > 0) {
            let share = seen as f64 / count;
            let level = level as f64 / 255.0;
            mean += share * level;
            square += share * level * level;
            entropy -= share * share.log2();
        }
        Self {
            brightness: mean as f32,
            contrast: (square - mean * mean).max(0.0).sqrt() as f32,
            sharpness: laplacian_variance(luma) as f32,
            entropy: entropy.max(0.0) as f32,
        }
    }
}

/// Luma by ITU-R BT.601, in integers so that every machine agrees.
pub(super) fn luma(pixels: &RgbImage) -> GrayImage {
    let mut luma = GrayImage::new(pixels.width(), pixels.height());
    weigh(Isa::detect(), pixels.as_raw().as_chunks().0, &mut luma);
    luma
}

on_each_isa! {
    /// Fills `luma` from as many pixels.
    fn weigh(pixels: &[[u8; 3]], luma: &mut [u8]) {
        for (pixel, level) in pixels.iter().zip(luma) {
            let [red, green, blue] = pixel.map(u16::from);
            *level = ((77 * red + 150 * green + 29 * blue + 128) >> 8) as u8;
        }
    }
}

/// Variance over the inner pixels; 0 for a picture without any.
fn laplacian_variance(luma: &GrayImage) -> f64 {
    let width = luma.width() as usize;
    let rows: Vec<&[u8]> = luma.as_raw().chunks_exact(width).collect();
    let (isa, mut sum, mut square) = (Isa::detect(), 0, 0);
    for rows in rows.windows(3) {
        add_laplacian(isa, [rows[0], rows[1], rows[2]], &mut sum, &mut square);
    }
    let count = width.saturating_sub(2) * rows.len().saturating_sub(2);
    if count == 0 {
        return 0.0;
    }
    let mean = sum as f64 / count as f64;
    square as f64 / count as f64 - mean * mean
}

on_each_isa! {
    /// Adds the Laplacian of the inner pixels of the middle one of three rows, and its square.
    fn add_laplacian(rows: [&[u8]; 3], sum: &mut i64, square: &mut i64) {
        let inner = rows[1].windows(3).zip(&rows[0][1..]).zip(&rows[2][1..]);
        // A row of a thumbnail fits 32 bits: 256 squares of at most 1020.
        let (mut row, mut row_square) = (0_i32, 0_i32);
        for ((along, up), down) in inner {
            let [left, centre, right] = [along[0], along[1], along[2]].map(i32::from);
            let value = i32::from(*up) + i32::from(*down) + left + right - 4 * centre;
            row += value;
            row_square += value * value;
        }
        *sum += i64::from(row);
        *square += i64::from(row_square);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_has_no_contrast_sharpness_or_entropy() {
        let quality = Quality::of(&GrayImage::from_pixel(20, 10, image::Luma([51])));
        assert!((quality.brightness - 0.2).abs() < 1e-6);
        assert_eq!((quality.contrast, quality.sharpness, quality.entropy), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_chequer_has_the_most_contrast_and_one_bit() {
        let chequer = GrayImage::from_fn(16, 16, |x, y| image::Luma([255 * ((x + y) % 2) as u8]));
        let quality = Quality::of(&chequer);
        assert!((quality.contrast - 0.5).abs() < 1e-6);
        assert!((quality.entropy - 1.0).abs() < 1e-6);
        assert!(quality.sharpness > 100_000.0);
    }

    #[test]
    fn every_instruction_set_measures_the_same() {
        let pixels: Vec<[u8; 3]> =
            (0..100_u32).map(|at| [7, 77, 151].map(|factor| (at * factor) as u8)).collect();
        let run = |isa| {
            let (mut luma, mut sum, mut square) = ([0; 100], 0, 0);
            weigh(isa, &pixels, &mut luma);
            add_laplacian(isa, [&luma[..33], &luma[33..66], &luma[66..99]], &mut sum, &mut square);
            (luma, sum, square)
        };
        let portable = run(Isa::Portable);
        assert_eq!(portable.0[1], ((77 * 7 + 150 * 77 + 29 * 151 + 128) >> 8) as u8);
        for isa in Isa::all() {
            assert_eq!(run(isa), portable, "{isa:?}");
        }
    }
}
