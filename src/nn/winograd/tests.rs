//! Transformed tiles on every unit of the processor; the passes themselves are tested where they are used.

use super::*;
use crate::nn::isa::Isa;
use crate::nn::panel::{LANES, Unit, add_outer, multiply};
use crate::nn::rng::{Purpose, Stream};

fn noise(rows: usize, index: u64) -> Vec<Row> {
    let mut stream = Stream::new(1, Purpose::Initial, 9, index);
    (0..rows).map(|_| std::array::from_fn(|_| stream.between(-1.0, 1.0))).collect()
}

fn near(found: &[Row], expected: &[Row], what: &str) {
    for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
        assert!((found - expected).abs() < 1e-4, "{what}: {found} {expected}");
    }
}

#[test]
fn every_unit_multiplies_any_number_of_rows_like_the_definition() {
    for rows in (1..=25).chain([36]) {
        let (a, b, c) = (noise(2 * rows, 1), noise(3 * 2 * LANES, 2), noise(3 * rows, 3));
        let mut products = vec![[0.0; LANES]; 3 * rows];
        let mut outer = vec![[1.0; LANES]; 3 * 2 * LANES];
        for n in 0..3 {
            for (r, k) in (0..rows).flat_map(|r| (0..2 * LANES).map(move |k| (r, k))) {
                for lane in 0..LANES {
                    let value = a[k / LANES * rows + r][k % LANES];
                    products[n * rows + r][lane] += value * b[n * 2 * LANES + k][lane];
                    outer[n * 2 * LANES + k][lane] += value * c[n * rows + r][lane];
                }
            }
        }
        let mut fused = Vec::new();
        for unit in Unit::all() {
            let mut sums = vec![[9.0; LANES]; 3 * rows];
            multiply(unit, rows, &a, &b, &mut sums);
            near(&sums, &products, "product");
            let mut sums = vec![[1.0; LANES]; 3 * 2 * LANES];
            add_outer(unit, rows, &a, &c, &mut sums);
            near(&sums, &outer, "outer product");
            if unit != Unit::Portable {
                fused.push(sums);
            }
        }
        assert!(fused.windows(2).all(|pair| pair[0] == pair[1]), "the width changes no bit");
    }
}

fn numbers(len: usize, index: u64) -> Vec<f32> {
    noise(len.div_ceil(LANES), index).into_flattened()[..len].to_vec()
}

/// Σ a · b.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What spreads and what gathers are transposes of each other: ⟨T a, b⟩ = ⟨a, Tᵀ b⟩.
fn gathers_by_the_transpose_of_what_spreads<const IN: usize, const OUT: usize>()
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    for index in 0..20 {
        let [a, b]: [[f32; IN]; 2] =
            [1, 2].map(|at| numbers(IN, 9 * index + at).try_into().expect("so many were asked"));
        let y: [f32; OUT] = numbers(OUT, 9 * index + 3).try_into().expect("so many were asked");
        let g: [f32; 3] = numbers(3, 9 * index + 4).try_into().expect("so many were asked");
        for (spread, gathered) in [
            (
                dot(&Tiling::<IN, OUT>::spread_input(a), &b),
                dot(&a, &Tiling::<IN, OUT>::gather_input(b)),
            ),
            (
                dot(&Tiling::<IN, OUT>::spread_filter(g), &b),
                dot(&g, &Tiling::<IN, OUT>::gather_filter(b)),
            ),
            (
                dot(&Tiling::<IN, OUT>::spread_output(y), &b),
                dot(&y, &Tiling::<IN, OUT>::gather_output(b)),
            ),
        ] {
            assert!((spread - gathered).abs() < 2e-5, "{spread} {gathered}");
        }
    }
}

#[test]
fn every_transform_that_gathers_is_the_transpose_of_one_that_spreads() {
    gathers_by_the_transpose_of_what_spreads::<4, 2>();
    gathers_by_the_transpose_of_what_spreads::<6, 4>();
}

/// The largest error of a padded picture's outputs against sums of 64 bits.
fn largest_error<const IN: usize, const OUT: usize>() -> f64
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let (height, width, maps) = (9, 11, 20);
    let (pixels, weights) = (numbers(height * width * maps, 1), numbers(9 * maps * maps, 2));
    let picture = Picture { height, width, maps };
    let tiling = Tiling::<IN, OUT>::new(picture, 1, height, width);
    let filter = Filter::new(&weights, maps, maps);
    let mut outputs = vec![9.0; pixels.len()];
    forward((&tiling, &picture), &filter, &pixels, &mut outputs, &mut Scratch::default());
    let (mut worst, mut largest) = (0.0, 0.0);
    for (at, found) in outputs.iter().enumerate() {
        let (row, column, map) = (at / maps / width, at / maps % width, at % maps);
        let mut sum = 0.0;
        for (y, x) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
            let (line, place) = ((row + y).wrapping_sub(1), (column + x).wrapping_sub(1));
            if line < height && place < width {
                let pixels = &pixels[(line * width + place) * maps..][..maps];
                for (from, pixel) in pixels.iter().enumerate() {
                    let weight = weights[((3 * y + x) * maps + from) * maps + map];
                    sum += f64::from(*pixel) * f64::from(weight);
                }
            }
        }
        worst = f64::max(worst, (f64::from(*found) - sum).abs());
        largest = f64::max(largest, sum.abs());
    }
    worst / largest
}

