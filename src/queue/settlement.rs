//! Where a running task goes when its attempt ends.

use std::time::Duration;

use super::Failure;
use super::task::TaskState;

/// Where a running task goes from here.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) state: TaskState,
    /// The attempt is returned: what ended it was not the task's fault.
    pub(super) free: bool,
    pub(super) snoozed: bool,
    pub(super) delay: Duration,
    /// 1 spreads the delay over half to one and a half times itself, so that tasks that failed
    /// together do not return together; 0 keeps it.
    pub(super) spread: f64,
    pub(super) failure: Option<Failure>,
    pub(super) progress: Option<(i64, i64)>,
}

impl Settlement {
    /// `state` now, at the cost of the attempt.
    pub(super) fn to(state: TaskState) -> Self {
        Self {
            state,
            free: false,
            snoozed: false,
            delay: Duration::ZERO,
            spread: 0.0,
            failure: None,
            progress: None,
        }
    }
}
