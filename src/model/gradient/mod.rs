//! One training pass: forward with dropout, loss, and the gradient of every variable.
//!
//! Nodes are run one after the other over the whole batch, forwards and then backwards, because a
//! batch normalisation needs every picture. Inside a node the pictures are worked on in groups that
//! follow from the shape alone, and the groups' sums are added in order.

mod backward;
mod forward;
mod partial;
mod weighted;

use rayon::prelude::*;

use self::partial::Partials;
use super::architecture::Layer;
use super::network::Network;
use crate::nn::batch_norm::Statistics;
use crate::nn::dropout::{self, MaskKey};
use crate::nn::{conv, convolution, loss};

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
    /// Examples whose largest logit was their largest target, dropout on.
    pub correct: usize,
}

/// A batch: pictures, and what is wanted of each.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[n, s, s, 3]` in 0..1.
    pub pixels: &'a [f32],
    /// `[n, classes]`: each row has the probability of each class, times the example's weight.
    pub targets: &'a [f32],
}

/// The buffers of a training pass and, after it, the gradients.
#[derive(Debug)]
pub struct Workspace {
    /// Per variable, in the network's order; in place of a running statistic's the batch's own.
    pub gradients: Vec<Vec<f32>>,
    /// Per node: its result for the batch, and its gradient. The picture has neither.
    values: Vec<Vec<f32>>,
    slopes: Slopes,
    kept: Vec<Kept>,
    partials: Partials,
}

/// What a node's forward pass keeps for its backward pass besides its result.
#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    /// Which input of each pool won.
    Winners(Vec<u8>),
    /// What a batch normalisation found.
    Statistics(Statistics),
}

/// The gradients of the nodes' results; one that is no longer needed lends its memory to the next.
#[derive(Debug, Default)]
struct Slopes {
    of_node: Vec<Option<Vec<f32>>>,
    free: Vec<Vec<f32>>,
}

impl Slopes {
    /// A buffer of at least `len` numbers, whose content is any.
    fn buffer(&mut self, len: usize) -> Vec<f32> {
        let fitting = self.free.iter().enumerate().filter(|(_, buffer)| buffer.len() >= len);
        let smallest = fitting.min_by_key(|(_, buffer)| buffer.len()).map(|(at, _)| at);
        smallest.map_or_else(|| vec![0.0; len], |at| self.free.swap_remove(at))
    }
}

/// Memory of one group of pictures.
#[derive(Debug, Default)]
struct Scratch {
    conv: conv::Scratch,
    convolution: convolution::Scratch,
}

impl Workspace {
    /// Buffers for batches of up to `batch` examples.
    pub fn new(network: &Network, batch: usize) -> Self {
        let nodes = &network.nodes;
        let values = nodes.iter().map(|node| match node.layer {
            Layer::Picture => Vec::new(),
            _ => vec![0.0; batch * node.output.len()],
        });
        let kept = nodes.iter().map(|node| match node.layer {
            Layer::ConvPool(_) | Layer::MaxPool => {
                Kept::Winners(vec![0; batch * node.output.len()])
            }
            _ => Kept::Nothing,
        });
        Self {
            gradients: network.variables.iter().map(|v| vec![0.0; v.data.len()]).collect(),
            values: values.collect(),
            kept: kept.collect(),
            slopes: Slopes::default(),
            partials: Partials::default(),
        }
    }

    /// Runs a batch and leaves the gradients of its mean loss in [`Workspace::gradients`]. The
    /// result does not depend on the number of threads.
    ///
    /// # Panics
    /// When the batch is larger than the workspace.
    pub fn run(&mut self, network: &Network, batch: Batch<'_>, position: Position) -> BatchResult {
        let (classes, last) = (network.architecture.classes, network.nodes.len() - 1);
        let count = batch.targets.len() / classes;
        self.slopes.of_node.clear();
        self.slopes.of_node.resize(last + 1, None);
        for at in 1..=last {
            self.forward(network, at, batch.pixels, position);
        }
        let logits = &self.values[last][..count * classes];
        let rows = logits.chunks_exact(classes).zip(batch.targets.chunks_exact(classes));
        let sum: f64 = rows.clone().map(|(row, target)| loss::cross_entropy(row, target)).sum();
        let best = |row: &[f32]| loss::best_class(row);
        let correct = rows.filter(|(row, target)| best(row) == best(target)).count();
        let mut slope = logits.to_vec();
        loss::gradient(&mut slope, batch.targets, classes);
        self.slopes.of_node[last] = Some(slope);
        for at in (1..=last).rev() {
            self.backward(network, at, batch.pixels, position);
        }
        BatchResult { loss: sum / count as f64, correct }
    }
}

/// Dropout on each row of a batch, forward or backward.
fn mask_rows(values: &mut [f32], width: usize, rate: f32, key: impl Fn(usize) -> MaskKey + Sync) {
    let rows = values.par_chunks_exact_mut(width).enumerate();
    rows.for_each(|(row, values)| dropout::apply(values, rate, key(row)));
}

#[cfg(test)]
mod tests;
