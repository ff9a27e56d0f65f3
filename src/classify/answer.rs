//! What `/classify` answers, and why it may not.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::ModelId;
use crate::picture::Rejection;

/// What a model says of a photo.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Answer {
    /// The most probable class.
    pub class: String,
    /// Its probability, 0 to 1.
    pub probability: f32,
    /// The classes, most probable first.
    pub probabilities: Vec<ClassProbability>,
    /// Whether the model is less sure than of 99 in 100 pictures that it was measured on: the photo may show
    /// something else. A confident answer is no proof that it does not.
    pub unfamiliar: bool,
    /// The model that answered.
    pub model_id: ModelId,
    /// Name of the dataset that it was trained on.
    pub dataset: String,
    /// Where the time went.
    pub timings_ms: Timings,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClassProbability {
    /// Name of the class.
    pub class: String,
    /// 0 to 1; all classes together give 1.
    pub probability: f32,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Timings {
    /// From bytes to the network's input.
    pub decode: f64,
    /// Through the network.
    pub infer: f64,
    /// From the last byte of the photo on, waiting for a turn included.
    pub total: f64,
}

/// Milliseconds to the microsecond.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// As many photos wait as may.
    #[error("too many photos wait for an answer")]
    Busy,
    /// Nothing was activated, for this dataset or at all.
    #[error("no model is active")]
    NoActiveModel,
    /// There is no such model.
    #[error("there is no such model")]
    UnknownModel,
    /// The bytes are no picture that can be answered for.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The model's file is missing or is not what was published.
    #[error("the model cannot be used: {0:#}")]
    Unusable(anyhow::Error),
    /// The database or the blob store does not answer, or we made a mistake.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<sqlx::Error> for ClassifyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}
