//! A model as an ONNX file for other runtimes, and back from one that this program wrote.
//!
//! The graph takes `image [N, 3, s, s]`: RGB in 0..1, squashed to s × s as `transform` says; a pretrained
//! network is part of it. It gives
//! `logits [N, classes]` and `probabilities [N, classes]`. Beside the graph stand the properties
//! `classes` (JSON array in the order of the outputs), `transform`, `snapshot_id`, `model_id` and
//! `shipshape`, the whole description of the model file.

mod backbone;
mod graph;
mod layers;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;

use super::bundle::{Bundle, BundleError};
use super::weights_file::FileError;
use layers::Layout;
use wire::{Fields, Value};

/// The property under which the bundle's own description stands.
const DESCRIPTION: &str = "shipshape";

/// The property with the id of the exported model.
const MODEL_ID: &str = "model_id";

/// Why an ONNX file cannot be read back.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum OnnxError {
    /// The bytes are no ONNX model.
    #[error("not an ONNX model: {0}")]
    Broken(&'static str),
    /// The file comes from another program.
    #[error("this ONNX model was not exported by shipshape: it has no property `{0}`")]
    Foreign(&'static str),
    /// The description or the weights break a rule of model files.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Something besides the weights differs from what the description leads to.
    #[error("the graph is not the one that shipshape exports for this description: it was changed")]
    Changed,
}

/// The model as an ONNX file (IR version 8, opset 17): the same bytes for the same model.
pub fn export(bundle: &Bundle, model_id: &str) -> Vec<u8> {
    let metadata = &bundle.metadata;
    let json = |value| serde_json::to_string(value).expect("names serialize");
    let description = serde_json::to_string(metadata).expect("plain data serializes");
    let properties = [
        ("classes", json(&metadata.classes)),
        ("transform", metadata.transform.clone()),
        ("snapshot_id", metadata.snapshot_id.clone()),
        (MODEL_ID, model_id.to_owned()),
        (DESCRIPTION, description),
    ];
    layers::graph(bundle).into_model(&properties)
}

/// Reads back what [`export`] wrote; the weights are the same bits.
///
/// # Errors
/// For any other file: one of another program, or one whose graph was changed since. Hostile bytes
/// never panic.
pub fn import(bytes: &[u8]) -> Result<Bundle, OnnxError> {
    let broken = OnnxError::Broken;
    let mut properties = HashMap::new();
    // ModelProto: graph = 7, metadata_props = 14; GraphProto: initializer = 5.
    for entry in Fields(bytes).all(14).map_err(broken)? {
        let (key, value) = (text(entry, 1)?, text(entry, 2)?);
        properties.insert(key, value);
    }
    let property = |key| properties.get(key).ok_or(OnnxError::Foreign(key));
    let metadata = Bundle::metadata(property(DESCRIPTION)?)?;
    let graphs = Fields(bytes).all(7).map_err(broken)?;
    let graph = graphs.first().ok_or(OnnxError::Broken("it has no graph"))?;
    let mut tensors = HashMap::new();
    for tensor in Fields(graph).all(5).map_err(broken)? {
        tensors.insert(text(tensor, 8)?, tensor);
    }
    let mut weights = Vec::new();
    let mut layouts = layers::layouts(&metadata.architecture);
    if metadata.backbone.is_some() {
        layouts.extend(backbone::layouts());
    }
    for layout in layouts {
        let missing = || BundleError::File(FileError::Missing(layout.name.clone()));
        let tensor = tensors.get(layout.name.as_str()).ok_or_else(missing)?;
        weights.push(layout.import(&numbers(tensor, &layout)?));
    }
    let bundle = Bundle::with_weights(metadata, weights)?;
    if export(&bundle, property(MODEL_ID)?) != bytes {
        return Err(OnnxError::Changed);
    }
    Ok(bundle)
}

/// The first string field with this number; empty when there is none.
fn text(message: &[u8], field: u64) -> Result<&str, OnnxError> {
    let found = Fields(message).all(field).map_err(OnnxError::Broken)?;
    let bytes = found.first().copied().unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|_| OnnxError::Broken("a text is not UTF-8"))
}

/// The numbers of a `TensorProto` (dims = 1, `data_type` = 2, `raw_data` = 9) of exactly this shape.
fn numbers(tensor: &[u8], layout: &Layout) -> Result<Vec<f32>, OnnxError> {
    let (mut found, mut kind, mut raw) = (Vec::new(), 0, &[][..]);
    for field in Fields(tensor) {
        match field.map_err(OnnxError::Broken)? {
            (1, Value::Int(dim)) => found.push(usize::try_from(dim).unwrap_or(usize::MAX)),
            (2, Value::Int(value)) => kind = value,
            (9, Value::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let name = layout.name.clone();
    let wrong = |error| Err(OnnxError::Bundle(BundleError::File(error)));
    if kind != graph::FLOAT {
        return wrong(FileError::WrongType(name, format!("ONNX type {kind}")));
    }
    if found != layout.dims || raw.len() != 4 * layout.dims.iter().product::<usize>() {
        return wrong(FileError::WrongShape { name, expected: layout.dims.clone(), found });
    }
    let (numbers, _) = raw.as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if numbers.iter().all(|value| value.is_finite()) {
        Ok(numbers)
    } else {
        wrong(FileError::NotFinite(name))
    }
}
