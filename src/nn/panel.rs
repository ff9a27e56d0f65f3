//! Products of panels of sixteen maps with packed weights, and of panels with panels, in registers.
//!
//! A matrix is kept in panels of [`LANES`] columns, each `[rows][LANES]`, so that a product reads both sides
//! in place. Every sum runs over its terms in order, whatever the number of rows around it.

/// Columns of a panel: one vector of 512 bits, two of 256.
pub(crate) const LANES: usize = 16;

/// One row of a panel.
pub(crate) type Row = [f32; LANES];

/// What the processor multiplies and adds with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Products are rounded before they are added.
    Portable,
    /// Fused multiply-add in 256-bit registers.
    #[cfg(target_arch = "x86_64")]
    Fma256,
    /// In 512-bit registers.
    #[cfg(target_arch = "x86_64")]
    Fma512,
}

impl Unit {
    /// The widest that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Fma512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Fma256;
            }
        }
        Self::Portable
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let all = match Self::detect() {
            Self::Fma512 => vec![Self::Portable, Self::Fma256, Self::Fma512],
            Self::Fma256 => vec![Self::Portable, Self::Fma256],
            Self::Portable => vec![Self::Portable],
        };
        #[cfg(not(target_arch = "x86_64"))]
        let all = vec![Self::Portable];
        all
    }
}

/// Defines a function whose first argument is the [`Unit`] to run on. Its body, generic over the rows that
/// share one reading of a panel and over whether a product and its sum are rounded once, is compiled for
/// each.
macro_rules! on_each_unit {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident;) => {
        $(#[$doc])*
        $visibility fn $name(unit: $crate::nn::panel::Unit, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            fn fma512($($argument: $type),*) {
                $body::<12, true>($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn fma256($($argument: $type),*) {
                $body::<6, true>($($argument),*);
            }

            match unit {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "calls a body compiled for AVX-512")]
                // SAFETY: this variant comes from `Unit::detect`, which saw the feature.
                $crate::nn::panel::Unit::Fma512 => unsafe { fma512($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "calls a body compiled for AVX2 and FMA")]
                // SAFETY: this variant comes from `Unit::detect`, which saw the features.
                $crate::nn::panel::Unit::Fma256 => unsafe { fma256($($argument),*) },
                $crate::nn::panel::Unit::Portable => $body::<4, false>($($argument),*),
            }
        }
    };
}

pub(crate) use on_each_unit;

on_each_unit! {
    /// `sums[n][r] = Σ_k a[k / 16][r][k % 16] · b[n][k]`: panels `a` of `rows` rows each, times packed weights
    /// `b`, `[n][k]` rows of sixteen.
    pub(crate) fn multiply(rows: usize, a: &[Row], b: &[Row], sums: &mut [Row]) = multiply_body;
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn multiply_body<const T: usize, const FUSED: bool>(
    rows: usize,
    a: &[Row],
    b: &[Row],
    sums: &mut [Row],
) {
    let terms = a.len() / rows * LANES;
    for (b, sums) in b.chunks_exact(terms).zip(sums.chunks_exact_mut(rows)) {
        let whole = rows - rows % T;
        for row in (0..whole).step_by(T) {
            tile::<T, FUSED>((rows, a, row), b, sums);
        }
        let mut row = whole;
        while row < rows {
            row += match rows - row {
                1 => tile::<1, FUSED>((rows, a, row), b, sums),
                2 => tile::<2, FUSED>((rows, a, row), b, sums),
                3 => tile::<3, FUSED>((rows, a, row), b, sums),
                4 => tile::<4, FUSED>((rows, a, row), b, sums),
                5 => tile::<5, FUSED>((rows, a, row), b, sums),
                _ => tile::<6, FUSED>((rows, a, row), b, sums),
            };
        }
    }
}

/// T sums from `row` on; gives T.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn tile<const T: usize, const FUSED: bool>(
    (rows, a, row): (usize, &[Row], usize),
    b: &[Row],
    sums: &mut [Row],
) -> usize {
    let mut tile = [[0.0; LANES]; T];
    for (a, b) in a.chunks_exact(rows).zip(b.as_chunks::<LANES>().0) {
        let a: &[Row; T] = a[row..].first_chunk().expect("the panel has these rows");
        for (k, b) in b.iter().enumerate() {
            for t in 0..T {
                add::<FUSED>(&mut tile[t], a[t][k], b);
            }
        }
    }
    sums[row..row + T].copy_from_slice(&tile);
    T
}

