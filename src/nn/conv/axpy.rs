//! Multiples of short rows added to one another, driven by lists, in 256-bit registers.

use super::nonzero::Nonzero;

/// Proof that the processor has 256-bit fused multiply-add.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit(());

impl Unit {
    /// The unit, where the processor has it.
    pub(super) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Some(Self(()));
        }
        None
    }

    /// For each map m and entry (p, v) of its list: `sums[m][..] += v · rows[p..]`.
    pub(super) fn gather(self, nonzero: &Nonzero, rows: &[f32], sums: Part<&mut [f32]>) {
        let Self(()) = self;
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calls bodies compiled for AVX2 and FMA")]
        // SAFETY: a unit exists only where the features were detected.
        unsafe {
            x86::gather(nonzero, rows, sums);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("no unit here: {nonzero:?} {rows:?} {sums:?}");
    }

    /// For each map m and entry (p, v) of its list: `target[p..] += v · weights[m][..]`.
    pub(super) fn scatter(self, nonzero: &Nonzero, weights: Part<&[f32]>, target: &mut [f32]) {
        let Self(()) = self;
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calls bodies compiled for AVX2 and FMA")]
        // SAFETY: a unit exists only where the features were detected.
        unsafe {
            x86::scatter(nonzero, weights, target);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("no unit here: {nonzero:?} {weights:?} {target:?}");
    }
}

/// A part of each row of a matrix `[maps, width]`: columns `start..start + len`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<T> {
    /// The matrix.
    pub(super) data: T,
    /// Numbers in one row.
    pub(super) width: usize,
    /// First column.
    pub(super) start: usize,
    /// Columns.
    pub(super) len: usize,
}

impl<T> Part<T> {
    /// The columns of one kernel row, of `len` numbers, in rows of three kernel rows.
    pub(super) fn kernel_row(data: T, index: usize, len: usize) -> Self {
        let (width, start) = (3 * len, index * len);
        Self { data, width, start, len }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_storeu_ps,
    };

    use super::{Nonzero, Part};

    #[expect(unsafe_code, reason = "vector load")]
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn load<const N: usize>(from: &[f32]) -> [__m256; N] {
        let from = &from[..8 * N];
        // SAFETY: the slice has 8 · N numbers, and each load reads 8 of them.
        std::array::from_fn(|i| unsafe { _mm256_loadu_ps(from.as_ptr().add(8 * i)) })
    }

    #[expect(unsafe_code, reason = "vector store")]
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn store<const N: usize>(vectors: [__m256; N], to: &mut [f32]) {
        let to = &mut to[..8 * N];
        for (i, vector) in vectors.into_iter().enumerate() {
            // SAFETY: the slice has 8 · N numbers, and each store writes 8 of them.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr().add(8 * i), vector) };
        }
    }

    /// Cuts `len` columns into blocks of 96, 32, 8 and 1.
    fn blocks(len: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let width = [96, 32, 8, 1].into_iter().find(|width| at + width <= len)?;
            at += width;
            Some((at - width, width))
        })
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn gather(nonzero: &Nonzero, rows: &[f32], sums: Part<&mut [f32]>) {
        let Part { data, width: stride, start: first, len } = sums;
        for (block, width) in blocks(len) {
            for map in 0..nonzero.maps() {
                let start = map * stride + first + block;
                let (sum, rows) = (&mut data[start..start + width], &rows[block..]);
                match width {
                    96 => gather_block::<12, 1>(nonzero.of(map), rows, sum),
                    32 => gather_block::<4, 2>(nonzero.of(map), rows, sum),
                    8 => gather_block::<1, 4>(nonzero.of(map), rows, sum),
                    _ => gather_one(nonzero.of(map), rows, &mut sum[0]),
                }
            }
        }
    }

    /// N vectors of sums stay in registers; U independent sets of them hide the latency.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn gather_block<const N: usize, const U: usize>(
        (places, values): (&[u32], &[f32]),
        rows: &[f32],
        sum: &mut [f32],
    ) {
        let mut sets = [[_mm256_setzero_ps(); N]; U];
        sets[0] = load(sum);
        let (places, rest_places) = places.as_chunks::<U>();
        let (values, rest_values) = values.as_chunks::<U>();
        for (places, values) in places.iter().zip(values) {
            for set in 0..U {
                add(&mut sets[set], values[set], &rows[places[set] as usize..]);
            }
        }
        for (place, value) in rest_places.iter().zip(rest_values) {
            add(&mut sets[0], *value, &rows[*place as usize..]);
        }
        let mut total = sets[0];
        for set in &sets[1..] {
            for (total, vector) in total.iter_mut().zip(set) {
                *total = _mm256_add_ps(*total, *vector);
            }
        }
        store(total, sum);
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn add<const N: usize>(sums: &mut [__m256; N], value: f32, row: &[f32]) {
        let (value, row) = (_mm256_set1_ps(value), load::<N>(row));
        for i in 0..N {
            sums[i] = _mm256_fmadd_ps(value, row[i], sums[i]);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn gather_one((places, values): (&[u32], &[f32]), rows: &[f32], sum: &mut f32) {
        for (place, value) in places.iter().zip(values) {
            *sum = value.mul_add(rows[*place as usize], *sum);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn scatter(nonzero: &Nonzero, weights: Part<&[f32]>, target: &mut [f32]) {
        for (block, width) in blocks(weights.len) {
            for map in 0..nonzero.maps() {
                let start = map * weights.width + weights.start + block;
                let (row, target) = (&weights.data[start..start + width], &mut target[block..]);
                match width {
                    96 => scatter_block::<12>(nonzero.of(map), row, target),
                    32 => scatter_block::<4>(nonzero.of(map), row, target),
                    8 => scatter_block::<1>(nonzero.of(map), row, target),
                    _ => scatter_one(nonzero.of(map), row[0], target),
                }
            }
        }
    }

    /// N vectors of weights stay in registers.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn scatter_block<const N: usize>(
        (places, values): (&[u32], &[f32]),
        row: &[f32],
        target: &mut [f32],
    ) {
        let row: [__m256; N] = load(row);
        for (place, value) in places.iter().zip(values) {
            let (value, target) = (_mm256_set1_ps(*value), &mut target[*place as usize..]);
            let mut sums: [__m256; N] = load(target);
            for i in 0..N {
                sums[i] = _mm256_fmadd_ps(value, row[i], sums[i]);
            }
            store(sums, target);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn scatter_one((places, values): (&[u32], &[f32]), weight: f32, target: &mut [f32]) {
        for (place, value) in places.iter().zip(values) {
            let slot = &mut target[*place as usize];
            *slot = value.mul_add(weight, *slot);
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn blocks_cover_every_column_once() {
            for len in [1, 7, 9, 27, 96, 105, 192, 384, 500] {
                let columns: Vec<_> =
                    super::blocks(len).flat_map(|(at, width)| at..at + width).collect();
                assert_eq!(columns, (0..len).collect::<Vec<_>>());
            }
        }
    }
}
