//! The complete state of a run at the end of an epoch, as bytes.

use serde::{Deserialize, Serialize};

use super::stopping::Best;
use super::trainer::Setup;
use crate::model::bundle::sha256;
use crate::model::network::Network;
use crate::model::weights_file::{self, Entry, FileError, WeightsFile};
use crate::nn::optimizer::Moments;

/// Changes with every change of the arithmetic: nothing is resumed across it.
pub(crate) const CODE_VERSION: u32 = 5;

/// What a checkpoint says besides its numbers. Data order, masks and augmentation follow from the
/// seed and the epoch, so no generator state is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    code_version: u32,
    config_sha256: String,
    epoch: u32,
    step: u64,
    /// The best epoch so far and the bits of its test loss, where the run may stop early.
    best: Option<(u32, u64)>,
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
    /// The moving average of the network, where the recipe asks for one.
    pub(super) average: Option<Network>,
    pub(super) moments: Vec<Moments>,
    pub(super) epoch: u32,
    pub(super) step: u64,
    pub(super) best: Option<Best>,
}

/// The digest of everything that decides a run's result.
fn config_sha256(setup: &Setup) -> String {
    sha256(serde_json::to_string(setup).expect("plain data serializes").as_bytes())
}

/// The arrays of one variable by the letter before its name; empty ones are not stored.
fn parts<'a>(
    data: &'a [f32],
    moments: &'a Moments,
    average: Option<&'a [f32]>,
    best: Option<&'a [f32]>,
) -> impl Iterator<Item = (&'static str, &'a [f32])> {
    let parts = [("w", data), ("m", &moments.first), ("v", &moments.second)];
    let optional = [("a", average), ("b", best)].into_iter();
    let optional = optional.filter_map(|(part, data)| Some((part, data?)));
    parts.into_iter().chain(optional).filter(|(_, data)| !data.is_empty())
}

impl State {
    /// The network that is evaluated, and in the end published.
    pub(super) fn published(&self) -> &Network {
        self.average.as_ref().unwrap_or(&self.network)
    }

    /// Lets the average, if there is one, follow the network after a step. It keeps less of itself
    /// in the first steps, as TensorFlow's does, so that the random start is soon forgotten.
    pub(super) fn follow(&mut self, decay: f64) {
        let Some(average) = &mut self.average else { return };
        let steps = self.step as f64;
        let kept = decay.min((1.0 + steps) / (10.0 + steps)) as f32;
        let variables = average.variables_mut().iter_mut().zip(self.network.variables());
        for (average, variable) in variables {
            for (average, value) in average.data.iter_mut().zip(&variable.data) {
                *average += (1.0 - kept) * (value - *average);
            }
        }
    }

    /// The bytes: the same for the same state.
    pub(super) fn save(&self, setup: &Setup) -> Vec<u8> {
        let header = Header {
            code_version: CODE_VERSION,
            config_sha256: config_sha256(setup),
            epoch: self.epoch,
            step: self.step,
            best: self.best.as_ref().map(|best| (best.epoch, best.loss.to_bits())),
        };
        let document = serde_json::to_string(&header).expect("plain data serializes");
        let best = self.best.as_ref().and_then(|best| best.variables.as_ref());
        let average = self.average.as_ref().map(Network::variables);
        let variables = self.network.variables().iter().zip(&self.moments).enumerate();
        let entries: Vec<_> = variables
            .flat_map(|(at, (variable, moments))| {
                let average = average.map(|average| &average[at].data[..]);
                let best = best.map(|best| &best[at][..]);
                parts(&variable.data, moments, average, best).map(|(part, data)| Entry {
                    name: format!("{part}/{}", variable.name),
                    shape: &variable.shape,
                    data,
                })
            })
            .collect();
        weights_file::write(&document, &entries)
    }

    /// Restores a state into `self`, which is that of the same run's beginning.
    ///
    /// # Errors
    /// When the bytes are broken or belong to another run.
    pub(super) fn open(mut self, bytes: &[u8], setup: &Setup) -> Result<Self, CheckpointError> {
        let file = WeightsFile::parse(bytes)?;
        let header: Header = serde_json::from_str(&file.document)
            .map_err(|error| FileError::Document(error.to_string()))?;
        if header.code_version != CODE_VERSION {
            return Err(CheckpointError::Version);
        }
        if header.config_sha256 != config_sha256(setup) {
            return Err(CheckpointError::Config);
        }
        let restores = setup.recipe.early_stopping.is_some_and(|stopping| stopping.restore_best);
        let keeps_best = restores && header.best.is_some();
        let mut expected = Vec::new();
        for (variable, moments) in self.network.variables().iter().zip(&self.moments) {
            let best = keeps_best.then_some(&variable.data[..]);
            let average = self.average.as_ref().map(|_| &variable.data[..]);
            let parts = parts(&variable.data, moments, average, best);
            expected
                .extend(parts.map(|(part, _)| {
                    (format!("{part}/{}", variable.name), variable.shape.clone())
                }));
        }
        let mut numbers = file.read(&expected)?.into_iter();
        let mut next = || numbers.next().expect("as many arrays were read");
        let mut best = Vec::new();
        let variables = self.network.variables_mut().iter_mut().zip(&mut self.moments);
        for (at, (variable, moments)) in variables.enumerate() {
            variable.data = next();
            for moment in [&mut moments.first, &mut moments.second] {
                if !moment.is_empty() {
                    *moment = next();
                }
            }
            if let Some(average) = &mut self.average {
                average.variables_mut()[at].data = next();
            }
            best.extend(keeps_best.then(&mut next));
        }
        self.best = header.best.map(|(epoch, loss)| {
            let variables = keeps_best.then_some(best);
            Best { epoch, loss: f64::from_bits(loss), variables }
        });
        (self.epoch, self.step) = (header.epoch, header.step);
        Ok(self)
    }
}