/// `sums[n][m] += Σ_r a[m / 16][r][m % 16] · b[n][r]`: the transpose of panels `a` times panels `b`, of
/// `rows` rows each.
pub(crate) fn add_outer(unit: Unit, rows: usize, a: &[Row], b: &[Row], sums: &mut [Row]) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn fma256(rows: usize, a: &[Row], b: &[Row], sums: &mut [Row]) {
        add_outer_body(rows, a, b, sums, outer_columns::<6, true>);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn fma512(rows: usize, a: &[Row], b: &[Row], sums: &mut [Row]) {
        // The closure takes on this function's instruction set.
        add_outer_body(rows, a, b, sums, |a, b, sums| outer_columns_512(a, b, sums));
    }

    match unit {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calls a body compiled for AVX-512")]
        // SAFETY: this variant comes from `Unit::detect`, which saw the feature.
        Unit::Fma512 => unsafe { fma512(rows, a, b, sums) },
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calls a body compiled for AVX2 and FMA")]
        // SAFETY: this variant comes from `Unit::detect`, which saw the features.
        Unit::Fma256 => unsafe { fma256(rows, a, b, sums) },
        Unit::Portable => add_outer_body(rows, a, b, sums, outer_columns::<4, false>),
    }
}

/// [`add_outer`] by what does it of one panel and another.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn add_outer_body(
    rows: usize,
    a: &[Row],
    b: &[Row],
    sums: &mut [Row],
    columns: impl Fn(&[Row], &[Row], &mut [Row; LANES]),
) {
    let panels = a.len() / rows;
    for (b, sums) in b.chunks_exact(rows).zip(sums.chunks_exact_mut(panels * LANES)) {
        for (a, sums) in a.chunks_exact(rows).zip(sums.as_chunks_mut().0) {
            columns(a, b, sums);
        }
    }
}

/// Adds all columns of `a` times `b`, T of them at a time.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn outer_columns<const T: usize, const FUSED: bool>(a: &[Row], b: &[Row], sums: &mut [Row; LANES]) {
    let mut column = 0;
    while column < LANES {
        column += match LANES - column {
            rest if rest >= T => outer_tile::<T, FUSED>(a, b, column, sums),
            _ => outer_tile::<4, FUSED>(a, b, column, sums),
        };
    }
}

/// Adds T columns of `a` times `b`; gives T.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn outer_tile<const T: usize, const FUSED: bool>(
    a: &[Row],
    b: &[Row],
    column: usize,
    sums: &mut [Row],
) -> usize {
    let sums: &mut [Row; T] = sums[column..].first_chunk_mut().expect("T columns are left");
    let mut tile = *sums;
    for (a, b) in a.iter().zip(b) {
        let a: &[f32; T] = a[column..].first_chunk().expect("T columns are left");
        for t in 0..T {
            add::<FUSED>(&mut tile[t], a[t], b);
        }
    }
    *sums = tile;
    T
}

/// [`outer_columns`] of all sixteen at a time, with the same bits. In intrinsics, because of plain loops
/// the compiler makes registers that hold one lane of several columns, which it gathers and
/// scatters: fifty times slower.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn outer_columns_512(a: &[Row], b: &[Row], sums: &mut [Row; LANES]) {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps};

    #[expect(unsafe_code, reason = "reads a row into a register")]
    // SAFETY: a row has the sixteen numbers that are read; they need no alignment.
    let read = |row: &Row| unsafe { _mm512_loadu_ps(row.as_ptr()) };
    let mut tile = sums.each_ref().map(read);
    for (a, b) in a.iter().zip(b) {
        let b = read(b);
        for (sum, a) in tile.iter_mut().zip(a) {
            *sum = _mm512_fmadd_ps(_mm512_set1_ps(*a), b, *sum);
        }
    }
    for (sums, sum) in sums.iter_mut().zip(tile) {
        #[expect(unsafe_code, reason = "writes a register to a row")]
        // SAFETY: a row has room for the sixteen numbers that are written; they need no alignment.
        unsafe {
            _mm512_storeu_ps(sums.as_mut_ptr(), sum);
        }
    }
}

/// `sums += value · row`.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(crate) fn add<const FUSED: bool>(sums: &mut Row, value: f32, row: &Row) {
    for lane in 0..LANES {
        let (sum, factor) = (&mut sums[lane], row[lane]);
        *sum = if FUSED { value.mul_add(factor, *sum) } else { value * factor + *sum };
    }
}

/// The first sixteen of `count` numbers, or all and zeros.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(crate) fn load(from: &[f32], count: usize) -> Row {
    let mut row = [0.0; LANES];
    if count >= LANES {
        row.copy_from_slice(&from[..LANES]);
    } else {
        row[..count].copy_from_slice(&from[..count]);
    }
    row
}

/// The reverse of [`load`].
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
pub(crate) fn store(row: &Row, to: &mut [f32], count: usize) {
    if count >= LANES {
        // Number by number: of two copies the compiler would make one of any length, which is a call.
        for (to, number) in to[..LANES].iter_mut().zip(row) {
            *to = *number;
        }
    } else {
        to[..count].copy_from_slice(&row[..count]);
    }
}

/// The first `len` rows of a buffer that grows when it is too short.
pub(crate) fn grown(buffer: &mut Vec<Row>, len: usize) -> &mut [Row] {
    if buffer.len() < len {
        buffer.resize(len, [0.0; LANES]);
    }
    &mut buffer[..len]
}