#[test]
fn tiles_make_a_convolution() {
    let (small, large) = (largest_error::<4, 2>(), largest_error::<6, 4>());
    assert!(small < 4e-7 && large < 2e-6, "{small} {large}");
}

/// Each transform of a picture whose last tiles lie partly outside, and whose last panel has four maps.
fn transforms<const IN: usize, const OUT: usize>(isa: Isa) -> [Vec<f32>; 6]
where
    Tiling<IN, OUT>: Tile<IN, OUT>,
{
    let picture = Picture { height: 9, width: 11, maps: 20 };
    let tiling = Tiling::<IN, OUT>::new(picture, 1, 9, 11);
    let (pixels, weights) = (numbers(picture.len(), 1), numbers(9 * 20 * 20, 2));
    let mut scratch = Scratch::default();
    let filter = Filter::<IN, OUT>::new(&weights, 20, 20);
    let products = products(&tiling, &filter, &pixels, 0..tiling.rows, &mut scratch);
    let (row, columns) = (tiling.rows - 1, tiling.columns);
    let lines = tiling.outputs_of(row, &picture);

    let mut inputs = vec![[9.0; LANES]; IN * IN * columns];
    let panel = (&mut inputs[..], columns);
    transform::input(isa, &tiling, LANES, &tiling.lines(&pixels, row), panel);
    let mut factors = vec![[9.0; LANES]; IN * IN * 32];
    filter::transform::<IN, OUT>(isa, &weights, (20, 20), LANES, (&mut factors, 32));
    let mut outputs = pixels.clone();
    let tiles = (&products, 1, row * columns..(row + 1) * columns);
    transform::store(isa, tiles, &picture, LANES, &mut outputs[lines.clone()]);
    let mut slopes = inputs.clone();
    let panel = (&mut slopes[..], columns);
    transform::gradient(isa, &tiling, &picture, LANES, &pixels[lines], panel);
    let mut dx = pixels.clone();
    transform::scatter(isa, &tiling, (row, LANES), (&inputs, columns), &mut dx);
    let mut dw = weights.clone();
    filter::add_gradient::<IN, OUT>(isa, &noise(IN * IN * 64, 3), (20, 20), LANES, &mut dw);
    let [inputs, factors, slopes] = [inputs, factors, slopes].map(Vec::into_flattened);
    [inputs, factors, outputs, slopes, dx, dw]
}

#[test]
fn every_instruction_set_transforms_to_the_same_bits() {
    for isa in Isa::all() {
        assert!(transforms::<4, 2>(isa) == transforms::<4, 2>(Isa::Portable), "{isa:?}");
        assert!(transforms::<6, 4>(isa) == transforms::<6, 4>(Isa::Portable), "{isa:?}");
    }
}

#[test]
fn transposing_a_filter_twice_gives_it_back() {
    let filter = Filter::<6, 4>::new(&numbers(9 * 20 * 33, 1), 20, 33);
    let turned = filter.transposed();
    assert!(turned.factors != filter.factors && turned.transposed().factors == filter.factors);
}

#[test]
fn bands_cover_every_row_of_tiles_once() {
    let input = Picture { height: 12, width: 12, maps: 64 };
    let rows: Vec<usize> = Tiling::<4, 2>::new(input, 1, 12, 12).bands(3, 64).flatten().collect();
    assert_eq!(rows, (0..18).collect::<Vec<_>>());
    // Nine rows of tiles in steps of six.
    let rows: Vec<usize> = Tiling::<6, 4>::new(input, 1, 12, 12).bands(3, 64).flatten().collect();
    assert_eq!(rows, (0..9).collect::<Vec<_>>());
    let input = Picture { height: 150, width: 150, maps: 64 };
    let tiling = Tiling::<6, 4>::new(input, 0, 148, 148);
    assert_eq!((tiling.rows, tiling.columns), (37, 37));
    let rows: Vec<usize> = tiling.bands(1, 64).flatten().collect();
    assert_eq!(rows, (0..37).collect::<Vec<_>>());
}

#[test]
fn large_tiles_are_taken_where_trials_found_them_faster() {
    let sizes =
        |pays: fn(usize, usize) -> bool| (4..=16).filter(|&size| pays(size, size)).collect();
    let (forward, backward): (Vec<usize>, Vec<usize>) =
        (sizes(large_pays_forward), sizes(large_pays_backward));
    assert_eq!(forward, [7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(backward, [11, 12, 13, 14, 15, 16]);
    assert!(large_pays_forward(148, 148) && large_pays_backward(24, 24));
}
