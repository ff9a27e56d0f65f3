//! The backward pass of layers with variables.

use super::backward::Pass;
use super::partial::parts;
use super::{Kept, Workspace};
use crate::nn::conv::{self, ConvShape};
use crate::nn::convolution::{self, ConvolutionShape};
use crate::nn::dense::{self, DenseShape};
use crate::nn::{CHUNK, batch_norm};

impl Workspace {
    pub(super) fn conv_pool(
        &mut self,
        pass: Pass<'_>,
        shape: &ConvShape,
        dy: &[f32],
        dx: Option<&mut [f32]>,
    ) {
        let Kept::Winners(winners) = &self.kept[pass.at] else {
            unreachable!("a pool keeps its winners")
        };
        let x = pass.value(&self.values, pass.node().inputs[0]);
        let weights = pass.network.numbers(pass.at, 0);
        let (from, to) = (shape.input_len(), shape.output_len());
        let targets = parts(dx, pass.count.div_ceil(CHUNK), CHUNK * from);
        let totals = &mut self.gradients[pass.network.range(pass.at)];
        self.partials.sum(targets, totals, |group, mut dx, sums, scratch| {
            let (dw, db) = sums.split_at_mut(shape.weight_len());
            let first = group * CHUNK;
            for index in first..pass.count.min(first + CHUNK) {
                let incoming = conv::Incoming {
                    input: &x[index * from..][..from],
                    weights,
                    gradient: &dy[index * to..][..to],
                    winners: &winners[index * to..][..to],
                };
                let input = dx.as_deref_mut().map(|dx| &mut dx[(index - first) * from..][..from]);
                let into = conv::Gradients { weights: dw, bias: db, input };
                conv::backward(shape, incoming, into, &mut scratch.conv);
            }
        });
    }

    pub(super) fn convolution(
        &mut self,
        pass: Pass<'_>,
        (shape, bias): (&ConvolutionShape, bool),
        dy: &[f32],
        dx: Option<&mut [f32]>,
    ) {
        let x = pass.value(&self.values, pass.node().inputs[0]);
        let filter = convolution::Filter::backward(shape, pass.network.numbers(pass.at, 0));
        let (from, to) = (shape.group() * shape.input_len(), shape.group() * shape.output_len());
        let targets = parts(dx, pass.count.div_ceil(shape.group()), from);
        let totals = &mut self.gradients[pass.network.range(pass.at)];
        self.partials.sum(targets, totals, |group, input, sums, scratch| {
            let (dw, db) = sums.split_at_mut(shape.weight_len());
            let incoming = convolution::Incoming {
                input: &x[group * from..x.len().min((group + 1) * from)],
                filter: &filter,
                gradient: &dy[group * to..dy.len().min((group + 1) * to)],
            };
            let into = convolution::Gradients { weights: dw, bias: bias.then_some(db), input };
            convolution::backward(shape, incoming, into, &mut scratch.convolution);
        });
    }

    pub(super) fn batch_norm(&mut self, pass: Pass<'_>, relu: bool, dy: &[f32], dx: &mut [f32]) {
        let Kept::Statistics(statistics) = &self.kept[pass.at] else {
            unreachable!("a batch normalisation keeps its statistics")
        };
        let incoming = batch_norm::Incoming {
            x: pass.value(&self.values, pass.node().inputs[0]),
            y: relu.then(|| pass.value(&self.values, pass.at)),
            dy,
            statistics,
            scale: pass.network.numbers(pass.at, 0),
            picture: pass.node().output.len(),
        };
        let gradients = &mut self.gradients[pass.network.range(pass.at)];
        let (affine, found) = gradients.split_at_mut(2);
        found[0].copy_from_slice(&statistics.mean);
        found[1].copy_from_slice(&statistics.variance);
        let (scale, bias) = affine.split_at_mut(1);
        batch_norm::backward(incoming, (&mut scale[0], &mut bias[0]), dx);
    }

    pub(super) fn dense(
        &mut self,
        pass: Pass<'_>,
        (shape, relu): (DenseShape, bool),
        dy: &mut [f32],
        dx: Option<&mut [f32]>,
    ) {
        if relu {
            cut_gradient(dy, pass.value(&self.values, pass.at));
        }
        let x = pass.value(&self.values, pass.node().inputs[0]);
        let from = dense::Incoming { x, w: pass.network.numbers(pass.at, 0), dy };
        let (dw, db) = self.gradients[pass.network.range(pass.at)].split_at_mut(1);
        dense::backward(shape, from, (&mut dw[0], &mut db[0]), dx);
    }
}

/// A gradient passes where the layer's output was above zero.
fn cut_gradient(gradient: &mut [f32], output: &[f32]) {
    for (gradient, output) in gradient.iter_mut().zip(output) {
        *gradient = if *output > 0.0 { *gradient } else { 0.0 };
    }
}
