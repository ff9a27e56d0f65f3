//! A small `SigLIP` with made-up weights: the three files that the tagger `zero_shot` reads.

use std::path::Path;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use candle_transformers::models::siglip::Model;
use safetensors::tensor::{Dtype, TensorView};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tag/zero_shot/fixtures/", $name))
    };
}

/// What `scripts/siglip-fixtures` wrote.
pub(crate) const CONFIG: &[u8] = fixture!("config.json");
/// The same.
pub(crate) const TOKENIZER: &[u8] = fixture!("tokenizer.json");

/// A tensor's name, shape and little-endian numbers.
type Made = (String, Vec<usize>, Vec<u8>);

/// Makes each tensor that the network asks for, and keeps it.
struct Making<F> {
    /// So many numbers in [−1, 1) for a name.
    numbers: F,
    made: Arc<Mutex<Vec<Made>>>,
}

impl<F: Fn(&str, usize) -> Vec<f32> + Send + Sync> SimpleBackend for Making<F> {
    fn get(&self, shape: Shape, name: &str, _: Init, _: DType, device: &Device) -> Result<Tensor> {
        let (offset, scale) = spread(name, shape.dims());
        let numbers = (self.numbers)(name, shape.elem_count()).into_iter();
        let numbers: Vec<f32> = numbers.map(|number| offset + scale * number).collect();
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.made.lock().unwrap().push((name.to_owned(), shape.dims().to_vec(), bytes));
        Tensor::from_vec(numbers, shape, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("{name} has no shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// Middle and half width of a tensor's numbers, as in `scripts/siglip-fixtures`: activations keep their size.
fn spread(name: &str, shape: &[usize]) -> (f32, f32) {
    match name {
        "logit_scale" => (4.0, 0.0),
        _ if name.ends_with("probe") => (0.0, 1.0),
        _ if name.ends_with("weight") && shape.len() == 1 => (1.0, 0.2),
        _ if name.ends_with("weight") => {
            (0.0, (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32)
        }
        _ => (0.0, 0.1),
    }
}

/// The bytes of `model.safetensors`.
pub(crate) fn weights(numbers: impl Fn(&str, usize) -> Vec<f32> + Send + Sync) -> Vec<u8> {
    let made = Arc::default();
    let making = Making { numbers, made: Arc::clone(&made) };
    let tensors = VarBuilder::from_backend(Box::new(making), DType::F32, Device::Cpu);
    Model::new(&serde_json::from_slice(CONFIG).unwrap(), tensors).unwrap();
    let made = made.lock().unwrap();
    let views = made.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Puts the three files into a folder.
pub(crate) fn write(folder: &Path, weights: &[u8]) {
    for (name, bytes) in
        [("config.json", CONFIG), ("tokenizer.json", TOKENIZER), ("model.safetensors", weights)]
    {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
