//! The numeric core: convolution, pooling, dropout, initialisers, optimiser, seeded randomness. No I/O.
//!
//! Everything here is a plain function of `f32` buffers whose result does not depend on the number
//! of threads: work is cut into pieces of a fixed size and partial sums are added in a fixed order.
//! The two layers that matter are also candle custom operations ([`conv::ConvPool`],
//! [`dense::Dense`]), with a backward pass.

pub mod batch_norm;
pub mod conv;
pub mod convolution;
pub mod dense;
pub mod depthwise;
pub mod dropout;
pub mod elementwise;
pub mod gemm;
pub mod init;
pub(crate) mod isa;
pub mod loss;
pub mod optimizer;
pub mod pooling;
pub mod rng;

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
