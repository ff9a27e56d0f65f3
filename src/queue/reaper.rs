//! Takes tasks from workers that died, ends the hopeless ones, and deletes old finished ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use sqlx::{Acquire as _, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::execute::fail_noun;
use super::store;
use super::worker::Shared;
use super::{Failure, Task};
use crate::db::TaskId;

/// Sweeps until `shutdown`; of all workers on the database one sweeps at a time.
pub(super) async fn reap(shared: Arc<Shared>, shutdown: CancellationToken) {
    let sweeps = async {
        let mut last = Instant::now();
        loop {
            sleep(shared.settings.sweep).await;
            notice_pause(&shared, last.elapsed());
            last = Instant::now();
            let swept = if shared.outage.lasts() {
                // The first to reach the database again must not sweep: live workers renew first.
                timeout(shared.settings.lease, probe(&shared)).await
            } else if shared.outage.over_for(shared.settings.lease) {
                let limit = shared.settings.lease.max(Duration::from_secs(30));
                timeout(limit, sweep(&shared)).await
            } else {
                continue;
            };
            match swept.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)) {
                Ok(()) => shared.outage.answered(),
                Err(error) => shared.outage.failed(&error),
            }
        }
    };
    shutdown.run_until_cancelled(sweeps).await;
}

/// A gap of a lease between two sweeps means that this process stood still, perhaps with others.
fn notice_pause(shared: &Shared, gap: Duration) {
    if gap > shared.settings.sweep + shared.settings.lease {
        shared.outage.paused();
    }
}

async fn probe(shared: &Shared) -> sqlx::Result<()> {
    sqlx::query("select 1").execute(&shared.pool).await.map(drop)
}

async fn sweep(shared: &Shared) -> sqlx::Result<()> {
    let settings = &shared.settings;
    let kinds = shared.kinds(None);
    let mut transaction = shared.pool.begin().await?;
    if !store::may_sweep(&mut transaction, settings.lease).await? {
        return Ok(());
    }
    for (id, kind) in store::rescue(&mut transaction, settings.poll * 2).await? {
        tracing::warn!(task = %id, kind, "a task was rescued from a worker that went silent");
        counter!("queue_tasks_rescued_total", "kind" => kind).increment(1);
    }
    fail_exhausted(shared, &mut transaction, &kinds).await?;
    let unknown = store::fail_unknown(&mut transaction, &kinds, settings.unknown_kind).await?;
    for (id, kind) in unknown {
        tracing::error!(task = %id, kind, "a task failed: no worker knows its kind");
    }
    store::delete_finished(&mut transaction, settings.retention).await?;
    transaction.commit().await
}

async fn fail_exhausted(
    shared: &Shared,
    connection: &mut PgConnection,
    kinds: &[String],
) -> sqlx::Result<()> {
    let failure = Failure {
        code: "worker_died".into(),
        message: "the worker died or went silent in the task's last attempt".into(),
    };
    let mut after = TaskId(Uuid::nil());
    loop {
        // A savepoint each: a noun that cannot be settled does not keep the others.
        let mut savepoint = connection.begin().await?;
        let failed = store::fail_exhausted(&mut savepoint, kinds, after, &failure).await?;
        let Some(task) = failed else {
            return savepoint.commit().await;
        };
        after = task.id;
        let handler = &shared.handlers[task.kind.as_str()];
        match fail_noun(&mut savepoint, handler.as_ref(), &task, &failure).await {
            Ok(()) => savepoint.commit().await?,
            Err(error) => {
                savepoint.rollback().await?;
                tracing::error!(task = %task.id, error = format!("{error:#}"), "it is tried again");
                continue;
            }
        }
        report(&task, &failure);
    }
}

fn report(task: &Task, failure: &Failure) {
    let Task { id, kind, subject, attempt, .. } = task;
    tracing::error!(task = %id, kind, %subject, attempt, failure.message, "a task failed");
    counter!("queue_tasks_settled_total", "kind" => kind.clone(), "outcome" => "failed")
        .increment(1);
}
