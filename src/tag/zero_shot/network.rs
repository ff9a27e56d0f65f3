//! `SigLIP`'s two towers: pictures and sentences become directions, and how alike two are says how well they fit.

use std::sync::Arc;

use anyhow::Context as _;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::div_l2_norm;
use candle_transformers::models::siglip::{Config, Model};

use super::tokens::Tokens;
use crate::picture::{RgbImage, squash};

/// Sentences that are read at a time: more take more memory and no less time.
const BATCH: usize = 8;

/// The towers with their weights, on the processor.
#[derive(Debug)]
pub(super) struct Network {
    towers: Model,
    /// What likenesses are multiplied with before they are compared.
    scale: f64,
    tokens: Arc<Tokens>,
    /// Numbers of a sentence.
    length: usize,
    /// Pixels of a picture in each direction.
    side: u32,
}

impl Network {
    /// The network with the weights of a file `model.safetensors`.
    pub(super) fn read(config: &Config, tokens: Arc<Tokens>, bytes: &[u8]) -> anyhow::Result<Self> {
        let tensors = VarBuilder::from_slice_safetensors(bytes, DType::F32, &Device::Cpu)?;
        let scale = tensors.get(1, "logit_scale")?.to_vec1::<f32>()?[0];
        Ok(Self {
            towers: Model::new(config, tensors)?,
            scale: libm::exp(f64::from(scale)),
            tokens,
            length: config.text_config.max_position_embeddings,
            side: config.vision_config.image_size as u32,
        })
    }

    /// The directions of `sentences`, a row each.
    pub(super) fn directions(&self, sentences: &[String]) -> anyhow::Result<Tensor> {
        let batch = |batch: &[String]| {
            let numbers = batch.iter().map(|sentence| self.tokens.of(sentence, self.length));
            let numbers = numbers.collect::<anyhow::Result<Vec<_>>>()?.concat();
            let input = Tensor::from_vec(numbers, (batch.len(), self.length), &Device::Cpu)?;
            Ok(div_l2_norm(&self.towers.get_text_features(&input)?)?)
        };
        let batches = sentences.chunks(BATCH).map(batch).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&batches, 0)?)
    }

    /// The direction of a picture: one row.
    pub(super) fn direction(&self, picture: &RgbImage) -> anyhow::Result<Tensor> {
        let input = self.input(picture)?;
        Ok(div_l2_norm(&self.towers.get_image_features(&input)?)?)
    }

    /// The picture as the network was taught: squeezed to a square by Pillow's cubic filter, levels from −1 to 1.
    fn input(&self, picture: &RgbImage) -> anyhow::Result<Tensor> {
        let side = self.side as usize;
        let levels = squash(picture, self.side).into_raw();
        let values = levels.into_iter().map(|level| f32::from(level) / 127.5 - 1.0).collect();
        let input = Tensor::from_vec(values, (1, side, side, 3), &Device::Cpu)?;
        Ok(input.permute((0, 3, 1, 2))?.contiguous()?)
    }

    /// How well a picture fits each of the sentences: what the network adds to all alike is left out.
    pub(super) fn fits(&self, picture: &Tensor, sentences: &Tensor) -> anyhow::Result<Vec<f32>> {
        let likeness = (sentences.matmul(&picture.t()?)? * self.scale)?.flatten_all()?.to_vec1()?;
        let finite = likeness.iter().all(|fit: &f32| fit.is_finite());
        finite.then_some(likeness).context("the weights give a number that is not finite")
    }
}
