//! Why the checking of a batch stops before its end.

use std::time::Duration;

use crate::queue::TaskError;

/// How long a batch is put off when the tagger asks to slow down.
const THROTTLED: Duration = Duration::from_secs(2);

/// Why the checking of a batch stops; nothing is said of the images that are left.
#[derive(Debug)]
pub enum Halt {
    /// The tagger asks to slow down.
    Throttled,
    /// Something that passes by itself did not pass within a few tries.
    Passing(anyhow::Error),
    /// The account may not call the tagger.
    Denied(String),
    /// There are no credentials to call the tagger with.
    NoCredentials,
    /// The weights of a tagger on this machine are not there, or are others: the code, and what to set.
    NoWeights(&'static str, String),
    /// The tagger refuses the request itself.
    Refused(String),
    /// The job's budget is used up.
    Budget,
    /// The worker stops, or another image of the batch has halted it.
    Stopped,
}

impl Halt {
    /// Of this reason and an earlier one the one to act on: what no retry mends before what a retry mends.
    #[must_use]
    pub fn or_worse(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) if earlier.rank() >= self.rank() => earlier,
            _ => self,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Throttled => 1,
            Self::Passing(_) => 2,
            Self::Budget => 3,
            Self::Refused(_) => 4,
            Self::Denied(_) | Self::NoCredentials | Self::NoWeights(..) => 5,
        }
    }
}

impl From<Halt> for TaskError {
    fn from(halt: Halt) -> Self {
        let fail = |code: &str, error| Self::Fail { code: code.into(), error };
        match halt {
            Halt::Throttled => {
                Self::Snooze { delay: THROTTLED, reason: "the tagger asks to slow down".into() }
            }
            Halt::Passing(error) => error.into(),
            Halt::Denied(message) => fail(
                "tagger_access_denied",
                anyhow::anyhow!(
                    "{message}: give the account the right rekognition:DetectLabels, then retry the \
                     job; it goes on where it stopped"
                ),
            ),
            Halt::NoCredentials => fail(
                "tagger_credentials_missing",
                anyhow::anyhow!(
                    "no AWS credentials were found: start the service and its workers with \
                     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another of AWS's ways, then retry the \
                     job; a job without the check \"tags\" needs none"
                ),
            ),
            Halt::NoWeights(code, message) => fail(
                code,
                anyhow::anyhow!("{message}; then retry the job, which goes on where it stopped"),
            ),
            Halt::Refused(message) => {
                fail("tagger_refused", anyhow::anyhow!("the tagger refuses the request: {message}"))
            }
            Halt::Budget => fail(
                "budget_exhausted",
                anyhow::anyhow!(
                    "the next tagger call would cost more than budget_usd; a retry with a larger one \
                     (retry?budget_usd=…) goes on where the job stopped"
                ),
            ),
            Halt::Stopped => Self::GiveBack,
        }
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Passing(error.into())
    }
}

impl From<anyhow::Error> for Halt {
    fn from(error: anyhow::Error) -> Self {
        Self::Passing(error)
    }
}
