//! Batch normalisation (Ioffe and Szegedy 2015) over pictures and pixels, per feature map.
//!
//! Statistics are taken picture by picture and merged in order (Chan et al. 1983), so they do not
//! depend on the number of threads.

use rayon::prelude::*;

use super::isa::{Isa, on_each_isa};

/// Added to the variance (`PyTorch`'s default; Keras has 0.001).
pub const EPSILON: f32 = 1e-5;

/// What a batch keeps of a running statistic: running = 0.9 · running + 0.1 · batch (`PyTorch`'s
/// default; Keras keeps 0.99, too slow for the few steps of a small set).
pub const MOMENTUM: f32 = 0.9;

/// Feature maps worked on together.
const LANES: usize = 32;

/// Mean and variance of each map.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// The means.
    pub mean: Vec<f32>,
    /// The variances, divided by the count as Keras does.
    pub variance: Vec<f32>,
}

/// One factor and one addend per map: all that normalisation does once its statistics are known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Affine {
    factor: Vec<f32>,
    addend: Vec<f32>,
}

impl Affine {
    /// scale · (x − mean) / √(variance + ε) + bias.
    pub fn new((mean, variance): (&[f32], &[f32]), (scale, bias): (&[f32], &[f32])) -> Self {
        let factor: Vec<f32> = inverse_deviation(variance).zip(scale).map(|(i, s)| i * s).collect();
        let addend = bias.iter().zip(mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
        Self { factor, addend }
    }

    /// `y = x · factor + addend`, cut at zero when `relu`; both `[pixels, maps]`.
    pub fn apply(&self, x: &[f32], y: &mut [f32], relu: bool) {
        apply(Isa::detect(), (&self.factor, &self.addend), x, y, relu);
    }
}

fn inverse_deviation(variance: &[f32]) -> impl Iterator<Item = f32> {
    variance.iter().map(|variance| 1.0 / (variance + EPSILON).sqrt())
}

on_each_isa! {
    fn apply(affine: (&[f32], &[f32]), x: &[f32], y: &mut [f32], relu: bool) {
        let maps = affine.0.len();
        // Nothing lies below minus infinity, so one body serves both.
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        for (x, y) in x.chunks_exact(maps).zip(y.chunks_exact_mut(maps)) {
            for (((y, x), factor), addend) in y.iter_mut().zip(x).zip(affine.0).zip(affine.1) {
                let value = x * factor + addend;
                *y = if value <= floor { floor } else { value };
            }
        }
    }
}

/// Statistics of `x [n, pixels, maps]`, whose pictures have `picture` numbers each.
pub fn statistics(x: &[f32], maps: usize, picture: usize) -> Statistics {
    let isa = Isa::detect();
    let parts: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks_exact(picture)
        .map(|x| {
            let mut sums = (vec![0.0; maps], vec![0.0; maps]);
            moments(isa, x, (&mut sums.0, &mut sums.1));
            sums
        })
        .collect();
    let pixels = (picture / maps) as f64;
    let merged = (0..maps).map(|map| {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for (part, (sums, square_sums)) in parts.iter().enumerate() {
            // The sums are of the distances from the picture's first pixel.
            let (sum, first) = (f64::from(sums[map]), f64::from(x[part * picture + map]));
            let off = first + sum / pixels - mean;
            let total = count + pixels;
            squares += f64::from(square_sums[map]) - sum * sum / pixels
                + off * off * count * pixels / total;
            mean += off * pixels / total;
            count = total;
        }
        (mean as f32, (squares / count).max(0.0) as f32)
    });
    let (mean, variance) = merged.unzip();
    Statistics { mean, variance }
}

on_each_isa! {
    /// Sums of a picture's distances from its first pixel, and of their squares.
    fn moments(x: &[f32], sums: (&mut [f32], &mut [f32])) {
        let maps = sums.0.len();
        let whole = maps - maps % LANES;
        for at in (0..whole).step_by(LANES) {
            moments_lanes::<LANES>(x, maps, at, (&mut *sums.0, &mut *sums.1));
        }
        for at in whole..maps {
            moments_lanes::<1>(x, maps, at, (&mut *sums.0, &mut *sums.1));
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn moments_lanes<const N: usize>(
    x: &[f32],
    maps: usize,
    at: usize,
    (sums, squares): (&mut [f32], &mut [f32]),
) {
    let first: [f32; N] = lanes(x, at);
    let (mut sum, mut square) = ([0.0; N], [0.0; N]);
    for pixel in x.chunks_exact(maps) {
        let pixel: [f32; N] = lanes(pixel, at);
        for lane in 0..N {
            let off = pixel[lane] - first[lane];
            sum[lane] += off;
            square[lane] += off * off;
        }
    }
    sums[at..at + N].copy_from_slice(&sum);
    squares[at..at + N].copy_from_slice(&square);
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn lanes<const N: usize>(source: &[f32], at: usize) -> [f32; N] {
    let mut copy = [0.0; N];
    copy.copy_from_slice(&source[at..at + N]);
    copy
}

/// What the backward pass starts from; the arrays are `[n, pixels, maps]`.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The input.
    pub x: &'a [f32],
    /// The output, where a `ReLU` followed.
    pub y: Option<&'a [f32]>,
    /// The gradient of the output.
    pub dy: &'a [f32],
    /// The batch's statistics.
    pub statistics: &'a Statistics,
    /// The scale of each map.
    pub scale: &'a [f32],
    /// Numbers in one picture.
    pub picture: usize,
}

/// Three arrays: of a picture its input, output (empty without a `ReLU`) and output's gradient.
type Three<'a> = (&'a [f32], &'a [f32], &'a [f32]);

/// Replaces the gradients of scale, bias and input.
pub fn backward(from: Incoming<'_>, (d_scale, d_bias): (&mut [f32], &mut [f32]), dx: &mut [f32]) {
    let (isa, maps) = (Isa::detect(), from.scale.len());
    let mean = &from.statistics.mean;
    let y = |at: usize| from.y.map_or(&[][..], |y| &y[at * from.picture..][..from.picture]);
    let pictures =
        from.x.par_chunks_exact(from.picture).zip(from.dy.par_chunks_exact(from.picture));
    let parts: Vec<(Vec<f32>, Vec<f32>)> = pictures
        .enumerate()
        .map(|(at, (x, dy))| {
            let mut sums = (vec![0.0; maps], vec![0.0; maps]);
            slopes(isa, (x, y(at), dy), mean, (&mut sums.0, &mut sums.1));
            sums
        })
        .collect();
    let count = (from.x.len() / maps) as f64;
    let mut terms = (vec![0.0f32; maps], vec![0.0f32; maps], vec![0.0f32; maps]);
    for (map, inverse) in inverse_deviation(&from.statistics.variance).enumerate() {
        let inverse = f64::from(inverse);
        let sum: f64 = parts.iter().map(|(sums, _)| f64::from(sums[map])).sum();
        let product: f64 = parts.iter().map(|(_, sums)| f64::from(sums[map])).sum();
        (d_bias[map], d_scale[map]) = (sum as f32, (product * inverse) as f32);
        // dx = f · (dy − mean(dy) − x̂ · mean(dy · x̂)), as dy · f + x · g + h.
        let factor = f64::from(from.scale[map]) * inverse;
        let of_x = -factor * product * inverse * inverse / count;
        terms.0[map] = factor as f32;
        terms.1[map] = of_x as f32;
        terms.2[map] = (-factor * sum / count - of_x * f64::from(mean[map])) as f32;
    }
    let terms = (&terms.0[..], &terms.1[..], &terms.2[..]);
    let pictures = dx.par_chunks_exact_mut(from.picture).enumerate();
    pictures.for_each(|(at, dx)| {
        let part = at * from.picture..(at + 1) * from.picture;
        spread(isa, (&from.x[part.clone()], y(at), &from.dy[part]), terms, dx);
    });
}

on_each_isa! {
    /// Sums of a picture's gradient and of its product with the distance from the mean.
    fn slopes(from: Three<'_>, mean: &[f32], sums: (&mut [f32], &mut [f32])) {
        let maps = mean.len();
        let whole = maps - maps % LANES;
        for at in (0..whole).step_by(LANES) {
            slopes_lanes::<LANES>(from, mean, at, (&mut *sums.0, &mut *sums.1));
        }
        for at in whole..maps {
            slopes_lanes::<1>(from, mean, at, (&mut *sums.0, &mut *sums.1));
        }
    }
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn slopes_lanes<const N: usize>(
    (x, y, dy): Three<'_>,
    means: &[f32],
    at: usize,
    (sums, products): (&mut [f32], &mut [f32]),
) {
    let (maps, mean) = (means.len(), lanes::<N>(means, at));
    let (mut sum, mut product) = ([0.0; N], [0.0; N]);
    for from in (0..x.len()).step_by(maps) {
        let (x, dy): ([f32; N], [f32; N]) = (lanes(x, from + at), lanes(dy, from + at));
        let y: [f32; N] = if y.is_empty() { [1.0; N] } else { lanes(y, from + at) };
        for lane in 0..N {
            let slope = if y[lane] > 0.0 { dy[lane] } else { 0.0 };
            sum[lane] += slope;
            product[lane] += slope * (x[lane] - mean[lane]);
        }
    }
    sums[at..at + N].copy_from_slice(&sum);
    products[at..at + N].copy_from_slice(&product);
}

on_each_isa! {
    /// The gradient of a picture's input; the terms are factors of `dy` and `x`, and an addend.
    fn spread(from: Three<'_>, terms: Three<'_>, dx: &mut [f32]) {
        let ((x, y, dy), (of_dy, of_x, rest)) = (from, terms);
        let maps = rest.len();
        // Of equal lengths, so that the loops over maps need no checks and become vectors.
        let (of_dy, of_x) = (&of_dy[..maps], &of_x[..maps]);
        for (pixel, dx) in dx.chunks_exact_mut(maps).enumerate() {
            let start = pixel * maps;
            let (x, dy) = (&x[start..][..maps], &dy[start..][..maps]);
            if y.is_empty() {
                for map in 0..maps {
                    dx[map] = dy[map] * of_dy[map] + x[map] * of_x[map] + rest[map];
                }
            } else {
                let y = &y[start..][..maps];
                for map in 0..maps {
                    let slope = if y[map] > 0.0 { dy[map] } else { 0.0 };
                    dx[map] = slope * of_dy[map] + x[map] * of_x[map] + rest[map];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::rng::{Purpose, Stream};

    fn noise(len: usize, index: u64) -> Vec<f32> {
        let mut stream = Stream::new(2, Purpose::Initial, 9, index);
        (0..len).map(|_| stream.between(-1.0, 1.0)).collect()
    }

    /// The normalisation by its definition, in double precision.
    fn definition(x: &[f64], (scale, bias): (&[f32], &[f32]), relu: bool) -> Vec<f64> {
        let (maps, mut y) = (scale.len(), vec![0.0; x.len()]);
        for map in 0..maps {
            let of_map = || x.iter().skip(map).step_by(maps);
            let count = of_map().count() as f64;
            let mean = of_map().sum::<f64>() / count;
            let variance = of_map().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let deviation = (variance + f64::from(EPSILON)).sqrt();
            for (y, x) in y.iter_mut().skip(map).step_by(maps).zip(of_map()) {
                *y = (x - mean) / deviation * f64::from(scale[map]) + f64::from(bias[map]);
                *y = if relu { y.max(0.0) } else { *y };
            }
        }
        y
    }

    fn check(pictures: usize, pixels: usize, maps: usize, relu: bool) {
        // Far from zero, where squares alone would lose the variance.
        let x: Vec<f32> = noise(pictures * pixels * maps, 1).iter().map(|x| x + 30.0).collect();
        let (scale, bias, mix) = (noise(maps, 2), noise(maps, 3), noise(x.len(), 4));
        let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        let statistics = statistics(&x, maps, pixels * maps);
        let moments = (&statistics.mean[..], &statistics.variance[..]);
        let mut y = vec![0.0; x.len()];
        Affine::new(moments, (&scale, &bias)).apply(&x, &mut y, relu);
        let expected = definition(&wide, (&scale, &bias), relu);
        for (found, expected) in y.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-3, "{found} {expected}");
        }
        let (mut d_scale, mut d_bias) = (vec![9.0; maps], vec![9.0; maps]);
        let mut dx = vec![9.0; x.len()];
        let from = Incoming {
            x: &x,
            y: relu.then_some(&y),
            dy: &mix,
            statistics: &statistics,
            scale: &scale,
            picture: pixels * maps,
        };
        backward(from, (&mut d_scale, &mut d_bias), &mut dx);
        let loss = |x: &[f64], scale: &[f32], bias: &[f32]| -> f64 {
            let y = definition(x, (scale, bias), relu);
            y.iter().zip(&mix).map(|(y, mix)| y * f64::from(*mix)).sum()
        };
        let near = |slope: f64, found: f32, what: &str| {
            assert!(
                (slope - f64::from(found)).abs() < 2e-2 * slope.abs().max(1.0),
                "{what}: {slope} {found}"
            );
        };
        for at in (0..x.len()).step_by(x.len() / 7 + 1) {
            let mut moved = [wide.clone(), wide.clone()];
            moved[0][at] += 1e-5;
            moved[1][at] -= 1e-5;
            let [up, down] = moved.map(|x| loss(&x, &scale, &bias));
            near((up - down) / 2e-5, dx[at], "input");
        }
        for map in 0..maps {
            let moved = |from: &[f32], step: f32| {
                let mut from = from.to_vec();
                from[map] += step;
                from
            };
            let up = loss(&wide, &moved(&scale, 1e-3), &bias);
            near((up - loss(&wide, &moved(&scale, -1e-3), &bias)) / 2e-3, d_scale[map], "scale");
            let up = loss(&wide, &scale, &moved(&bias, 1e-3));
            near((up - loss(&wide, &scale, &moved(&bias, -1e-3))) / 2e-3, d_bias[map], "bias");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]
        #[test]
        fn it_agrees_with_its_definition_and_finite_differences(
            pictures in 1usize..5,
            pixels in 3usize..30,
            maps in prop_oneof![1usize..6, Just(33usize), Just(64)],
        ) {
            // On the edge of a ReLU a difference means nothing, so the cut is tested apart.
            check(pictures, pixels, maps, false);
        }
    }

    #[test]
    fn a_relu_passes_only_what_it_let_through() {
        let (x, y, dy) = ([1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1.0]);
        let statistics = statistics(&x, 1, 4);
        let from =
            |y, dy| Incoming { x: &x, y, dy, statistics: &statistics, scale: &[2.0], picture: 4 };
        let run = |from| {
            let (mut scale, mut bias, mut dx) = ([0.0], [0.0], [0.0; 4]);
            backward(from, (&mut scale, &mut bias), &mut dx);
            (scale, bias, dx)
        };
        assert!(run(from(Some(&y), &dy)) == run(from(None, &[0.0, 0.0, 0.0, 1.0])));
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for maps in [5, 32, 70] {
            let (x, y, dy) = (noise(9 * maps, 1), noise(9 * maps, 2), noise(9 * maps, 3));
            let (a, b, c) = (noise(maps, 4), noise(maps, 5), noise(maps, 6));
            let run = |isa| {
                let mut out = [(); 6].map(|()| vec![0.0; maps]);
                let [sums, squares, slope_sums, products, ..] = &mut out;
                moments(isa, &x, (sums, squares));
                slopes(isa, (&x, &y, &dy), &a, (slope_sums, products));
                let mut wide = [(); 2].map(|()| vec![0.0; 9 * maps]);
                apply(isa, (&a, &b), &x, &mut wide[0], true);
                spread(isa, (&x, &y, &dy), (&a, &b, &c), &mut wide[1]);
                (out, wide)
            };
            for isa in Isa::all() {
                assert!(run(isa) == run(Isa::Portable), "{isa:?} {maps}");
            }
        }
    }
}
