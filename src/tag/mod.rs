//! A picture's labels, from a tagger or from the store of earlier answers.

mod confidence;
mod imagenet;
mod labels;
mod local;
mod rekognition;
pub mod store;
mod zero_shot;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use labels::{Label, Labels};
pub use local::Local;
pub use rekognition::{MIN_CONFIDENCE, Rekognition};
pub use zero_shot::{SiglipFiles, ZeroShot};

use crate::db::Sha256;
use crate::model::pretrained::PretrainedError;
use crate::picture::{Limits, Rejection};

/// Which tagger gives the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaggerName {
    /// Amazon Rekognition's `DetectLabels`.
    Rekognition,
    /// A network on the service's own machines that knows the 1,000 classes of `ImageNet`; costs nothing.
    Local,
    /// A network on the service's own machines that chooses among the dataset's own class names and search phrases, and
    /// some hundred things that stand beside them on the web; costs nothing.
    ZeroShot,
}

impl TaggerName {
    /// The name by which jobs ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rekognition => "rekognition",
            Self::Local => "local",
            Self::ZeroShot => "zero_shot",
        }
    }

    /// The name under which its answers are kept: those of [`Self::ZeroShot`] apart for each vocabulary, because a
    /// picture that was asked about other phrases has no answer yet.
    pub fn kept_as(self, phrases: &[String]) -> String {
        match self {
            Self::Rekognition | Self::Local => self.name().to_owned(),
            Self::ZeroShot => zero_shot::kept_as(phrases),
        }
    }
}

/// The taggers of a process, built once.
#[derive(Debug, Clone)]
pub struct Taggers {
    /// [`TaggerName::Rekognition`].
    pub rekognition: Tagger,
    /// [`TaggerName::Local`].
    pub local: Tagger,
    /// [`TaggerName::ZeroShot`].
    pub zero_shot: Tagger,
}

impl Taggers {
    /// Every tagger.
    pub fn all(&self) -> [&Tagger; 3] {
        [&self.rekognition, &self.local, &self.zero_shot]
    }

    /// The tagger that a job names, for a dataset whose classes are called and searched by `phrases`.
    pub fn named(&self, name: TaggerName, phrases: &[String]) -> Tagger {
        match name {
            TaggerName::Rekognition => self.rekognition.clone(),
            TaggerName::Local => self.local.clone(),
            TaggerName::ZeroShot => self.zero_shot.among(phrases),
        }
    }
}

/// What says which labels a picture has.
#[derive(Debug, Clone)]
pub enum Tagger {
    /// Amazon Rekognition's `DetectLabels`, or a server that speaks its protocol.
    Rekognition(Rekognition),
    /// A network on this machine.
    Local(Local),
    /// A network on this machine that knows no classes of its own.
    ZeroShot(ZeroShot),
}

impl Tagger {
    /// The name by which jobs ask for this tagger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rekognition(_) => TaggerName::Rekognition.name(),
            Self::Local(_) => TaggerName::Local.name(),
            Self::ZeroShot(_) => TaggerName::ZeroShot.name(),
        }
    }

    /// The name under which its answers are kept.
    pub fn kept_as(&self) -> String {
        match self {
            Self::Rekognition(_) | Self::Local(_) => self.name().to_owned(),
            Self::ZeroShot(zero_shot) => zero_shot.kept_as(),
        }
    }

    /// The same for other phrases, where it is asked about phrases at all.
    fn among(&self, phrases: &[String]) -> Self {
        match self {
            Self::Rekognition(_) | Self::Local(_) => self.clone(),
            Self::ZeroShot(zero_shot) => Self::ZeroShot(zero_shot.among(phrases)),
        }
    }

    /// The picture in `bytes` as it travels to the tagger, without a call.
    pub async fn prepare(&self, bytes: Bytes, form: Form) -> Result<Prepared, TagError> {
        match self {
            Self::Rekognition(rekognition) => rekognition.prepare(bytes, form).await,
            Self::Local(_) | Self::ZeroShot(_) => Ok(Prepared { bytes, form }),
        }
    }

    /// The labels of a picture, by one call.
    pub async fn labels(&self, picture: Prepared) -> Result<Labels, TagError> {
        match self {
            Self::Rekognition(rekognition) => rekognition.detect(picture).await,
            Self::Local(local) => local.labels(&picture.bytes).await,
            Self::ZeroShot(zero_shot) => zero_shot.labels(&picture.bytes).await,
        }
    }

    /// Why this tagger could not answer as it is set up, as far as that is known without a call.
    pub async fn fault(&self) -> Option<TagError> {
        match self {
            Self::Rekognition(_) => None,
            Self::Local(local) => local.fault().await,
            Self::ZeroShot(zero_shot) => zero_shot.fault().await,
        }
    }
}

/// How a picture travels to a tagger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is stored, where the tagger takes its format and size.
    Stored,
    /// Encoded anew.
    Reencoded,
}

/// A picture as it travels to a tagger.
#[derive(Debug, Clone)]
pub struct Prepared {
    bytes: Bytes,
    form: Form,
}

/// Why a tagger gave no labels, by what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Too many calls for now: wait, which costs no attempt.
    #[error("the tagger asks to slow down")]
    Throttled,
    /// The tagger cannot read the stored bytes; encoded anew they may pass.
    #[error("the tagger cannot read these bytes")]
    Unreadable,
    /// This picture will never get labels; it is not clean for that.
    #[error("the tagger cannot read this picture: {code}")]
    Unscannable {
        /// Why, as the verdict carries it.
        code: &'static str,
    },
    /// The account may not call the tagger: no picture will get labels until a person acts.
    #[error("the tagger refuses this account: {message}")]
    AccessDenied {
        /// The tagger's words.
        message: String,
    },
    /// There is nothing to call the tagger with: no picture will get labels until a person acts.
    #[error("no AWS credentials were found")]
    NoCredentials,
    /// The weights of a tagger on this machine are not there, or are others: no picture will get labels until a person
    /// acts.
    #[error("{message}")]
    Weights {
        /// The stable machine code.
        code: &'static str,
        /// What is wrong, and what to set.
        message: String,
    },
    /// The tagger refuses the request itself: a fault of shipshape or of its settings.
    #[error("the tagger refuses the request: {message}")]
    Refused {
        /// The tagger's words.
        message: String,
    },
    /// No answer came in time, or none that can be read: the call may have been paid for. Try again later.
    #[error("the tagger did not answer: {0}")]
    Unanswered(String),
    /// The tagger failed or was not reached: try again later.
    #[error("the tagger is not available: {0}")]
    Unavailable(String),
}

/// What was stored has passed the caps already.
fn generous() -> Limits {
    Limits { max_bytes: usize::MAX, ..Limits::default() }
}

fn unscannable(why: &Rejection) -> TagError {
    TagError::Unscannable { code: why.code() }
}

/// Why there is no network to look with; `hint` says what to set.
fn weightless(error: &PretrainedError, hint: &str) -> TagError {
    let code = match error {
        PretrainedError::Nowhere | PretrainedError::Unavailable(_) => "tagger_weights_missing",
        PretrainedError::Invalid(_) => "tagger_weights_invalid",
    };
    TagError::Weights { code, message: format!("{}; {hint}", error.reason()) }
}

/// A digest as label models name it.
fn short(digest: Sha256) -> String {
    digest.to_string()[..12].to_owned()
}

/// Does what takes a processor's time where it holds nobody up.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TagError> + Send + 'static,
) -> Result<T, TagError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| TagError::Unavailable("the picture was not looked at".to_owned()))?
}
