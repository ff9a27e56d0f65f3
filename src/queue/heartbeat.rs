//! Keeps the lease of a running task, writes its progress, and notices when the lease is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Context;
use super::store;
use super::worker::Shared;

/// The pause between tries while the database is away.
const RETRY: Duration = Duration::from_millis(500);

/// Beats until the lease is lost, which cancels the work; `at_once` asks for a beat now. Errors of
/// the database are no loss: the row decides when it is back, unless that takes too long.
pub(super) async fn keep(shared: Arc<Shared>, context: Arc<Context>, at_once: Arc<Notify>) {
    let settings = &shared.settings;
    let mut confirmed = Instant::now();
    let mut pause = settings.heartbeat;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            () = at_once.notified() => {}
        }
        let beat = store::beat(&shared.pool, context.lease, settings.lease, context.reported());
        let answer = timeout(settings.lease, beat).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        match answer {
            Ok(true) => {
                shared.outage.answered();
                confirmed = Instant::now();
                context.check_silence(settings.silence);
                pause = settings.heartbeat;
            }
            Ok(false) if context.completing() => return,
            Ok(false) => return lost(&context, "it was cancelled or another worker has it"),
            Err(error) => {
                shared.outage.failed(&error);
                if confirmed.elapsed() > settings.patience() {
                    return lost(&context, "the database was away for too long");
                }
                pause = RETRY.min(settings.heartbeat);
            }
        }
    }
}

fn lost(context: &Context, reason: &str) {
    counter!("queue_leases_lost_total", "kind" => context.task.kind.clone()).increment(1);
    tracing::warn!(
        task = %context.task.id, kind = context.task.kind, subject = %context.task.subject, reason,
        "lease_lost"
    );
    context.cancelled.cancel();
}
