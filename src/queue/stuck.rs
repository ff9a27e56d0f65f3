//! Work that goes on although its attempt has ended: a thread cannot be aborted, so its slot is lost, and at last the process.

use std::future::pending;

use metrics::{counter, gauge};
use tokio::time::timeout;

use super::Context;
use super::worker::Shared;
use crate::db::TaskId;

/// Why a worker ended without being asked to: start the process anew.
#[derive(Debug, thiserror::Error)]
#[error("the work of the {kind} task {task} does not stop: only the end of the process ends it")]
pub struct Stuck {
    /// The task.
    pub task: TaskId,
    /// Its kind.
    pub kind: String,
}

/// Waits, with the attempt's slot still taken, for the future and the threads that the attempt has left behind. When
/// they outlast the grace, the worker is asked to end. A worker that stops does not wait: its process ends them.
pub(super) async fn outlast(shared: &Shared, context: &Context) {
    let settings = &shared.settings;
    let outlast = async {
        if timeout(settings.stuck, context.ended()).await.is_ok() {
            return;
        }
        let (task, kind) = (context.task.id, context.task.kind.clone());
        counter!("queue_tasks_stuck_total", "kind" => kind.clone()).increment(1);
        let stuck = gauge!("queue_tasks_stuck", "kind" => kind.clone());
        stuck.increment(1);
        tracing::error!(%task, kind, "the work of a task goes on although the task has ended; its slot is lost");
        if timeout(settings.grace, context.ended()).await.is_err() {
            shared.end(Stuck { task, kind });
            return pending().await;
        }
        stuck.decrement(1);
        tracing::info!(%task, kind, "the work of a task has stopped after all");
    };
    shared.stopping.run_until_cancelled(outlast).await;
}
