//! The convolution against its definition, over random shapes, forward and backward.

use proptest::prelude::*;

use super::*;
use crate::nn::rng::{Purpose, Stream};

fn noise(len: usize, index: u64) -> Vec<f32> {
    let mut stream = Stream::new(1, Purpose::Initial, 9, index);
    (0..len).map(|_| stream.between(-1.0, 1.0)).collect()
}

/// Every (input, weight, output) that is multiplied and added, by index.
fn terms(shape: &ConvolutionShape, mut term: impl FnMut(usize, usize, usize)) {
    let ConvolutionShape { height, width, input_maps, output_maps, kernel, stride, padding } =
        *shape;
    for row in 0..shape.output_height() {
        for column in 0..shape.output_width() {
            for tap in 0..kernel * kernel {
                let from_row = (row * stride + tap / kernel).wrapping_sub(padding);
                let from_column = (column * stride + tap % kernel).wrapping_sub(padding);
                if from_row >= height || from_column >= width {
                    continue;
                }
                for input in 0..input_maps {
                    let x = (from_row * width + from_column) * input_maps + input;
                    for output in 0..output_maps {
                        let w = (tap * input_maps + input) * output_maps + output;
                        let y = (row * shape.output_width() + column) * output_maps + output;
                        term(x, w, y);
                    }
                }
            }
        }
    }
}

/// Within 5 millionths of the largest number, or 0.0001.
fn near(found: &[f32], expected: &[f64], what: &str) {
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let bound = (5e-6 * largest).max(1e-4);
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(*found) - expected).abs();
        assert!(off < bound, "{what}[{at}]: {found} {expected}");
    }
}

fn check(shape: &ConvolutionShape, count: usize) {
    let (x, w) = (noise(count * shape.input_len(), 1), noise(shape.weight_len(), 2));
    let (bias, dy) = (noise(shape.output_maps, 3), noise(count * shape.output_len(), 4));
    let mut expected = (vec![0.0; dy.len()], vec![0.0; w.len()], vec![0.0; x.len()]);
    for picture in 0..count {
        let (x0, y0) = (picture * shape.input_len(), picture * shape.output_len());
        for (at, y) in expected.0[y0..][..shape.output_len()].iter_mut().enumerate() {
            *y = f64::from(bias[at % shape.output_maps]);
        }
        terms(shape, |xi, wi, yi| {
            let (x, w, dy) = (x[x0 + xi].into(), f64::from(w[wi]), f64::from(dy[y0 + yi]));
            let x: f64 = x;
            expected.0[y0 + yi] += x * w;
            expected.1[wi] += x * dy;
            expected.2[x0 + xi] += w * dy;
        });
    }
    let mut scratch = Scratch::default();
    let mut y = vec![9.0; dy.len()];
    forward(shape, &x, &Filter::new(shape, &w, Some(&bias)), &mut y, &mut scratch);
    near(&y, &expected.0, "output");
    let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; bias.len()]);
    let mut dx = vec![9.0; x.len()];
    let filter = Filter::backward(shape, &w);
    let from = Incoming { input: &x, filter: &filter, gradient: &dy };
    let into = Gradients { weights: &mut dw, bias: Some(&mut db), input: Some(&mut dx) };
    backward(shape, from, into, &mut scratch);
    near(&dw, &expected.1, "weights");
    near(&dx, &expected.2, "input");
    let maps = shape.output_maps;
    let sums = (0..maps).map(|map| dy.iter().skip(map).step_by(maps).copied().map(f64::from).sum());
    near(&db, &sums.collect::<Vec<f64>>(), "bias");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn every_shape_agrees_with_the_definition_forward_and_backward(
        (height, width) in (5usize..12, 5usize..12),
        // From sixteen inputs on, 3×3 kernels with stride 1 are worked on in transformed tiles.
        (input_maps, output_maps) in (prop_oneof![1usize..7, 14usize..20], prop_oneof![1usize..9, 14usize..20]),
        (kernel, stride) in (prop_oneof![Just(1usize), Just(3), Just(5)], 1usize..3),
        same in any::<bool>(),
        count in 1usize..4,
    ) {
        let padding = if same { kernel / 2 } else { 0 };
        let shape =
            ConvolutionShape { height, width, input_maps, output_maps, kernel, stride, padding };
        check(&shape, count);
    }
}

/// Small and large tiles, forward and backward, with every kind of border: tiles that lie partly outside, panels
/// that are partly empty, one picture and several.
#[test]
fn tiles_of_both_sizes_agree_with_the_definition() {
    let (mut small, mut large) = (0, 0);
    for (height, width) in [(4, 4), (5, 9), (7, 8), (10, 7), (11, 12), (13, 14)] {
        for (input_maps, output_maps, padding, count) in
            [(16, 1, 1, 3), (20, 33, 0, 1), (17, 16, 1, 2), (16, 20, 2, 1)]
        {
            let (kernel, stride) = (3, 1);
            let shape = ConvolutionShape {
                height,
                width,
                input_maps,
                output_maps,
                kernel,
                stride,
                padding,
            };
            let weights = vec![0.0; shape.weight_len()];
            for filter in [Filter::new(&shape, &weights, None), Filter::backward(&shape, &weights)]
            {
                match filter.method {
                    filter::Method::Patches(_) => {}
                    filter::Method::Small(_) => small += 1,
                    filter::Method::Large(_) => large += 1,
                }
            }
            check(&shape, count);
        }
    }
    assert!(small >= 15 && large >= 20, "{small} small, {large} large");
}

#[test]
fn a_picture_of_several_bands_agrees_with_the_definition() {
    for stride in [1, 2] {
        let (height, width, input_maps, output_maps, kernel) = (100, 66, 32, 2, 3);
        let padding = 1;
        let shape =
            ConvolutionShape { height, width, input_maps, output_maps, kernel, stride, padding };
        assert!(unfold::Band::of(&shape, 1).count() > 1, "one band only");
        check(&shape, 1);
    }
}
