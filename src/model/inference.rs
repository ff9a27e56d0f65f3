//! The network on candle tensors, as it is loaded and served.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, bail};

use super::architecture::Architecture;
use super::bundle::Bundle;
use super::evaluation::Prepared;
use super::network::Network;
use crate::nn::backbone::{Backbone, FEATURES};

/// A network in evaluation mode between candle tensors; cheap to clone and share.
#[derive(Debug, Clone)]
pub struct Inference {
    network: Arc<Network>,
    prepared: Arc<[Prepared]>,
    /// Gives the features that the network takes; without one it takes pictures.
    backbone: Option<Arc<Backbone>>,
}

impl Inference {
    /// The networks of a model.
    pub fn new(bundle: Bundle) -> Self {
        let prepared = bundle.network.prepare().into();
        Self { network: Arc::new(bundle.network), prepared, backbone: bundle.backbone }
    }

    /// The description of the network.
    pub fn architecture(&self) -> &Architecture {
        self.network.architecture()
    }

    /// Logits `[n, classes]` of pictures `[n, s, s, 3]` in 0..1; a picture's logits do not depend on
    /// the others.
    ///
    /// # Errors
    /// When the pictures do not have the network's size.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        let Architecture { image_size: size, classes, .. } = *self.architecture();
        if pictures.dims().get(1..) != Some(&[size, size, 3]) {
            bail!("the network wants pictures [n, {size}, {size}, 3], not {:?}", pictures.dims());
        }
        let count = pictures.dims()[0];
        let pixels = pictures.flatten_all()?.to_vec1::<f32>()?;
        let length = size * size * 3;
        let fill = |index: usize, picture: &mut [f32]| {
            picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
        };
        let logits = match &self.backbone {
            None => self.network.logits_with(&self.prepared, count, fill),
            Some(backbone) => {
                let features = backbone.features(size, count, fill);
                self.network.logits_with(&self.prepared, count, |index, target| {
                    target.copy_from_slice(&features[index * FEATURES..(index + 1) * FEATURES]);
                })
            }
        };
        Tensor::from_vec(logits, (count, classes), &Device::Cpu)
    }

    /// Probabilities `[n, classes]`; see [`Inference::logits`].
    ///
    /// # Errors
    /// When the pictures do not have the network's size.
    pub fn probabilities(&self, pictures: &Tensor) -> Result<Tensor> {
        candle_nn::ops::softmax_last_dim(&self.logits(pictures)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::architecture::tests::{tiny, tiny_head};
    use super::super::bundle::tests::bundle;
    use super::super::network::tests::noise_of;
    use super::*;

    fn pictures(architecture: &Architecture) -> (Vec<f32>, Result<Tensor>) {
        let size = architecture.image_size;
        let pixels = noise_of(5 * size * size * 3);
        (pixels.clone(), Tensor::from_vec(pixels, (5, size, size, 3), &Device::Cpu))
    }

    #[test]
    fn tensors_and_buffers_give_the_same_logits() -> Result<()> {
        let network = bundle(&tiny()).network;
        let (pixels, length) = (pictures(&tiny()).0, tiny().input_len());
        let expected = network.logits(5, |index, picture| {
            picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
        });
        let inference = Inference::new(bundle(&tiny()));
        let pictures = pictures(&tiny()).1?;
        let logits = inference.logits(&pictures)?;
        assert_eq!(logits.flatten_all()?.to_vec1::<f32>()?, expected);
        let alone = inference.logits(&pictures.narrow(0, 3, 1)?)?;
        assert_eq!(alone.flatten_all()?.to_vec1::<f32>()?, expected[9..12]);
        let sums = inference.probabilities(&pictures)?.sum(1)?.to_vec1::<f32>()?;
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6));
        Ok(())
    }

    #[test]
    fn a_model_over_a_pretrained_network_takes_pictures() -> Result<()> {
        let model = bundle(&tiny_head());
        let (pixels, pictures) = pictures(&tiny_head());
        let length = pixels.len() / 5;
        let features = model.backbone.as_deref().unwrap().features(32, 5, |index, picture| {
            picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
        });
        let expected = model.network.logits(5, |index, target| {
            target.copy_from_slice(&features[index * FEATURES..(index + 1) * FEATURES]);
        });
        let logits = Inference::new(model).logits(&pictures?)?;
        assert_eq!(logits.flatten_all()?.to_vec1::<f32>()?, expected);
        Ok(())
    }

    #[test]
    fn pictures_of_another_size_are_refused() -> Result<()> {
        let pictures = Tensor::zeros((1, 12, 13, 3), candle_core::DType::F32, &Device::Cpu)?;
        assert!(Inference::new(bundle(&tiny())).logits(&pictures).is_err());
        Ok(())
    }
}
