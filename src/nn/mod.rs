//! The numeric core: convolution, pooling, dropout, initialisers, optimiser, seeded randomness, backbones. No I/O.
//!
//! Everything here is a plain function of `f32` buffers whose result does not depend on the number
//! of threads: work is cut into pieces of a fixed size and partial sums are added in a fixed order.
//! The two layers that matter are also candle custom operations ([`conv::ConvPool`],
//! [`dense::Dense`]), with a backward pass.

pub mod backbone;
pub mod batch_norm;
pub mod conv;
pub mod convolution;
pub mod dense;
pub mod dropout;
pub mod elementwise;
pub mod gemm;
pub mod init;
pub(crate) mod isa;
pub mod loss;
pub mod optimizer;
pub(crate) mod panel;
pub mod pooling;
pub mod rng;
pub mod sampling;
pub(crate) mod winograd;

/// Examples whose gradients are summed by one thread, in order, before the chunks are.
pub const CHUNK: usize = 2;

/// Adds `parts` to `sum` one after the other, in the order given.
pub fn add_in_order<'a>(sum: &mut [f32], parts: impl Iterator<Item = &'a [f32]>) {
    for part in parts {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += value;
        }
    }
}

/// The array `[a, b, c]` as `[c, b, a]`: between our order of a kernel's weights (positions, inputs,
/// outputs) and that of `PyTorch` and ONNX.
pub fn reversed(data: &[f32], [a, b, c]: [usize; 3]) -> Vec<f32> {
    let mut turned = Vec::with_capacity(data.len());
    for z in 0..c {
        for y in 0..b {
            turned.extend((0..a).map(|x| data[(x * b + y) * c + z]));
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_the_axes_twice_moves_every_number_back() {
        let numbers: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let turned = reversed(&numbers, [2, 3, 4]);
        assert_eq!(turned[..6], [0.0, 12.0, 4.0, 16.0, 8.0, 20.0]);
        assert_eq!(reversed(&turned, [4, 3, 2]), numbers);
    }
}
