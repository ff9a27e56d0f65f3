//! Transformed tiles on every unit of the processor; the passes themselves are tested where they are used.

use super::*;
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

#[test]
fn transposing_a_filter_twice_gives_it_back() {
    let weights: Vec<f32> = noise(9 * 20 * 33, 1).into_flattened()[..9 * 20 * 33].to_vec();
    let filter = Filter::new(&weights, 20, 33);
    let turned = filter.transposed();
    assert!(turned.factors != filter.factors && turned.transposed().factors == filter.factors);
}

#[test]
fn bands_cover_every_row_of_tiles_once() {
    let input = Picture { height: 12, width: 12, maps: 64 };
    let tiling = Tiling { input, padding: 1, rows: 6, columns: 6 };
    let rows: Vec<usize> = tiling.bands(3, 64).flatten().collect();
    assert_eq!(rows, (0..18).collect::<Vec<_>>());
}
