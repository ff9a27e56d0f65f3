//! The fused convolution as a candle operation with a backward pass.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::backward::{Gradients, Incoming, backward};
use super::forward::{Kernel, forward};
use super::{ConvShape, Filter, Scratch};
use crate::nn::{CHUNK, add_in_order};

/// Convolution 3×3 (valid) + bias + `ReLU` + 2×2 max pooling on `x [n, h, w, ci]`,
/// `weights [9·ci, co]`, `bias [co]`; gives `[n, ⌊(h−2)/2⌋, ⌊(w−2)/2⌋, co]`, all `f32` on the CPU.
///
/// One value serves one application: it keeps the winners of its forward pass.
#[derive(Debug, Default)]
pub struct ConvPool {
    skip_input: bool,
    winners: Mutex<Vec<u8>>,
}

impl ConvPool {
    /// An operation that also gives the gradient of its input.
    pub fn new() -> Self {
        Self::default()
    }

    /// For the first layer: its input is data and gets no gradient.
    pub fn first() -> Self {
        Self { skip_input: true, ..Self::default() }
    }
}

/// The `f32` numbers of a contiguous CPU tensor.
pub(crate) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the operation needs contiguous tensors");
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

fn sizes(input: &[usize], weights: &[usize], bias: &[usize]) -> Result<(usize, ConvShape)> {
    let (&[count, height, width, input_maps], &[rows, output_maps]) = (input, weights) else {
        bail!("conv_pool wants x [n, h, w, ci] and weights [9·ci, co]");
    };
    if height < 4 || width < 4 || rows != 9 * input_maps || bias != [output_maps] {
        bail!("conv_pool: shapes {input:?}, {weights:?} and {bias:?} do not fit");
    }
    Ok((count, ConvShape { height, width, input_maps, output_maps }))
}

impl CustomOp3 for ConvPool {
    fn name(&self) -> &'static str {
        "conv_pool"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dims = (x_layout.dims(), weights_layout.dims(), bias_layout.dims());
        let (count, shape) = sizes(dims.0, dims.1, dims.2)?;
        let kernel = Kernel {
            weights: contiguous(weights, weights_layout)?,
            bias: contiguous(bias, bias_layout)?,
        };
        let filter = Filter::new(&shape, kernel);
        let length = shape.output_len();
        let (mut output, mut winners) = (vec![0.0; count * length], vec![0; count * length]);
        let pictures = output.par_chunks_mut(length).zip(winners.par_chunks_mut(length));
        pictures.zip(contiguous(x, x_layout)?.par_chunks(shape.input_len())).for_each_init(
            Scratch::default,
            |scratch, (output, x)| {
                forward(&shape, x, &filter, output, scratch);
            },
        );
        *self.winners.lock().expect("no holder can panic") = winners;
        let dims = (count, shape.pooled_height(), shape.pooled_width(), shape.output_maps);
        Ok((CpuStorage::F32(output), dims.into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        bias: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (count, shape) = sizes(x.dims(), weights.dims(), bias.dims())?;
        let flat = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let (pixels, numbers, gradient) = (flat(x)?, flat(weights)?, flat(gradient)?);
        let winners = self.winners.lock().expect("no holder can panic");
        if winners.len() != count * shape.output_len() {
            bail!("conv_pool: backward before forward");
        }
        let mut dx = vec![0.0; if self.skip_input { 0 } else { pixels.len() }];
        let mut targets: Vec<Option<&mut [f32]>> = (0..count).map(|_| None).collect();
        if !self.skip_input {
            targets = dx.chunks_mut(shape.input_len()).map(Some).collect();
        }
        let partial: Vec<(Vec<f32>, Vec<f32>)> = targets
            .par_chunks_mut(CHUNK)
            .enumerate()
            .map(|(chunk, targets)| {
                let mut scratch = Scratch::default();
                let mut sums = (vec![0.0; shape.weight_len()], vec![0.0; shape.output_maps]);
                for (offset, target) in targets.iter_mut().enumerate() {
                    let (at, from) = (chunk * CHUNK + offset, shape.input_len());
                    let outputs = at * shape.output_len()..(at + 1) * shape.output_len();
                    let incoming = Incoming {
                        input: &pixels[at * from..(at + 1) * from],
                        weights: &numbers,
                        gradient: &gradient[outputs.clone()],
                        winners: &winners[outputs],
                    };
                    let (weights, bias) = (&mut sums.0[..], &mut sums.1[..]);
                    let into = Gradients { weights, bias, input: target.as_deref_mut() };
                    backward(&shape, incoming, into, &mut scratch);
                }
                sums
            })
            .collect();
        let (mut dw, mut db) = (vec![0.0; shape.weight_len()], vec![0.0; shape.output_maps]);
        add_in_order(&mut dw, partial.iter().map(|sums| sums.0.as_slice()));
        add_in_order(&mut db, partial.iter().map(|sums| sums.1.as_slice()));
        let device = x.device();
        let dx =
            if self.skip_input { None } else { Some(Tensor::from_vec(dx, x.shape(), device)?) };
        let dw = Tensor::from_vec(dw, weights.shape(), device)?;
        Ok((dx, Some(dw), Some(Tensor::from_vec(db, bias.shape(), device)?)))
    }
}
