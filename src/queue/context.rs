//! What a handler gets: its task, the fence for its writes, progress, and the signals to stop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::settlement::Settlement;
use super::store::{self, Claimed, Lease};
use super::task::TaskState;
use super::{Task, TaskError};

/// A running attempt, as its handler sees it.
#[derive(Debug)]
pub struct Context {
    /// The task.
    pub task: Task,
    pub(super) lease: Lease,
    pub(super) cancelled: CancellationToken,
    stopping: CancellationToken,
    progress: Mutex<Option<(i64, i64)>>,
    completing: AtomicBool,
}

impl Context {
    pub(super) fn new(claimed: Claimed, stopping: CancellationToken) -> Self {
        Self {
            task: claimed.task,
            lease: claimed.lease,
            cancelled: CancellationToken::new(),
            stopping,
            progress: Mutex::new(None),
            completing: AtomicBool::new(false),
        }
    }

    /// The fence: the first statement of every transaction that writes for the task, before the
    /// noun's own rows. Until the transaction ends, nobody can cancel the task or take it over;
    /// keep it short, as the heartbeat waits too.
    ///
    /// # Errors
    ///
    /// [`TaskError::LeaseLost`] when the task was cancelled or belongs to another worker.
    pub async fn hold(&self, connection: &mut PgConnection) -> Result<(), TaskError> {
        if store::hold(connection, self.lease).await? {
            return Ok(());
        }
        Err(self.lose())
    }

    /// Ends the task `succeeded` in the caller's transaction, so that the outcome and the results
    /// appear together. It is a fence as [`Self::hold`] is, and takes the row exclusively: call it
    /// before the noun's own rows are written. Without it the worker settles the task when the
    /// handler returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`TaskError::LeaseLost`] when the task was cancelled or belongs to another worker.
    pub async fn complete(&self, connection: &mut PgConnection) -> Result<(), TaskError> {
        self.completing.store(true, Ordering::Release);
        if store::settle(connection, self.lease, &self.success()).await? {
            return Ok(());
        }
        Err(self.lose())
    }

    /// Reports `done` of `total` units; the next heartbeat writes it. `total` 0 means unknown.
    pub fn progress(&self, done: u64, total: u64) {
        let clamp = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
        *self.progress.lock().expect("no holder panics") = Some((clamp(done), clamp(total)));
    }

    /// Fires when the task was cancelled or its lease is lost: nothing more can be written.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Fires when the worker is asked to stop: checkpoint and return [`TaskError::GiveBack`], or
    /// finish soon.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// The payload as `T`.
    ///
    /// # Errors
    ///
    /// [`TaskError::Fail`] with the code `bad_payload`: no attempt can read it.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, TaskError> {
        T::deserialize(&self.task.payload)
            .with_context(|| format!("the payload of a {} task cannot be read", self.task.kind))
            .map_err(|error| TaskError::Fail { code: "bad_payload".into(), error })
    }

    pub(super) fn reported(&self) -> Option<(i64, i64)> {
        *self.progress.lock().expect("no holder panics")
    }

    /// Whether the handler has called [`Self::complete`], so that the lease may have ended well.
    pub(super) fn completing(&self) -> bool {
        self.completing.load(Ordering::Acquire)
    }

    pub(super) fn success(&self) -> Settlement {
        Settlement { progress: self.reported(), ..Settlement::to(TaskState::Succeeded) }
    }

    fn lose(&self) -> TaskError {
        self.cancelled.cancel();
        TaskError::LeaseLost
    }
}
