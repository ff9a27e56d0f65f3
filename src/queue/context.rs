//! What a handler gets: its task, the fence for its writes, progress, and the signals to stop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    /// The last sign of life.
    alive: Mutex<Instant>,
    silent: AtomicBool,
    /// The handler's future and its threads.
    pub(super) work: TaskTracker,
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
            alive: Mutex::new(Instant::now()),
            silent: AtomicBool::new(false),
            work: TaskTracker::new(),
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
        self.live();
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
        self.live();
        self.completing.store(true, Ordering::Release);
        if store::settle(connection, self.lease, &self.success()).await? {
            return Ok(());
        }
        Err(self.lose())
    }

    /// Reports `done` of `total` units; the next heartbeat writes it. `total` 0 means unknown.
    pub fn progress(&self, done: u64, total: u64) {
        self.live();
        let clamp = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
        *self.progress.lock().expect("no holder panics") = Some((clamp(done), clamp(total)));
    }

    /// Runs `work` on a thread of its own, which counts as this attempt's: nothing else takes the attempt's slot until
    /// it ends. Nobody can abort it, so work of more than some seconds watches [`Self::cancelled`].
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.work.spawn_blocking(work)
    }

    /// Fires when the task was cancelled, its lease is lost, or it gave no sign of life for too long: stop.
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

    /// Cancels the attempt when its last sign of life is longer ago than `silence`.
    pub(super) fn check_silence(&self, silence: Duration) {
        let silent = self.alive.lock().expect("no holder panics").elapsed() > silence;
        if silent && !self.silent.swap(true, Ordering::AcqRel) {
            tracing::error!(
                task = %self.task.id, kind = self.task.kind, subject = %self.task.subject,
                "a task gave no sign of life for too long, and is cancelled"
            );
            self.cancelled.cancel();
        }
    }

    /// Whether it was cancelled for its silence.
    pub(super) fn was_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }

    /// Waits until neither the handler's future nor any of its threads is left.
    pub(super) async fn ended(&self) {
        self.work.close();
        self.work.wait().await;
    }

    pub(super) fn success(&self) -> Settlement {
        Settlement { progress: self.reported(), ..Settlement::to(TaskState::Succeeded) }
    }

    fn live(&self) {
        *self.alive.lock().expect("no holder panics") = Instant::now();
    }

    fn lose(&self) -> TaskError {
        self.cancelled.cancel();
        TaskError::LeaseLost
    }
}
