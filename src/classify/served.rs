//! A loaded model: verified bytes to a network that answers for a photo.

use std::time::Instant;

use anyhow::Context as _;
use candle_core::{Device, Tensor};

use super::answer::milliseconds;
use super::{Answer, ClassProbability, ClassifyError, Timings};
use crate::model::{Bundle, Inference, Listing};
use crate::picture::{self, Limits, tensor};
use crate::training::{ImageSet, TRANSFORM};

/// A photo to answer for is this long at most.
pub const MAX_PHOTO_BYTES: usize = 10 * 1024 * 1024;

/// A model in memory.
#[derive(Debug)]
pub struct Served {
    classes: Vec<String>,
    inference: Inference,
}

impl Served {
    /// Loads a model from the bytes of its file, verifying every one of them. Takes a while: call it off the async
    /// threads.
    pub fn load(listing: &Listing, bytes: &[u8]) -> anyhow::Result<Self> {
        let bundle = Bundle::open(bytes, &listing.sha256.to_string())?;
        let transform = &bundle.metadata.transform;
        anyhow::ensure!(transform == TRANSFORM, "it wants pictures by the transform {transform:?}");
        let classes = bundle.metadata.classes.clone();
        Ok(Self { classes, inference: Inference::new(bundle) })
    }

    /// Answers for the photo in `bytes` with its `top_k` most probable classes. What comes out depends on these
    /// bytes and this model alone.
    pub(super) fn answer(
        &self,
        listing: &Listing,
        (bytes, top_k): (&[u8], usize),
        begun: Instant,
    ) -> Result<Answer, ClassifyError> {
        let decoding = Instant::now();
        let limits = Limits { max_bytes: MAX_PHOTO_BYTES, ..Limits::default() };
        let size = self.inference.architecture().image_size;
        let levels = tensor::square(&picture::decode(bytes, &limits)?, size as u32);
        let input = input(size, levels)?;
        let decode = milliseconds(decoding.elapsed());
        let inferring = Instant::now();
        let probabilities = self.probabilities(input, size).context("the network failed")?;
        let infer = milliseconds(inferring.elapsed());
        let mut ranked: Vec<(&String, f32)> = self.classes.iter().zip(probabilities).collect();
        // Stable, so that equal probabilities keep the order of the classes.
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let &(class, probability) = ranked.first().context("a model has classes")?;
        Ok(Answer {
            class: class.clone(),
            probability,
            unfamiliar: probability < listing.unfamiliar_below,
            model_id: listing.id,
            dataset: listing.dataset.clone(),
            timings_ms: Timings { decode, infer, total: milliseconds(begun.elapsed()) },
            probabilities: ranked
                .into_iter()
                .take(top_k)
                .map(|(class, probability)| ClassProbability { class: class.clone(), probability })
                .collect(),
        })
    }

    /// Through the network; `input` is `[size, size, 3]` in 0..1.
    fn probabilities(&self, input: Vec<f32>, size: usize) -> candle_core::Result<Vec<f32>> {
        let photo = Tensor::from_vec(input, (1, size, size, 3), &Device::Cpu)?;
        self.inference.probabilities(&photo)?.flatten_all()?.to_vec1()
    }
}

/// What the network sees of the picture: the very numbers that it saw in training.
fn input(size: usize, levels: Vec<u8>) -> anyhow::Result<Vec<f32>> {
    let mut input = vec![0.0; levels.len()];
    ImageSet::new(size, levels, vec![0])?.fill(0, &mut input);
    Ok(input)
}
