//! The complete state of a run at the end of an epoch, as bytes.

use serde::{Deserialize, Serialize};

use super::trainer::Setup;
use crate::model::architecture::VariableSpec;
use crate::model::bundle::sha256;
use crate::model::network::Network;
use crate::model::weights_file::{self, Entry, FileError, WeightsFile};
use crate::nn::adam::Moments;

/// Changes with every change of the arithmetic: a run is not resumed across it.
const CODE_VERSION: u32 = 1;

/// What a checkpoint says besides its numbers. Data order, masks and augmentation follow from the
/// seed and the epoch, so no generator state is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    code_version: u32,
    config_sha256: String,
    epoch: u32,
    step: u64,
}

/// Why a checkpoint cannot be resumed from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// The file or one of its tensors is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was written by another version of the arithmetic.
    #[error("the checkpoint was written by another version of this program")]
    Version,
    /// It belongs to another recipe, seed or snapshot.
    #[error("the checkpoint belongs to another recipe, seed or snapshot")]
    Config,
}

/// The state that a checkpoint holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) network: Network,
    pub(super) moments: Vec<Moments>,
    pub(super) epoch: u32,
    pub(super) step: u64,
}

/// The digest of everything that decides a run's result.
fn config_sha256(setup: &Setup) -> String {
    sha256(serde_json::to_string(setup).expect("plain data serializes").as_bytes())
}

impl State {
    /// The bytes: the same for the same state.
    pub(super) fn save(&self, setup: &Setup) -> Vec<u8> {
        let header = Header {
            code_version: CODE_VERSION,
            config_sha256: config_sha256(setup),
            epoch: self.epoch,
            step: self.step,
        };
        let document = serde_json::to_string(&header).expect("plain data serializes");
        let variables = self.network.variables().iter().zip(&self.moments);
        let entries: Vec<_> = variables
            .flat_map(|(variable, moments)| {
                let parts = [("w", &variable.data), ("m", &moments.first), ("v", &moments.second)];
                parts.map(|(part, data)| Entry {
                    name: format!("{part}/{}", variable.name),
                    shape: &variable.shape,
                    data,
                })
            })
            .collect();
        weights_file::write(&document, &entries)
    }

    /// Restores a state into a network of the same architecture.
    ///
    /// # Errors
    /// When the bytes are broken or belong to another run.
    pub(super) fn open(
        bytes: &[u8],
        setup: &Setup,
        network: Network,
    ) -> Result<Self, CheckpointError> {
        let file = WeightsFile::parse(bytes)?;
        let header: Header = serde_json::from_str(&file.document)
            .map_err(|error| FileError::Document(error.to_string()))?;
        if header.code_version != CODE_VERSION {
            return Err(CheckpointError::Version);
        }
        if header.config_sha256 != config_sha256(setup) {
            return Err(CheckpointError::Config);
        }
        let specs = network.architecture().variables();
        let named = |spec: &VariableSpec| {
            ["w", "m", "v"].map(|part| (format!("{part}/{}", spec.name), spec.shape.clone()))
        };
        let expected: Vec<_> = specs.iter().flat_map(named).collect();
        let mut numbers = file.read(&expected)?.into_iter();
        let mut state =
            Self { network, moments: Vec::new(), epoch: header.epoch, step: header.step };
        for variable in state.network.variables_mut() {
            let mut next = || numbers.next().expect("three arrays per variable were read");
            variable.data = next();
            state.moments.push(Moments { first: next(), second: next() });
        }
        Ok(state)
    }
}
