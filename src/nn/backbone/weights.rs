//! Tensors of a published network, read from a safetensors file.

use safetensors::tensor::{Dtype, SafeTensors};

use super::{Backbone, Classifier};

/// Why a file with a backbone's weights was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TensorError {
    /// The bytes are no safetensors file.
    #[error("not a sound safetensors file: {0}")]
    Broken(String),
    /// The network needs a tensor that the file has not.
    #[error("tensor `{0}` is missing: is this mobilenetv4_conv_small?")]
    Missing(String),
    /// A tensor has another type or shape than the network's.
    #[error("tensor `{name}` is {found}, not F32 {expected:?}")]
    Wrong {
        /// The tensor.
        name: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's type and shape.
        found: String,
    },
    /// A tensor holds NaN or infinity.
    #[error("tensor `{0}` holds a number that is not finite")]
    NotFinite(String),
}

/// The network with the weights of timm's file `model.safetensors`; tensors that it does not need, such
/// as the classifier's, are ignored.
///
/// # Errors
/// The first tensor that is not as the network needs it; hostile bytes never panic.
pub fn read(bytes: &[u8]) -> Result<Backbone, TensorError> {
    let file = open(bytes)?;
    Backbone::new(|name, shape| tensor(&file, name, shape))
}

/// The same network with its classifier of `ImageNet`'s classes.
///
/// # Errors
/// As [`read`], and where the file has no such classifier.
pub fn read_classifier(bytes: &[u8]) -> Result<Classifier, TensorError> {
    let file = open(bytes)?;
    Classifier::new(|name, shape| tensor(&file, name, shape))
}

fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, TensorError> {
    SafeTensors::deserialize(bytes).map_err(|error| TensorError::Broken(error.to_string()))
}

fn tensor(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, TensorError> {
    let view = file.tensor(name).map_err(|_| TensorError::Missing(name.to_owned()))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let found = format!("{} {:?}", view.dtype(), view.shape());
        return Err(TensorError::Wrong { name: name.into(), expected: shape.to_vec(), found });
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if numbers.iter().all(|value| value.is_finite()) {
        Ok(numbers)
    } else {
        Err(TensorError::NotFinite(name.to_owned()))
    }
}
