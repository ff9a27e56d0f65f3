//! One model in one file: weights and everything needed to use and to trace them.

pub(super) mod backbone;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::architecture::{Architecture, FieldError, Role};
use super::network::{Network, Variable};
use super::weights_file::{self, Entry, FileError, WeightsFile};
use crate::db::Sha256;
use crate::nn::backbone::Backbone;

/// The version of the file's description that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// What a model file says of itself besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The network.
    pub architecture: Architecture,
    /// The class names in the order of the output layer.
    pub classes: Vec<String>,
    /// Name and version of the transform that turns a picture into the network's input.
    pub transform: String,
    /// The snapshot that was trained on.
    pub snapshot_id: String,
    /// The run's seed.
    pub seed: u64,
    /// The run's recipe, as JSON.
    pub recipe: serde_json::Value,
    /// Below this probability of its class a picture is called unfamiliar; older files do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfamiliar_below: Option<f32>,
    /// The published weights file of the pretrained network whose features the network takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<Sha256>,
}

/// Why a model file was refused.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum BundleError {
    /// The bytes are not those that were published.
    #[error("sha256 is {found}, not {expected}")]
    Digest {
        /// What the registry says.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// The file or one of its tensors is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is of a version that this program cannot read.
    #[error("format version {0}, this program reads {FORMAT_VERSION}")]
    Version(u32),
    /// The description asks for a network outside the limits.
    #[error("{}: {}", .0.field, .0.message)]
    Architecture(FieldError),
    /// The class names do not fit the output layer.
    #[error("{names} class names for {outputs} outputs, or a name twice")]
    Classes {
        /// How many names there are.
        names: usize,
        /// How many outputs the network has.
        outputs: usize,
    },
    /// There is a pretrained network where none belongs, or the other way round.
    #[error(
        "`backbone` must name a pretrained network's weights for the family mobilenet_v4_small, and for no other"
    )]
    Backbone,
    /// The limit of unfamiliar pictures is no probability.
    #[error("`unfamiliar_below` must be between 0 and 1")]
    Unfamiliar,
    /// A variance is negative.
    #[error("tensor `{0}` holds a negative variance")]
    NegativeVariance(String),
    /// A weight matrix is all zeros: it was never trained.
    #[error("tensor `{0}` is all zeros")]
    AllZero(String),
}

/// A model as one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What the file says of itself.
    pub metadata: Metadata,
    /// The network with its weights.
    pub network: Network,
    /// The pretrained network whose features it takes, where [`Metadata::backbone`] names one.
    pub backbone: Option<Arc<Backbone>>,
}

/// The sha256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

impl Bundle {
    /// The file's bytes: the same for the same model.
    pub fn save(&self) -> Vec<u8> {
        let document = serde_json::to_string(&self.metadata).expect("plain data serializes");
        let pretrained = self.backbone.as_deref().map(backbone::variables).unwrap_or_default();
        let variables = self.network.named().into_iter().chain(&pretrained);
        weights_file::write(&document, &variables.map(entry).collect::<Vec<_>>())
    }

    /// Reads and verifies a file: digest, format, limits, names, shapes, type and every number.
    ///
    /// # Errors
    /// The first rule that the bytes break; hostile bytes never panic.
    pub fn open(bytes: &[u8], expected_sha256: &str) -> Result<Self, BundleError> {
        let found = sha256(bytes);
        if found != expected_sha256 {
            return Err(BundleError::Digest { expected: expected_sha256.to_owned(), found });
        }
        Self::read(bytes)
    }

    /// [`Self::open`] for bytes of which nobody knows the digest.
    ///
    /// # Errors
    /// The first rule that the bytes break; hostile bytes never panic.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let file = WeightsFile::parse(bytes)?;
        let metadata = Self::metadata(&file.document)?;
        let specs = metadata.architecture.variables();
        let mut expected: Vec<_> = specs.into_iter().map(|spec| (spec.name, spec.shape)).collect();
        if metadata.backbone.is_some() {
            expected.extend(backbone::specs());
        }
        let data = file.read(&expected)?;
        Self::with_weights(metadata, data)
    }

    /// The model with these finite weights, in the order and shapes of [`Architecture::variables`]; those of a
    /// pretrained network follow, where the description names one.
    ///
    /// # Errors
    /// When a weight matrix is all zeros, or a variance negative.
    pub(super) fn with_weights(
        metadata: Metadata,
        weights: Vec<Vec<f32>>,
    ) -> Result<Self, BundleError> {
        let (mut variables, mut weights) = (Vec::new(), weights.into_iter());
        for (spec, data) in metadata.architecture.variables().into_iter().zip(weights.by_ref()) {
            if matches!(spec.role, Role::Weight(_)) {
                check_zeros(&spec.name, &data)?;
            }
            if spec.role == Role::Variance && data.iter().any(|value| *value < 0.0) {
                return Err(BundleError::NegativeVariance(spec.name));
            }
            variables.push(Variable { name: spec.name, shape: spec.shape, data });
        }
        let pretrained: Vec<Vec<f32>> = weights.collect();
        for ((name, shape), data) in backbone::specs().iter().zip(&pretrained) {
            if shape.len() > 1 {
                check_zeros(name, data)?;
            }
        }
        let backbone = metadata.backbone.map(|_| Arc::new(backbone::from_data(pretrained)));
        let network = Network::with_variables(&metadata.architecture, variables);
        Ok(Self { metadata, network, backbone })
    }

    /// Reads and checks a file's description.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn metadata(document: &str) -> Result<Metadata, BundleError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let wrong = |error: serde_json::Error| FileError::Document(error.to_string());
        let version: Version = serde_json::from_str(document).map_err(wrong)?;
        if version.format_version != FORMAT_VERSION {
            return Err(BundleError::Version(version.format_version));
        }
        let metadata: Metadata = serde_json::from_str(document).map_err(wrong)?;
        let first = |mut errors: Vec<FieldError>| BundleError::Architecture(errors.remove(0));
        metadata.architecture.check().map_err(first)?;
        let mut names = metadata.classes.clone();
        names.sort_unstable();
        names.dedup();
        let outputs = metadata.architecture.classes;
        if metadata.classes.len() != outputs || names.len() != outputs {
            return Err(BundleError::Classes { names: metadata.classes.len(), outputs });
        }
        if metadata.backbone.is_some() != metadata.architecture.family.is_over_pretrained() {
            return Err(BundleError::Backbone);
        }
        if metadata.unfamiliar_below.is_some_and(|below| !(0.0..=1.0).contains(&below)) {
            return Err(BundleError::Unfamiliar);
        }
        Ok(metadata)
    }
}

fn check_zeros(name: &str, data: &[f32]) -> Result<(), BundleError> {
    if data.iter().all(|value| *value == 0.0) {
        return Err(BundleError::AllZero(name.to_owned()));
    }
    Ok(())
}

fn entry(variable: &Variable) -> Entry<'_> {
    Entry { name: variable.name.clone(), shape: &variable.shape, data: &variable.data }
}

#[cfg(test)]
pub(crate) mod tests;
