//! How an attempt ends when it does not succeed: the task decides whether retrying can help.

use std::time::Duration;

use crate::db;

/// How long a task waits for a database that is away or chose it as a conflict's victim.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Why an attempt did not succeed.
#[derive(Debug)]
pub enum TaskError {
    /// Another attempt may succeed; it comes after an exponential backoff, until they run out.
    Retry(anyhow::Error),
    /// It is too early (a throttle, an outage): run again after `delay`; costs no attempt.
    Snooze {
        /// How long to wait.
        delay: Duration,
        /// Why, for the log and the row.
        reason: String,
    },
    /// No attempt can succeed: the task ends `failed` now.
    Fail {
        /// A stable machine name.
        code: String,
        /// What happened.
        error: anyhow::Error,
    },
    /// The worker is stopping: the task is available to others at once; costs no attempt.
    GiveBack,
    /// The task was cancelled or belongs to another worker by now: what was computed is dropped.
    LeaseLost,
}

/// A database error that passes by itself is a snooze, so that an outage burns no attempt.
impl From<sqlx::Error> for TaskError {
    fn from(error: sqlx::Error) -> Self {
        if db::is_transient(&error) {
            return Self::Snooze { delay: DATABASE_PAUSE, reason: error.to_string() };
        }
        Self::Retry(error.into())
    }
}

/// A retry, unless the cause is a database error that passes by itself.
impl From<anyhow::Error> for TaskError {
    fn from(error: anyhow::Error) -> Self {
        let outage = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<sqlx::Error>())
            .any(db::is_transient);
        if outage {
            return Self::Snooze { delay: DATABASE_PAUSE, reason: format!("{error:#}") };
        }
        Self::Retry(error)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_outage_under_any_context_is_a_snooze() {
        let outage = Err::<(), _>(sqlx::Error::PoolTimedOut).context("counting images");
        assert!(matches!(TaskError::from(outage.unwrap_err()), TaskError::Snooze { .. }));
        assert!(matches!(TaskError::from(sqlx::Error::PoolTimedOut), TaskError::Snooze { .. }));
    }

    #[test]
    fn any_other_error_is_a_retry() {
        assert!(matches!(TaskError::from(sqlx::Error::RowNotFound), TaskError::Retry(_)));
        assert!(matches!(TaskError::from(anyhow::anyhow!("odd")), TaskError::Retry(_)));
    }
}
