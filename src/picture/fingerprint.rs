//! Two perceptual hashes of a thumbnail, and when two pictures count as near-duplicates.

use std::f32::consts::PI;
use std::sync::LazyLock;

use image::{GrayImage, ImageBuffer, Luma};

use super::resize;

/// Luma in 16 bits.
type Deep = ImageBuffer<Luma<u16>, Vec<u16>>;

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
    /// Whether each of the 8 × 8 lowest frequencies, the mean left out, is above their median (pHash, by the DCT of
    /// 32 × 32 luma; Zauner, 2010).
    pub phash: u64,
}

impl Fingerprint {
    pub(super) fn of(luma: &GrayImage) -> Self {
        // At 8 bits, rounding alone flips bits on an even background.
        let deep = luma.as_raw().iter().map(|&level| u16::from(level) * 257).collect();
        let deep =
            Deep::from_raw(luma.width(), luma.height(), deep).expect("as many levels as pixels");
        Self { dhash: dhash(&deep), phash: phash(&deep) }
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

/// `luma` resized without its aspect.
fn cells(luma: &Deep, width: u32, height: u32) -> Vec<u16> {
    let mut cells = Deep::new(width, height);
    resize::resample(luma, &mut cells);
    cells.into_raw()
}

fn dhash(luma: &Deep) -> u64 {
    let cells = cells(luma, 9, 8);
    let pairs = cells.chunks_exact(9).flat_map(|row| row.windows(2));
    pairs.fold(0, |hash, pair| hash << 1 | u64::from(pair[0] < pair[1]))
}

const SIDE: usize = 32;
const LOW: usize = 8;

/// Rows 1 to 8 of the DCT-II matrix. Row 0, the mean, says nothing of the shape.
static COSINES: LazyLock<[[f32; SIDE]; LOW]> = LazyLock::new(|| {
    std::array::from_fn(|row| {
        std::array::from_fn(|at| {
            (PI * (row + 1) as f32 * (2 * at + 1) as f32 / (2 * SIDE) as f32).cos()
        })
    })
});

fn phash(luma: &Deep) -> u64 {
    let cells = cells(luma, SIDE as u32, SIDE as u32);
    let mut rows = [[0.0; LOW]; SIDE];
    for (row, levels) in rows.iter_mut().zip(cells.chunks_exact(SIDE)) {
        for (sum, cosines) in row.iter_mut().zip(COSINES.iter()) {
            *sum =
                levels.iter().zip(cosines).map(|(&level, cosine)| f32::from(level) * cosine).sum();
        }
    }
    let low: [i32; LOW * LOW] = std::array::from_fn(|at| {
        let cosines = &COSINES[at / LOW];
        let value: f32 = rows.iter().zip(cosines).map(|(row, cosine)| row[at % LOW] * cosine).sum();
        // Rounding keeps the noise of a flat picture from becoming bits.
        (value / 64.0).round() as i32
    });
    let mut sorted = low;
    sorted.sort_unstable();
    // Twice the median of an even count, compared with twice the value, stays in integers.
    let twice_median = sorted[LOW * LOW / 2 - 1] + sorted[LOW * LOW / 2];
    low.iter().fold(0, |hash, value| hash << 1 | u64::from(2 * value > twice_median))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(from: u8, step: i32) -> GrayImage {
        GrayImage::from_fn(64, 64, |x, _| image::Luma([(i32::from(from) + step * x as i32) as u8]))
    }

    #[test]
    fn a_mirrored_gradient_differs_in_every_bit_of_the_difference_hash() {
        let (up, down) = (Fingerprint::of(&gradient(0, 3)), Fingerprint::of(&gradient(250, -3)));
        assert_eq!((up.dhash, down.dhash), (u64::MAX, 0));
        assert_eq!(near(up, down), None);
        assert_eq!(near(up, up), Some((0, 0)));
    }

    #[test]
    fn a_flat_picture_has_no_noise_in_its_hashes() {
        for level in [0, 90, 255] {
            let flat = Fingerprint::of(&GrayImage::from_pixel(50, 40, image::Luma([level])));
            assert_eq!((flat.dhash, flat.phash), (0, 0));
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
