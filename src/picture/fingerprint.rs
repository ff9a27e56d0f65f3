//! Two perceptual hashes of a thumbnail, and when two pictures count as near-duplicates.

use std::f32::consts::PI;
use std::sync::LazyLock;

use image::GrayImage;

use super::resize;

/// Most differing bits of the difference hashes of near-duplicates.
pub const MAX_DHASH_DISTANCE: u32 = 8;

/// Most differing bits of the DCT hashes of near-duplicates.
pub const MAX_PHASH_DISTANCE: u32 = 4;

/// The two perceptual hashes of a picture.
///
/// One hash is not enough: on photographs of ships taken from one place, either alone joins different ships before it
/// finds every recompressed, resized or brightened copy; both together do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Whether each of 8 × 8 cells is darker than its right neighbour (Krawetz's dHash).
    pub dhash: u64,
    /// Whether each of the 8 × 8 lowest frequencies is above their median (pHash, by the DCT of 32 × 32 luma).
    pub phash: u64,
}

impl Fingerprint {
    pub(super) fn of(luma: &GrayImage) -> Self {
        Self {
            dhash: dhash(luma),
            phash: phash(luma),
        }
    }
}

/// The two Hamming distances of near-duplicates, dHash first; `None` for pictures that are not.
///
/// Pictures of one flat colour all have the same hashes and are near each other.
pub fn near(a: Fingerprint, b: Fingerprint) -> Option<(u32, u32)> {
    let dhash = (a.dhash ^ b.dhash).count_ones();
    let phash = (a.phash ^ b.phash).count_ones();
    (dhash <= MAX_DHASH_DISTANCE && phash <= MAX_PHASH_DISTANCE).then_some((dhash, phash))
}

fn dhash(luma: &GrayImage) -> u64 {
    let mut cells = GrayImage::new(9, 8);
    resize::resample(luma, &mut cells);
    let pairs = cells
        .as_raw()
        .chunks_exact(9)
        .flat_map(|row| row.windows(2));
    pairs.fold(0, |hash, pair| hash << 1 | u64::from(pair[0] < pair[1]))
}

const SIDE: usize = 32;
const LOW: usize = 8;

/// Rows of the DCT-II matrix for the lowest frequencies.
static COSINES: LazyLock<[[f32; SIDE]; LOW]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        std::array::from_fn(|at| {
            (PI * frequency as f32 * (2 * at + 1) as f32 / (2 * SIDE) as f32).cos()
        })
    })
});

fn phash(luma: &GrayImage) -> u64 {
    let mut cells = GrayImage::new(SIDE as u32, SIDE as u32);
    resize::resample(luma, &mut cells);
    let mut rows = [[0.0; LOW]; SIDE];
    for (row, levels) in rows.iter_mut().zip(cells.as_raw().chunks_exact(SIDE)) {
        for (sum, cosines) in row.iter_mut().zip(COSINES.iter()) {
            *sum = levels
                .iter()
                .zip(cosines)
                .map(|(&level, cosine)| f32::from(level) * cosine)
                .sum();
        }
    }
    let mut low = [0_i32; LOW * LOW];
    for (at, sum) in low.iter_mut().enumerate() {
        let cosines = &COSINES[at / LOW];
        let value: f32 = rows
            .iter()
            .zip(cosines)
            .map(|(row, cosine)| row[at % LOW] * cosine)
            .sum();
        // Rounding keeps the noise of a flat picture from becoming bits.
        *sum = (value * 4.0).round() as i32;
    }
    let mut sorted = low;
    sorted.sort_unstable();
    // Twice the median of an even count, compared with twice the value, stays in integers.
    let twice_median = sorted[LOW * LOW / 2 - 1] + sorted[LOW * LOW / 2];
    low.iter().fold(0, |hash, value| {
        hash << 1 | u64::from(2 * value > twice_median)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(from: u8, step: i32) -> GrayImage {
        GrayImage::from_fn(64, 64, |x, _| {
            image::Luma([(i32::from(from) + step * x as i32) as u8])
        })
    }

    #[test]
    fn a_mirrored_gradient_differs_in_every_bit_of_the_difference_hash() {
        let (up, down) = (
            Fingerprint::of(&gradient(0, 3)),
            Fingerprint::of(&gradient(250, -3)),
        );
        assert_eq!((up.dhash, down.dhash), (u64::MAX, 0));
        assert_eq!(near(up, down), None);
        assert_eq!(near(up, up), Some((0, 0)));
    }

    #[test]
    fn a_flat_picture_has_no_noise_in_its_hashes() {
        for level in [0, 90, 255] {
            let flat = Fingerprint::of(&GrayImage::from_pixel(50, 40, image::Luma([level])));
            assert_eq!(flat.dhash, 0);
            assert_eq!(flat.phash, u64::from(level > 0) << 63);
        }
    }

    #[test]
    fn both_distances_must_be_small() {
        let none = Fingerprint { dhash: 0, phash: 0 };
        let at = |dhash: u64, phash: u64| Fingerprint { dhash, phash };
        assert_eq!(near(none, at(0xff, 0xf)), Some((8, 4)));
        assert_eq!(near(none, at(0x1ff, 0xf)), None);
        assert_eq!(near(none, at(0xff, 0x1f)), None);
    }
}
