//! A durable task queue on Postgres; it knows nothing of images.
//!
//! Any number of worker processes share the `tasks` table. A claim gives a task a lease and a
//! token; [`Context::hold`] fences every transaction that writes for the task by that token, so
//! what a paused, slow or cancelled worker still computes is thrown away. Execution is at least
//! once, the recorded outcome exactly once. All time is the database's.

mod context;
mod error;
mod execute;
mod heartbeat;
mod job;
mod listener;
mod outage;
pub mod pace;
mod reaper;
mod settings;
mod settlement;
mod store;
mod stuck;
mod task;
#[cfg(test)]
mod tests;
mod worker;

pub use context::Context;
pub use error::TaskError;
use futures::future::BoxFuture;
pub use job::{JobError, JobStatus, Progress};
pub use settings::Settings;
use sqlx::PgConnection;
pub use store::{cancel, enqueue, unfinished};
pub use stuck::Stuck;
pub use task::{Failure, Lane, NewTask, Task};
pub use worker::Worker;

/// What runs the tasks of one kind.
pub trait Handler: Send + Sync + 'static {
    /// The kind of task that this runs; unique among the handlers of a worker.
    fn kind(&self) -> &'static str;

    /// The lane that this kind is enqueued in.
    fn lane(&self) -> Lane;

    /// Runs one attempt. It may be dropped at any await when the lease is lost or the worker's
    /// stop has passed its deadline; work on other threads watches [`Context::cancelled`] and is
    /// begun by [`Context::spawn_blocking`]. An attempt that gives no sign of life for too long
    /// ([`Context::hold`], [`Context::progress`]) is cancelled, too.
    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>>;

    /// Settles the noun in the transaction that ends the task `failed`: by its own
    /// [`TaskError::Fail`], by its last attempt, or by the reaper after a crash.
    ///
    /// # Errors
    ///
    /// The transaction is rolled back and tried again later.
    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>>;
}
