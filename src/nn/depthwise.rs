//! A 3×3 convolution of each feature map by itself, with one pixel of zeros at each border.

use super::isa::{Isa, on_each_isa};

/// The sizes of one depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthwiseShape {
    /// Rows of the input picture.
    pub height: usize,
    /// Columns of the input picture.
    pub width: usize,
    /// Feature maps of input and output.
    pub maps: usize,
    /// Rows and columns from one patch to the next.
    pub stride: usize,
}

impl DepthwiseShape {
    /// Rows of the output.
    pub fn output_height(&self) -> usize {
        (self.height - 1) / self.stride + 1
    }

    /// Columns of the output.
    pub fn output_width(&self) -> usize {
        (self.width - 1) / self.stride + 1
    }

    /// Numbers in one input picture `[height, width, maps]`.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.maps
    }

    /// Numbers in one output picture.
    pub fn output_len(&self) -> usize {
        self.output_height() * self.output_width() * self.maps
    }
}

/// One output picture of one input picture; weights are `[9, maps]`.
pub fn forward(shape: &DepthwiseShape, x: &[f32], weights: &[f32], y: &mut [f32]) {
    forward_on(Isa::detect(), *shape, (x, weights), y);
}

/// What the backward pass of a picture starts from: input, weights and the output's gradient.
pub type Incoming<'a> = (&'a [f32], &'a [f32], &'a [f32]);

/// Adds a picture's gradient to `dw` and replaces `dx`.
pub fn backward(shape: &DepthwiseShape, from: Incoming<'_>, (dw, dx): (&mut [f32], &mut [f32])) {
    backward_on(Isa::detect(), *shape, from, (dw, dx));
}

on_each_isa! {
    fn forward_on(shape: DepthwiseShape, from: (&[f32], &[f32]), y: &mut [f32]) {
        y.fill(0.0);
        let (x, weights) = from;
        visit(shape, |tap, x_at, y_at| {
            let (x, y) = (&x[x_at..x_at + shape.maps], &mut y[y_at..y_at + shape.maps]);
            let weights = &weights[tap * shape.maps..(tap + 1) * shape.maps];
            for map in 0..shape.maps {
                y[map] += x[map] * weights[map];
            }
        });
    }
}

on_each_isa! {
    fn backward_on(shape: DepthwiseShape, from: Incoming<'_>, into: (&mut [f32], &mut [f32])) {
        let ((x, weights, dy), (dw, dx)) = (from, into);
        dx.fill(0.0);
        visit(shape, |tap, x_at, y_at| {
            let (x, dx) = (&x[x_at..x_at + shape.maps], &mut dx[x_at..x_at + shape.maps]);
            let dy = &dy[y_at..y_at + shape.maps];
            let taps = tap * shape.maps..(tap + 1) * shape.maps;
            let (weights, dw) = (&weights[taps.clone()], &mut dw[taps]);
            for map in 0..shape.maps {
                dw[map] += x[map] * dy[map];
                dx[map] += weights[map] * dy[map];
            }
        });
    }
}

/// Every (tap, first number of the input pixel, first number of the output pixel) inside the
/// picture, output pixels in order.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn visit(shape: DepthwiseShape, mut term: impl FnMut(usize, usize, usize)) {
    let columns = shape.output_width();
    for at in 0..shape.output_height() * columns {
        let (row, column) = (at / columns * shape.stride, at % columns * shape.stride);
        for tap in 0..9 {
            let (from_row, from_column) = (row + tap / 3, column + tap % 3);
            let inside =
                (1..=shape.height).contains(&from_row) && (1..=shape.width).contains(&from_column);
            if inside {
                let pixel = (from_row - 1) * shape.width + from_column - 1;
                term(tap, pixel * shape.maps, at * shape.maps);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::convolution::{self, ConvolutionShape};
    use crate::nn::rng::{Purpose, Stream};

    fn noise(len: usize, index: u64) -> Vec<f32> {
        let mut stream = Stream::new(3, Purpose::Initial, 9, index);
        (0..len).map(|_| stream.between(-1.0, 1.0)).collect()
    }

    /// The same as a full convolution whose kernels are zero between different maps.
    fn check(shape: DepthwiseShape) {
        let DepthwiseShape { height, width, maps, stride } = shape;
        let full = ConvolutionShape {
            height,
            width,
            input_maps: maps,
            output_maps: maps,
            kernel: 3,
            stride,
            padding: 1,
        };
        let (x, w, dy) =
            (noise(shape.input_len(), 1), noise(9 * maps, 2), noise(full.output_len(), 3));
        let mut kernel = vec![0.0; full.weight_len()];
        for (at, weight) in w.iter().enumerate() {
            kernel[at * maps + at % maps] = *weight;
        }
        let mut scratch = convolution::Scratch::default();
        let mut expected = vec![0.0; dy.len()];
        let filter = convolution::Filter::new(&full, &kernel, None);
        convolution::forward(&full, &x, &filter, &mut expected, &mut scratch);
        let (mut dw_full, mut dx_full) = (vec![0.0; kernel.len()], vec![0.0; x.len()]);
        let filter = convolution::Filter::backward(&full, &kernel);
        let from = convolution::Incoming { input: &x, filter: &filter, gradient: &dy };
        let (weights, input) = (&mut dw_full[..], Some(&mut dx_full[..]));
        let into = convolution::Gradients { weights, bias: None, input };
        convolution::backward(&full, from, into, &mut scratch);
        let dw_full: Vec<f32> = (0..w.len()).map(|at| dw_full[at * maps + at % maps]).collect();
        for isa in Isa::all() {
            let (mut y, mut dw, mut dx) =
                (vec![9.0; dy.len()], vec![0.0; w.len()], vec![9.0; x.len()]);
            forward_on(isa, shape, (&x, &w), &mut y);
            backward_on(isa, shape, (&x, &w, &dy), (&mut dw, &mut dx));
            for (found, expected) in [(&y, &expected), (&dw, &dw_full), (&dx, &dx_full)] {
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{shape:?}: {found} {expected}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]
        #[test]
        fn it_is_a_convolution_without_exchange_between_maps(
            (height, width) in (1usize..9, 1usize..9),
            maps in 1usize..20,
            stride in 1usize..3,
        ) {
            check(DepthwiseShape { height, width, maps, stride });
        }
    }
}
