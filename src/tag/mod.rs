//! A picture's labels, from a tagger or from the store of earlier answers.

mod imagenet;
mod labels;
mod local;
mod rekognition;
pub mod store;

use serde::{Deserialize, Serialize};

pub use labels::{Label, Labels};
pub use local::Local;
pub use rekognition::{MIN_CONFIDENCE, Rekognition};

use crate::picture::{Limits, Rejection};

/// Which tagger gives the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaggerName {
    /// Amazon Rekognition's `DetectLabels`.
    Rekognition,
    /// A network on the service's own machines that knows the 1,000 classes of `ImageNet`; costs nothing.
    Local,
}

impl TaggerName {
    /// The name under which the tagger's answers are kept.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rekognition => "rekognition",
            Self::Local => "local",
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
}

impl Taggers {
    /// Every tagger.
    pub fn all(&self) -> [&Tagger; 2] {
        [&self.rekognition, &self.local]
    }

    /// The tagger that a job names.
    pub fn named(&self, name: TaggerName) -> &Tagger {
        match name {
            TaggerName::Rekognition => &self.rekognition,
            TaggerName::Local => &self.local,
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
}

impl Tagger {
    /// The name by which jobs ask for this tagger, and under which its answers are kept.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rekognition(_) => TaggerName::Rekognition.name(),
            Self::Local(_) => TaggerName::Local.name(),
        }
    }

    /// The labels of the picture in `bytes`, by one call.
    pub async fn labels(&self, bytes: &[u8], form: Form) -> Result<Labels, TagError> {
        match self {
            Self::Rekognition(rekognition) => rekognition.detect(bytes, form).await,
            Self::Local(local) => local.labels(bytes).await,
        }
    }

    /// Why this tagger could not answer as it is set up, as far as that is known without a call.
    pub async fn fault(&self) -> Option<TagError> {
        match self {
            Self::Rekognition(_) => None,
            Self::Local(local) => local.fault().await,
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
