//! ONNX files, ours and others'.

use std::path::Path;

use candle_core::{Device, Tensor};

use super::super::architecture::tests::{tiny, tiny_head, tiny_residual};
use super::super::architecture::{Architecture, Role};
use super::super::bundle::tests::bundle;
use super::super::network::tests::noise_of;
use super::*;
use crate::model::Inference;
use crate::nn::rng::{Purpose, Stream};

/// A model whose weights and biases are all drawn, as after training.
fn model(architecture: &Architecture) -> Bundle {
    let mut model = bundle(architecture);
    model.metadata.classes.iter_mut().for_each(|class| class.push_str(" \"é\""));
    let mut stream = Stream::new(3, Purpose::Initial, 0, 0);
    let roles = model.network.roles().to_vec();
    for (variable, role) in model.network.variables_mut().iter_mut().zip(roles) {
        match role {
            Role::Weight(_) => {}
            Role::Bias | Role::Mean => variable.data.fill_with(|| stream.between(-0.3, 0.3)),
            Role::Scale | Role::Variance => variable.data.fill_with(|| stream.between(0.5, 1.5)),
        }
    }
    model
}

/// Replaces the only place of `old` by the equally long `new`.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn an_exported_model_comes_back_with_the_same_bits() {
    for (name, architecture) in networks() {
        assert_eq!(architecture.check(), Ok(()), "{name}");
        let bundle = model(&architecture);
        let bytes = export(&bundle, "model 1");
        assert_eq!(bytes, export(&bundle, "model 1"), "{name}");
        let back = import(&bytes).unwrap();
        assert!(back == bundle && back.save() == bundle.save(), "{name}");
    }
}

#[test]
fn other_files_and_changed_graphs_are_refused_with_the_reason() {
    let bytes = export(&model(&tiny()), "model 1");
    assert_eq!(
        import(b"GGUF and more"),
        Err(OnnxError::Broken("a field has an unknown wire type"))
    );
    assert_eq!(import(&[]), Err(OnnxError::Foreign("shipshape")));
    let other = replaced(&bytes, b"\x0a\x09shipshape", b"\x0a\x09different");
    assert_eq!(import(&other), Err(OnnxError::Foreign("shipshape")));
    assert_eq!(import(&replaced(&bytes, b"Relu", b"Selu")), Err(OnnxError::Changed));
    let renamed = replaced(&bytes, b"\x42\x0cconv1.weight", b"\x42\x0cconvX.weight");
    let missing = FileError::Missing("conv1.weight".into());
    assert_eq!(import(&renamed), Err(OnnxError::Bundle(missing.into())));
    for at in (0..bytes.len()).step_by(13) {
        assert!(import(&bytes[..at]).is_err(), "cut at {at}");
    }
}

/// Small networks that between them have every kind of layer, odd sizes included.
fn networks() -> Vec<(&'static str, Architecture)> {
    let odd = Architecture { image_size: 23, dropout: vec![], ..tiny() };
    let headless = Architecture { dense: vec![], dropout: vec![0.5], ..tiny() };
    let norms = Architecture { image_size: 29, kernel: vec![5, 3], batch_norm: true, ..tiny() };
    let wide = Architecture { kernel: vec![5, 5], image_size: 31, ..tiny() };
    let original = Architecture { classes: 5, ..Architecture::default() };
    let residual = Architecture { image_size: 45, ..tiny_residual() };
    vec![
        ("tiny", tiny()),
        ("odd", odd),
        ("headless", headless),
        ("norms", norms),
        ("wide", wide),
        ("original", original),
        ("residual", tiny_residual()),
        ("odd_residual", residual),
        ("head", tiny_head()),
    ]
}

#[test]
#[ignore = "writes the files that scripts/check-onnx compares with onnxruntime"]
fn exports_for_the_check() {
    let folder =
        std::env::var("SHIPSHAPE_ONNX_CHECK").expect("SHIPSHAPE_ONNX_CHECK names a folder");
    for (name, architecture) in networks() {
        let bundle = model(&architecture);
        let file = Path::new(&folder).join(name);
        std::fs::write(file.with_extension("onnx"), export(&bundle, "model 1")).unwrap();
        let size = architecture.image_size;
        let pixels = noise_of(5 * size * size * 3);
        let pictures = Tensor::from_vec(pixels.clone(), (5, size, size, 3), &Device::Cpu).unwrap();
        let inference = Inference::new(bundle);
        let flat = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let logits = flat(inference.logits(&pictures).unwrap());
        let probabilities = flat(inference.probabilities(&pictures).unwrap());
        let numbers = [&pixels, &logits, &probabilities].into_iter().flatten();
        let numbers: Vec<u8> = numbers.flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(file.with_extension("f32"), numbers).unwrap();
    }
}
