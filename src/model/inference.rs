//! The network on candle tensors, as it is loaded and served.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, bail};

use super::architecture::{Architecture, Family};
use super::evaluation::Prepared;
use super::network::Network;

/// A network in evaluation mode between candle tensors; cheap to clone and share.
#[derive(Debug, Clone)]
pub struct Inference {
    network: Arc<Network>,
    prepared: Arc<[Prepared]>,
}

impl Inference {
    /// Takes a copy of a network.
    pub fn new(network: &Network) -> Self {
        Self { network: Arc::new(network.clone()), prepared: network.prepare().into() }
    }

    /// The description of the network.
    pub fn architecture(&self) -> &Architecture {
        self.network.architecture()
    }

    /// Logits `[n, classes]` of pictures `[n, s, s, 3]` in 0..1; a picture's logits do not depend on
    /// the others.
    ///
    /// # Errors
    /// When the pictures do not have the network's size, or the network does not take pictures.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        let Architecture { image_size: size, family, classes, .. } = *self.architecture();
        if family == Family::MobilenetV4Small {
            bail!("the network wants the features of a pretrained network, not pictures");
        }
        if pictures.dims().get(1..) != Some(&[size, size, 3]) {
            bail!("the network wants pictures [n, {size}, {size}, 3], not {:?}", pictures.dims());
        }
        let count = pictures.dims()[0];
        let pixels = pictures.flatten_all()?.to_vec1::<f32>()?;
        let length = size * size * 3;
        let logits = self.network.logits_with(&self.prepared, count, |index, picture| {
            picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
        });
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
    use super::super::architecture::tests::tiny;
    use super::super::network::tests::noise;
    use super::*;
    use crate::nn::init::Initializer;

    #[test]
    fn tensors_and_buffers_give_the_same_logits() -> Result<()> {
        let network = Network::new(&tiny(), Initializer::GlorotUniform, 4);
        let (pixels, length) = (noise(5, &tiny()), tiny().input_len());
        let expected = network.logits(5, |index, picture| {
            picture.copy_from_slice(&pixels[index * length..(index + 1) * length]);
        });
        let inference = Inference::new(&network);
        let pictures = Tensor::from_vec(pixels, (5, 12, 12, 3), &Device::Cpu)?;
        let logits = inference.logits(&pictures)?;
        assert_eq!(logits.flatten_all()?.to_vec1::<f32>()?, expected);
        let alone = inference.logits(&pictures.narrow(0, 3, 1)?)?;
        assert_eq!(alone.flatten_all()?.to_vec1::<f32>()?, expected[9..12]);
        let sums = inference.probabilities(&pictures)?.sum(1)?.to_vec1::<f32>()?;
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6));
        Ok(())
    }

    #[test]
    fn pictures_of_another_size_are_refused() -> Result<()> {
        let network = Network::new(&tiny(), Initializer::GlorotUniform, 4);
        let pictures = Tensor::zeros((1, 12, 13, 3), candle_core::DType::F32, &Device::Cpu)?;
        assert!(Inference::new(&network).logits(&pictures).is_err());
        Ok(())
    }
}
