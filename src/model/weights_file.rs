//! Named `f32` arrays with one JSON document in a safetensors file, written deterministically and
//! read with suspicion.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Bytes that the header (names, shapes, JSON document) may have.
const MAX_HEADER: u64 = 1 << 20;

/// The metadata key under which the JSON document stands.
const DOCUMENT: &str = "shipshape";

/// Why a weights file was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FileError {
    /// Another kind of file, such as a pickle or an ONNX model.
    #[error("not a safetensors file: it looks like {0}")]
    OtherFormat(&'static str),
    /// The safetensors structure is broken.
    #[error("broken safetensors file: {0}")]
    Broken(String),
    /// The header is larger than one that this program writes.
    #[error("the header is larger than {MAX_HEADER} bytes")]
    HeaderTooLarge,
    /// There is no JSON document, or it is not the expected one.
    #[error("the file's description is missing or wrong: {0}")]
    Document(String),
    /// A variable of the network is not in the file.
    #[error("tensor `{0}` is missing")]
    Missing(String),
    /// The file has a tensor that the network has not.
    #[error("tensor `{0}` is not one of this network's")]
    Extra(String),
    /// A tensor is not `f32`.
    #[error("tensor `{0}` is {1}, not F32")]
    WrongType(String, String),
    /// A tensor has another shape than the network's.
    #[error("tensor `{name}` has shape {found:?}, not {expected:?}")]
    WrongShape {
        /// The tensor.
        name: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's shape.
        found: Vec<usize>,
    },
    /// A tensor holds NaN or infinity.
    #[error("tensor `{0}` holds a number that is not finite")]
    NotFinite(String),
}

/// A name, a shape and numbers to be written.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Unique in the file.
    pub name: String,
    /// Rows first.
    pub shape: &'a [usize],
    /// As many numbers as the shape says.
    pub data: &'a [f32],
}

/// The bytes of a file: the same bytes for the same content.
pub fn write(document: &str, entries: &[Entry<'_>]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = entries.iter().map(|entry| to_bytes(entry.data)).collect();
    let views = entries.iter().zip(&bytes).map(|(entry, bytes)| {
        let view = TensorView::new(Dtype::F32, entry.shape.to_vec(), bytes);
        (entry.name.as_str(), view.expect("an entry has as many numbers as its shape says"))
    });
    // One key only: a map of several would be written in random order.
    let metadata = HashMap::from([(DOCUMENT.to_owned(), document.to_owned())]);
    safetensors::serialize(views, Some(metadata)).expect("finite shapes always serialize")
}

fn to_bytes(data: &[f32]) -> Vec<u8> {
    data.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A parsed file whose tensors have not been looked at yet.
#[derive(Debug)]
pub struct WeightsFile<'a> {
    /// The JSON document.
    pub document: String,
    tensors: SafeTensors<'a>,
}

impl<'a> WeightsFile<'a> {
    /// Parses the header; never panics and allocates no more than the header asks for.
    ///
    /// # Errors
    /// When the bytes are not a well-formed safetensors file with a JSON document.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FileError> {
        if let Some(format) = other_format(bytes) {
            return Err(FileError::OtherFormat(format));
        }
        let length = bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        if length.is_some_and(|length| length > MAX_HEADER) {
            return Err(FileError::HeaderTooLarge);
        }
        let broken = |error: safetensors::SafeTensorError| FileError::Broken(error.to_string());
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let document = metadata.metadata().as_ref().and_then(|map| map.get(DOCUMENT));
        let document = document.ok_or_else(|| FileError::Document("it is not there".into()))?;
        Ok(Self { document: document.clone(), tensors })
    }

    /// The numbers of exactly these tensors, in this order.
    ///
    /// # Errors
    /// Names the first tensor that is missing, extra, of another type or shape, or not finite.
    pub fn read(&self, expected: &[(String, Vec<usize>)]) -> Result<Vec<Vec<f32>>, FileError> {
        let mut names = self.tensors.names();
        names.sort_unstable();
        let known = |name: &str| expected.iter().any(|(expected, _)| expected == name);
        if let Some(extra) = names.into_iter().find(|name| !known(name)) {
            return Err(FileError::Extra(extra.to_owned()));
        }
        expected.iter().map(|(name, shape)| self.read_one(name, shape)).collect()
    }

    fn read_one(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FileError> {
        let view = self.tensors.tensor(name).map_err(|_| FileError::Missing(name.to_owned()))?;
        if view.dtype() != Dtype::F32 {
            return Err(FileError::WrongType(name.to_owned(), view.dtype().to_string()));
        }
        if view.shape() != shape {
            let (expected, found) = (shape.to_vec(), view.shape().to_vec());
            return Err(FileError::WrongShape { name: name.to_owned(), expected, found });
        }
        let (numbers, _) = view.data().as_chunks::<4>();
        let data: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if data.iter().all(|value| value.is_finite()) {
            Ok(data)
        } else {
            Err(FileError::NotFinite(name.to_owned()))
        }
    }
}

/// What [`other_format`] calls an ONNX file.
pub(super) const ONNX: &str = "ONNX";

/// The name of a well-known format that is not safetensors.
pub(super) fn other_format(bytes: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 4] = [
        (b"PK\x03\x04", "a zip archive (PyTorch, Keras)"),
        (b"\x89HDF", "HDF5 (Keras)"),
        (b"GGUF", "GGUF"),
        (b"ggml", "ggml"),
    ];
    let pickle = bytes.len() > 1 && bytes[0] == 0x80 && (2..=5).contains(&bytes[1]);
    // A safetensors header length can begin with any byte, but its header begins with a brace.
    let safetensors = bytes.get(8) == Some(&b'{');
    if safetensors {
        return None;
    }
    let known = known.into_iter().find(|(magic, _)| bytes.starts_with(magic));
    // The IR version and the producer's name, which every exporter writes first.
    let onnx = matches!(bytes, [0x08, 3..=16, 0x12, ..]);
    let known = known.map(|(_, name)| name).or(onnx.then_some(ONNX));
    known.or(pickle.then_some("a pickle (PyTorch)"))
}
