//! Weights in the order in which the forward pass reads them.

use super::{ConvShape, Kernel};
use crate::nn::panel::{LANES, Row, load};
use crate::nn::winograd;

/// Weights and bias of one convolution, made ready once for any number of pictures.
#[derive(Debug, Clone)]
pub struct Filter {
    pub(super) method: Method,
    /// `[output / 16]` rows.
    pub(super) bias: Vec<Row>,
}

/// How the sums are computed.
#[derive(Debug, Clone)]
pub(super) enum Method {
    /// As they are defined; `[output / 16][9 · input_maps]` rows. Few inputs would leave the products of
    /// transformed tiles mostly empty.
    Direct(Vec<Row>),
    /// On transformed tiles of 4×4 inputs: one tile gives one pooled output.
    Small(winograd::Filter<4, 2>),
    /// On tiles of 6×6 inputs: one tile gives four.
    Large(winograd::Filter<6, 4>),
}

impl Filter {
    /// Makes a kernel ready.
    ///
    /// # Panics
    /// When the kernel does not have the lengths that `shape` says.
    pub fn new(shape: &ConvShape, kernel: Kernel<'_>) -> Self {
        let maps = shape.output_maps;
        assert_eq!(kernel.weights.len(), shape.weight_len(), "weights length");
        assert_eq!(kernel.bias.len(), maps, "bias length");
        let panels = (0..maps).step_by(LANES);
        let method = if shape.input_maps < LANES {
            let panel =
                |at| kernel.weights.chunks_exact(maps).map(move |row| load(&row[at..], maps - at));
            Method::Direct(panels.clone().flat_map(panel).collect())
        } else if winograd::large_pays_forward(2 * shape.pooled_height(), 2 * shape.pooled_width())
        {
            Method::Large(winograd::Filter::new(kernel.weights, shape.input_maps, maps))
        } else {
            Method::Small(winograd::Filter::new(kernel.weights, shape.input_maps, maps))
        };
        let bias = panels.map(|at| load(&kernel.bias[at..], maps - at)).collect();
        Self { method, bias }
    }
}
