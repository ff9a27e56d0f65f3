//! A picture's labels, from a tagger or from the store of earlier answers.

mod labels;
mod rekognition;
pub mod store;

pub use labels::{Label, Labels};
pub use rekognition::{MIN_CONFIDENCE, Rekognition};

/// What says which labels a picture has.
#[derive(Debug, Clone)]
pub enum Tagger {
    /// Amazon Rekognition's `DetectLabels`, or a server that speaks its protocol.
    Rekognition(Rekognition),
}

impl Tagger {
    /// The name by which jobs ask for this tagger, and under which its answers are kept.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rekognition(_) => "rekognition",
        }
    }

    /// The labels of the picture in `bytes`, by one call.
    pub async fn labels(&self, bytes: &[u8], form: Form) -> Result<Labels, TagError> {
        match self {
            Self::Rekognition(rekognition) => rekognition.detect(bytes, form).await,
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
