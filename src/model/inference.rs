//! The network on candle tensors, as it is loaded and served.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, bail};

use super::architecture::{Architecture, Layer};
use super::network::Network;
use crate::nn::conv::ConvPool;
use crate::nn::dense::Dense;

/// A network in evaluation mode whose weights are candle tensors; cheap to clone and share.
#[derive(Debug, Clone)]
pub struct Inference {
    architecture: Architecture,
    layers: Vec<Layer>,
    tensors: BTreeMap<String, Tensor>,
    /// Weight and bias per layer that has any, in layer order.
    kernels: Vec<(Tensor, Tensor)>,
}

impl Inference {
    /// Copies a network's weights into tensors.
    ///
    /// # Errors
    /// When candle cannot allocate them.
    pub fn new(network: &Network) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        let mut ordered = Vec::new();
        for variable in network.variables() {
            let shape = variable.shape.as_slice();
            let tensor = Tensor::from_slice(&variable.data, shape, &Device::Cpu)?;
            ordered.push(tensor.clone());
            tensors.insert(variable.name.clone(), tensor);
        }
        let kernels = ordered.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        Ok(Self {
            architecture: network.architecture().clone(),
            layers: network.architecture().layers(),
            kernels: kernels.collect(),
            tensors,
        })
    }

    /// The description of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The weights by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Logits `[n, classes]` of pictures `[n, s, s, 3]` in 0..1; a picture's logits do not depend on
    /// the others.
    ///
    /// # Errors
    /// When the pictures do not have the network's size.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        let size = self.architecture.image_size;
        if pictures.dims().get(1..) != Some(&[size, size, 3]) {
            bail!("the network wants pictures [n, {size}, {size}, 3], not {:?}", pictures.dims());
        }
        let mut values = pictures.contiguous()?;
        let mut kernels = self.kernels.iter();
        for layer in &self.layers {
            if matches!(layer, Layer::Dropout { .. }) {
                continue;
            }
            let (weights, bias) = kernels.next().expect("a kernel per layer with weights");
            values = match layer {
                Layer::Conv(_) => values.apply_op3_no_bwd(weights, bias, &ConvPool::first())?,
                Layer::Dense { relu, .. } => {
                    let flat = values.flatten_from(1)?;
                    flat.apply_op3_no_bwd(weights, bias, &Dense { relu: *relu })?
                }
                Layer::Dropout { .. } => unreachable!("skipped above"),
            };
        }
        Ok(values)
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
        let inference = Inference::new(&network)?;
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
        assert!(Inference::new(&network)?.logits(&pictures).is_err());
        Ok(())
    }
}
