//! Weights of the pretrained network, drawn at random: a file as timm's.

use std::convert::Infallible;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use shipshape::db::Sha256;
use shipshape::nn::backbone::Backbone;
use shipshape::nn::rng::{Purpose, Stream};

/// The file's bytes, the same for the same seed; activations keep their size.
pub(crate) fn weights(seed: u64) -> Vec<u8> {
    let mut stream = Stream::new(seed, Purpose::Initial, 0, 0);
    let mut tensors = Vec::new();
    let network = Backbone::new(|name, shape| {
        let fan = shape[1..].iter().product::<usize>();
        let limit = (3.0 / fan as f32).sqrt();
        let (low, high) = match shape.len() {
            1 if name.ends_with("bias") || name.ends_with("mean") => (-0.1, 0.1),
            1 => (0.8, 1.2),
            _ => (-limit, limit),
        };
        let len = shape.iter().product();
        let numbers: Vec<f32> = (0..len).map(|_| stream.between(low, high)).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.push((name.to_owned(), shape.to_vec(), bytes));
        Ok::<_, Infallible>(numbers)
    });
    assert!(network.is_ok());
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Writes [`weights`] to the path; the file's checksum.
pub(crate) fn write(path: &Path, seed: u64) -> Sha256 {
    let bytes = weights(seed);
    std::fs::write(path, &bytes).unwrap();
    Sha256::of(&bytes)
}
