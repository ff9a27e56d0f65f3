//! A picture seen through an affine map: bilinear sampling of its bytes, each output pixel once.
//!
//! One pass per block of a row finds where each pixel comes from, one blends the four neighbours,
//! one scales to 0..1. Every instruction set does the same operations in the same order, none of
//! them contracted, so all give the same bits.

mod affine;
mod blend;
mod block;
mod border;

pub use affine::Affine;
pub use border::Border;

use blend::Isa;
use block::Block;

/// Output pixels worked on at a time; a whole number of vectors.
const BLOCK: usize = 32;

/// How a picture is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// From output to input places, each from the centre of its own picture.
    pub map: Affine,
    /// What lies outside the picture.
    pub border: Border,
    /// Factor on every value, which is then cut off at white.
    pub gain: f32,
}

/// Writes `picture [size, size, 3]` as `sampling` shows it into `target`, another square of that
/// or any other size, as numbers in 0..1.
///
/// # Panics
/// When the picture's length is not `size × size × 3`, the target's is no square's, or a size is 0
/// or above 8192.
pub fn sample(picture: &[u8], size: usize, sampling: &Sampling, target: &mut [f32]) {
    sample_on(Isa::detect(), (picture, size), sampling, target);
}

/// [`sample`] on a chosen instruction set, which the processor must have.
fn sample_on(isa: Isa, (picture, size): (&[u8], usize), sampling: &Sampling, target: &mut [f32]) {
    let shown = side(target);
    assert!((1..=8192).contains(&size), "{size} rows");
    assert!((1..=8192).contains(&shown), "{shown} rows are shown");
    assert_eq!(picture.len(), size * size * 3, "bytes of a picture");
    assert_eq!(target.len(), shown * shown * 3, "numbers of a picture");
    if sampling.map == Affine::IDENTITY && shown == size {
        for (target, byte) in target.iter_mut().zip(picture) {
            *target = finish(f32::from(*byte), sampling.gain);
        }
        return;
    }
    let mut block = Block::new((size, shown), sampling);
    for (row, target) in target.chunks_exact_mut(shown * 3).enumerate() {
        for (at, target) in target.chunks_mut(BLOCK * 3).enumerate() {
            isa.sample(&mut block, (row, at * BLOCK), picture, target);
        }
    }
}

/// Rows and columns of a square picture.
pub fn side(picture: &[f32]) -> usize {
    (picture.len() / 3).isqrt()
}

/// A value of 0..255 as the network sees it.
#[inline]
fn finish(value: f32, gain: f32) -> f32 {
    (value / 255.0 * gain).min(1.0)
}

#[cfg(test)]
mod tests;
