//! A model taken back from its file: a bundle, or an ONNX file that this program exported.

use candle_core::{Device, Tensor};

use super::architecture::MAX_PARAMETERS;
use super::bundle::{self, Bundle, BundleError};
use super::onnx::{self, OnnxError};
use super::registry::Form;
use super::weights_file::{self, other_format};
use super::{Architecture, Inference};
use crate::db::Sha256;

/// Bytes that a file may have: the weights of the largest network, and 32 MB for a pretrained one and the header.
pub const MAX_BYTES: u64 = MAX_PARAMETERS as u64 * 4 + (32 << 20);

/// Numbers that the layers of a network may give for one picture: half a gigabyte.
const MAX_NUMBERS: usize = 1 << 27;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Another program's file.
    #[error(
        "this looks like {0}; send the file of GET /models/{{id}}/file or of /models/{{id}}/onnx"
    )]
    OtherFormat(&'static str),
    /// Another program's ONNX file.
    #[error("{0}; send the file of GET /models/{{id}}/onnx")]
    Foreign(OnnxError),
    /// The bytes are not those that the client meant to send.
    #[error("the file has the SHA-256 {0}: it is not complete, or not the one that was meant")]
    Digest(Sha256),
    /// The bundle breaks a rule.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The ONNX file breaks a rule.
    #[error(transparent)]
    Onnx(OnnxError),
    /// A single photo would take too much memory.
    #[error("the network's layers give {0} numbers for a picture, more than {MAX_NUMBERS}")]
    TooLarge(usize),
    /// A picture gives no probabilities.
    #[error("the network does not give finite numbers for a picture")]
    NotFinite,
}

impl ImportError {
    /// The stable machine code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherFormat(_) | Self::Foreign(_) => "unsupported_media_type",
            Self::Digest(_) => "checksum_mismatch",
            Self::Bundle(_) => "invalid_model",
            Self::Onnx(_) => "invalid_onnx",
            Self::TooLarge(_) => "network_too_large",
            Self::NotFinite => "model_gives_no_numbers",
        }
    }
}

/// A model that has passed every check.
#[derive(Debug)]
pub struct Imported {
    /// What its file says of itself.
    pub metadata: bundle::Metadata,
    /// The form that it came in.
    pub form: Form,
    /// The bytes of its bundle.
    pub file: Vec<u8>,
}

/// Reads a file and checks all that can be checked without its dataset: digest, format, limits, names, shapes, every
/// number, and that a picture gives probabilities. Takes a second for the largest: call it off the async threads.
///
/// # Errors
/// The first rule that the bytes break; hostile bytes never panic.
pub fn read(bytes: Vec<u8>, expected: Option<Sha256>) -> Result<Imported, ImportError> {
    let found = Sha256::of(&bytes);
    if expected.is_some_and(|expected| expected != found) {
        return Err(ImportError::Digest(found));
    }
    let (bundle, form, file) = match other_format(&bytes) {
        Some(weights_file::ONNX) => {
            let bundle = onnx::import(&bytes).map_err(|error| match error {
                OnnxError::Foreign(_) => ImportError::Foreign(error),
                error => ImportError::Onnx(error),
            })?;
            drop(bytes);
            let file = bundle.save();
            (bundle, Form::Onnx, file)
        }
        Some(format) => return Err(ImportError::OtherFormat(format)),
        None => (Bundle::read(&bytes)?, Form::Bundle, bytes),
    };
    let metadata = bundle.metadata.clone();
    check_answer(bundle)?;
    Ok(Imported { metadata, form, file })
}

/// Bounds the memory that a photo takes.
fn check_size(architecture: &Architecture) -> Result<(), ImportError> {
    let numbers = architecture.nodes().iter().map(|node| node.output.len()).sum();
    if numbers > MAX_NUMBERS {
        return Err(ImportError::TooLarge(numbers));
    }
    Ok(())
}

/// Classifies a picture that is no photo, to see that numbers come out.
fn check_answer(bundle: Bundle) -> Result<(), ImportError> {
    check_size(&bundle.metadata.architecture)?;
    let inference = Inference::new(bundle);
    let Architecture { image_size: size, .. } = *inference.architecture();
    let pixels: Vec<f32> = (0..size * size * 3).map(|at| (at % 256) as f32 / 255.0).collect();
    let probabilities = Tensor::from_vec(pixels, (1, size, size, 3), &Device::Cpu)
        .and_then(|picture| inference.probabilities(&picture)?.flatten_all()?.to_vec1::<f32>());
    match probabilities {
        Ok(all) if all.iter().all(|probability| probability.is_finite()) => Ok(()),
        _ => Err(ImportError::NotFinite),
    }
}

#[cfg(test)]
mod tests {
    use super::super::architecture::tests::{tiny, tiny_head, tiny_residual};
    use super::super::bundle::tests::bundle;
    use super::*;

    fn refused(bytes: Vec<u8>) -> &'static str {
        read(bytes, None).unwrap_err().code()
    }

    #[test]
    fn a_bundle_comes_back_as_it_is_and_an_onnx_file_as_the_bundle_that_it_came_from() {
        for architecture in [tiny(), tiny_residual(), tiny_head()] {
            let file = bundle(&architecture).save();
            let back = read(file.clone(), Some(Sha256::of(&file))).unwrap();
            assert!(back.file == file && back.form == Form::Bundle);
            let back = read(onnx::export(&bundle(&architecture), "a model"), None).unwrap();
            assert!(back.file == file && back.form == Form::Onnx);
        }
    }

    #[test]
    fn what_is_not_ours_is_refused_with_a_code_of_its_own() {
        let file = bundle(&tiny()).save();
        let other = Some(Sha256::of(b"other"));
        assert_eq!(read(file.clone(), other).unwrap_err().code(), "checksum_mismatch");
        assert_eq!(refused(b"PK\x03\x04 a pytorch file".to_vec()), "unsupported_media_type");
        assert_eq!(refused(b"\x80\x02 a pickle".to_vec()), "unsupported_media_type");
        assert_eq!(refused(b"\x08\x08\x12\x07pytorch".to_vec()), "unsupported_media_type");
        assert_eq!(refused(file[..file.len() - 2].to_vec()), "invalid_model");
        assert_eq!(refused(Vec::new()), "invalid_model");
        let onnx = onnx::export(&bundle(&tiny()), "a model");
        assert_eq!(refused(onnx[..onnx.len() - 20].to_vec()), "invalid_onnx");
    }

    #[test]
    fn finite_weights_that_give_no_probabilities_are_found_out() {
        let mut huge = bundle(&tiny());
        huge.network.variables_mut().iter_mut().for_each(|v| v.data.fill(f32::MAX / 2.0));
        assert_eq!(refused(huge.save()), "model_gives_no_numbers");
        let mut negative = bundle(&tiny_residual());
        let variables = negative.network.variables_mut().iter_mut();
        variables.filter(|v| v.name.ends_with("variance")).for_each(|v| v.data.fill(-1.0));
        assert_eq!(refused(negative.save()), "invalid_model");
    }

    #[test]
    fn networks_that_take_too_much_memory_for_a_photo_are_refused() {
        let original = Architecture::default();
        assert!(check_size(&original).is_ok());
        let wide = Architecture { image_size: 512, conv: vec![640], ..tiny_residual() };
        assert_eq!(wide.check(), Ok(()), "it has few weights");
        assert!(matches!(check_size(&wide), Err(ImportError::TooLarge(_))));
    }
}
