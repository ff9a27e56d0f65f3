//! The backward half of a training pass.

use rayon::prelude::*;

use super::super::architecture::{Layer, Node};
use super::super::network::Network;
use super::{Kept, Position, Workspace, mask_rows};
use crate::nn::{elementwise, pooling};

/// What a node's backward pass works with.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) network: &'a Network,
    pub(super) at: usize,
    pub(super) count: usize,
    pub(super) pixels: &'a [f32],
    pub(super) position: Position,
}

impl<'a> Pass<'a> {
    pub(super) fn node(&self) -> &'a Node {
        &self.network.nodes[self.at]
    }

    /// The batch's result of another node.
    pub(super) fn value<'b>(&self, values: &'b [Vec<f32>], node: usize) -> &'b [f32]
    where
        'a: 'b,
    {
        match node {
            0 => self.pixels,
            node => &values[node][..self.count * self.network.nodes[node].output.len()],
        }
    }
}

impl Workspace {
    /// From the gradient of the result of node `at` to those of its variables and inputs.
    pub(super) fn backward(
        &mut self,
        network: &Network,
        at: usize,
        pixels: &[f32],
        position: Position,
    ) {
        let count = pixels.len() / network.architecture.input_len();
        let pass = Pass { network, at, count, pixels, position };
        let inputs = &pass.node().inputs;
        let mut buffer = self.slopes.of_node[at].take().expect("a later node needs every node");
        let slope = &mut buffer[..count * pass.node().output.len()];
        if pass.node().layer == Layer::AddRelu {
            for input in inputs {
                let mut target = self.slopes.buffer(slope.len());
                let y = pass.value(&self.values, at);
                elementwise::relu_backward(y, slope, &mut target[..slope.len()]);
                self.receive(*input, target, slope.len());
            }
        } else {
            let input = inputs[0];
            let len = count * network.nodes[input].output.len();
            // The picture needs no gradient.
            let mut target = (input > 0).then(|| self.slopes.buffer(len));
            let dx = target.as_deref_mut().map(|target| &mut target[..len]);
            self.backward_into(pass, slope, dx);
            if let Some(target) = target {
                self.receive(input, target, len);
            }
        }
        self.slopes.free.push(buffer);
    }

    /// Adds `len` numbers of a gradient to what node `at` has.
    fn receive(&mut self, at: usize, part: Vec<f32>, len: usize) {
        match &mut self.slopes.of_node[at] {
            Some(sum) => {
                elementwise::add(&part[..len], &mut sum[..len]);
                self.slopes.free.push(part);
            }
            empty => *empty = Some(part),
        }
    }

    /// Layers with one input; replaces the gradients of the node's variables and, where wanted, of
    /// its input.
    fn backward_into(&mut self, pass: Pass<'_>, dy: &mut [f32], dx: Option<&mut [f32]>) {
        match pass.node().layer {
            Layer::ConvPool(shape) => self.conv_pool(pass, &shape, dy, dx),
            Layer::Convolution { shape, bias } => self.convolution(pass, (&shape, bias), dy, dx),
            Layer::Dense { shape, relu } => self.dense(pass, (shape, relu), dy, dx),
            _ => {
                if let Some(dx) = dx {
                    self.behind_convolutions(pass, dy, dx);
                }
            }
        }
    }

    /// Layers that never stand first, so that their input's gradient is always wanted.
    fn behind_convolutions(&mut self, pass: Pass<'_>, dy: &[f32], dx: &mut [f32]) {
        let node = pass.node();
        let len = node.output.len();
        let from = pass.network.nodes[node.inputs[0]].output;
        match &node.layer {
            Layer::BatchNorm { relu } => self.batch_norm(pass, *relu, dy, dx),
            Layer::Relu => {
                elementwise::relu_backward(pass.value(&self.values, pass.at), dy, dx);
            }
            Layer::MaxPool => {
                let Kept::Winners(winners) = &self.kept[pass.at] else {
                    unreachable!("a pool keeps its winners")
                };
                let pooled = dy.par_chunks_exact(len).zip(winners.par_chunks_exact(len));
                let pictures = dx.par_chunks_exact_mut(from.len()).zip(pooled);
                pictures.for_each(|(dx, dy)| pooling::max_pool_backward(&from.into(), dy, dx));
            }
            Layer::GlobalAveragePool => {
                let pictures = dx.par_chunks_exact_mut(from.len()).zip(dy.par_chunks_exact(len));
                pictures.for_each(|(dx, dy)| pooling::average_backward(dy, dx));
            }
            Layer::Dropout { rate, number } => {
                dx.copy_from_slice(dy);
                mask_rows(dx, len, *rate, |row| pass.position.mask(*number, row));
            }
            other => unreachable!("{other:?} is handled elsewhere"),
        }
    }
}
