//! Bilinear blending of a block's neighbours, with run-time dispatch.

use super::block::Block;

/// Which compiled body runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    /// Whatever the target's baseline offers.
    Portable,
    /// 256-bit vectors.
    Avx2,
}

impl Isa {
    /// The widest that has a body here; a trial with 512 bits was only 5 to 9 % faster.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Self::Avx2;
        }
        Self::Portable
    }

    /// Samples the pixels of `target`, which start at `start` (row, column) of the output.
    pub(super) fn sample(
        self,
        block: &mut Block,
        start: (usize, usize),
        picture: &[u8],
        target: &mut [f32],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a body compiled for AVX2")]
            // SAFETY: this variant comes from `Isa::detect`, which saw the feature.
            Self::Avx2 => unsafe { avx2::sample(block, start, picture, target) },
            _ => sample(block, start, picture, target),
        }
    }
}

fn sample(block: &mut Block, start: (usize, usize), picture: &[u8], target: &mut [f32]) {
    block.find(start.0, start.1);
    let pixels = target.len() / 3;
    for i in 0..pixels {
        let upper = neighbours(picture, block.upper[i] as usize);
        let lower = neighbours(picture, block.lower[i] as usize);
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        for colour in 0..3 {
            let across = |pair: [u8; 8]| {
                mix(f32::from(pair[colour]), f32::from(pair[colour + 3]), block.right[i])
            };
            block.colours[3 * i + colour] = mix(across(upper), across(lower), block.down[i]);
        }
    }
    block.finish(target);
}

/// The pixel at byte `at`, the next one, and two bytes more; zeros stand for what the picture has
/// not, where its share is zero.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn neighbours(picture: &[u8], at: usize) -> [u8; 8] {
    let rest = &picture[at..];
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        bytes
    })
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        _mm_add_ps, _mm_mul_ps, _mm_set_epi64x, _mm_set1_ps, _mm_setr_epi8, _mm_shuffle_epi8,
        _mm_storeu_ps, _mm_sub_ps, _mm_unpackhi_epi64, _mm256_add_ps, _mm256_castps256_ps128,
        _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_extractf128_ps, _mm256_mul_ps,
        _mm256_set1_ps, _mm256_sub_ps,
    };

    use super::{Block, neighbours};

    /// [`super::sample`] with both rows of neighbours in one vector.
    #[target_feature(enable = "avx2")]
    pub(super) fn sample(
        block: &mut Block,
        start: (usize, usize),
        picture: &[u8],
        target: &mut [f32],
    ) {
        block.find(start.0, start.1);
        let pixels = target.len() / 3;
        // Upper left and lower left, then upper right and lower right, four bytes each.
        let by_side = _mm_setr_epi8(0, 1, 2, -1, 8, 9, 10, -1, 3, 4, 5, -1, 11, 12, 13, -1);
        for i in 0..pixels {
            let upper = i64::from_le_bytes(neighbours(picture, block.upper[i] as usize));
            let lower = i64::from_le_bytes(neighbours(picture, block.lower[i] as usize));
            let bytes = _mm_shuffle_epi8(_mm_set_epi64x(lower, upper), by_side);
            let left = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
            let right = _mm_unpackhi_epi64(bytes, bytes);
            let right = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(right));
            let share = _mm256_set1_ps(block.right[i]);
            let across = _mm256_mul_ps(_mm256_sub_ps(right, left), share);
            let across = _mm256_add_ps(left, across);
            let upper = _mm256_castps256_ps128(across);
            let lower = _mm256_extractf128_ps::<1>(across);
            let below = _mm_mul_ps(_mm_sub_ps(lower, upper), _mm_set1_ps(block.down[i]));
            if let Some(to) = block.colours[3 * i..].first_chunk_mut::<4>() {
                // SAFETY: `to` has room for four numbers; the next pixel overwrites the fourth.
                #[expect(unsafe_code, reason = "vector store")]
                unsafe {
                    _mm_storeu_ps(to.as_mut_ptr(), _mm_add_ps(upper, below));
                }
            }
        }
        block.finish(target);
    }
}
