//! One training pass: forward with dropout, loss, and the gradient of every variable.

mod backward;
mod forward;

use rayon::prelude::*;

use super::architecture::Layer;
use super::network::Network;
use crate::nn::conv::{ConvShape, Scratch};
use crate::nn::dropout::{self, MaskKey};
use crate::nn::{CHUNK, loss};

/// Where a batch stands in the run, which decides its dropout masks.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The position in the epoch of the batch's first example.
    pub example: u64,
}

impl Position {
    fn mask(self, layer: u64, offset: usize) -> MaskKey {
        let position = self.example + offset as u64;
        MaskKey { seed: self.seed, epoch: self.epoch, layer, position }
    }
}

/// What a batch gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchResult {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Examples whose largest logit was their label's, dropout on.
    pub correct: usize,
}

/// The buffers of a training pass and, after it, the gradients.
#[derive(Debug)]
pub struct Workspace {
    batch: usize,
    /// Per variable, in the network's order.
    pub gradients: Vec<Vec<f32>>,
    /// Per layer with weights: its output for the batch, dropout applied.
    outputs: Vec<Vec<f32>>,
    /// The gradient on its way down through the dense layers, and a buffer for the next.
    descending: (Vec<f32>, Vec<f32>),
    /// Per convolution: its winners for the batch.
    winners: Vec<Vec<u8>>,
    chunks: Vec<Chunk>,
}

/// What one chunk of examples accumulates, and its scratch memory.
#[derive(Debug, Default)]
struct Chunk {
    sums: Vec<(Vec<f32>, Vec<f32>)>,
    upper: Vec<f32>,
    lower: Vec<f32>,
    scratch: Scratch,
}

impl Workspace {
    /// Buffers for batches of up to `batch` examples.
    pub fn new(network: &Network, batch: usize) -> Self {
        let (mut outputs, mut winners, mut sums) = (Vec::new(), Vec::new(), Vec::new());
        for layer in &network.layers {
            match layer {
                Layer::Dropout { .. } => {}
                Layer::Dense { shape, .. } => outputs.push(vec![0.0; batch * shape.outputs]),
                Layer::Conv(shape) => {
                    outputs.push(vec![0.0; batch * shape.output_len()]);
                    winners.push(vec![0; batch * shape.output_len()]);
                    sums.push((vec![0.0; shape.weight_len()], vec![0.0; shape.output_maps]));
                }
            }
        }
        let chunk = |_| Chunk { sums: sums.clone(), ..Chunk::default() };
        Self {
            batch,
            gradients: network.variables.iter().map(|v| vec![0.0; v.data.len()]).collect(),
            outputs,
            descending: (Vec::new(), Vec::new()),
            winners,
            chunks: (0..batch.div_ceil(CHUNK)).map(chunk).collect(),
        }
    }

    /// Runs a batch `pixels [n, s, s, 3]` and leaves the gradients of its mean loss in
    /// [`Workspace::gradients`]. The result does not depend on the number of threads.
    ///
    /// # Panics
    /// When the batch is larger than the workspace.
    pub fn run(
        &mut self,
        network: &Network,
        pixels: &[f32],
        labels: &[u32],
        position: Position,
    ) -> BatchResult {
        self.forward_convolutions(network, pixels, position);
        let count = labels.len();
        let logits = self.forward_dense(network, count, position);
        let classes = network.architecture.classes;
        let rows = logits.chunks_exact(classes).zip(labels);
        let sum: f64 = rows.clone().map(|(row, label)| loss::cross_entropy(row, *label)).sum();
        let correct = rows.filter(|(row, label)| loss::best_class(row) == **label).count();
        self.descending.0 = logits;
        loss::gradient(&mut self.descending.0, labels);
        self.backward_dense(network, count, position);
        self.backward_convolutions(network, pixels, position);
        BatchResult { loss: sum / count as f64, correct }
    }
}

fn as_conv(layer: &Layer) -> Option<&ConvShape> {
    match layer {
        Layer::Conv(shape) => Some(shape),
        _ => None,
    }
}

/// Dropout on each row of a batch, forward or backward.
fn mask_rows(values: &mut [f32], width: usize, rate: f32, key: impl Fn(usize) -> MaskKey + Sync) {
    let rows = values.par_chunks_exact_mut(width).enumerate();
    rows.for_each(|(row, values)| dropout::apply(values, rate, key(row)));
}

#[cfg(test)]
mod tests;
