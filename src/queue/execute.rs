//! Runs one attempt of one task under its heartbeat, and settles it whatever happens.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use metrics::{counter, histogram};
use sqlx::PgConnection;
use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::settlement::Settlement;
use super::store::{self, Claimed};
use super::task::TaskState;
use super::worker::Shared;
use super::{Context, Failure, Handler, Task, TaskError, heartbeat, stuck};
use crate::db;

/// The pause between tries to settle while the database is away.
const RETRY: Duration = Duration::from_millis(500);
/// The pause before a task that gave itself back without being asked runs again.
const UNASKED: Duration = Duration::from_secs(1);
/// How much of an error's text the row keeps.
const MESSAGE_CHARS: usize = 4000;

/// Runs the attempt that was claimed, to its settlement and the end of all its work.
pub(super) async fn execute(shared: Arc<Shared>, handler: Arc<dyn Handler>, claimed: Claimed) {
    let context = Arc::new(Context::new(claimed, shared.stopping.clone()));
    let at_once = Arc::new(Notify::new());
    let running = shared.running(&context, &at_once);
    let beats = heartbeat::keep(Arc::clone(&shared), Arc::clone(&context), at_once);
    let beats = AbortOnDropHandle::new(tokio::spawn(beats));
    let begun = Instant::now();
    let outcome = match attempt(&shared, &handler, &context).await {
        Err(_) if context.was_silent() => Err(silent(&shared)),
        outcome => outcome,
    };
    histogram!("queue_task_seconds", "kind" => handler.kind()).record(begun.elapsed());
    // From here on a refused write is for `settle` to report.
    drop(beats);
    settle(&shared, handler.as_ref(), &context, outcome).await;
    drop(running);
    stuck::outlast(&shared, &context).await;
}

fn silent(shared: &Shared) -> TaskError {
    let seconds = shared.settings.silence.as_secs();
    TaskError::Retry(anyhow!("the task gave no sign of life for {seconds} s"))
}

async fn attempt(
    shared: &Shared,
    handler: &Arc<dyn Handler>,
    context: &Arc<Context>,
) -> Result<(), TaskError> {
    let (runner, seen) = (Arc::clone(handler), Arc::clone(context));
    let run = context.work.spawn(async move { runner.run(&seen).await });
    let mut run = AbortOnDropHandle::new(run);
    let overdue = async {
        context.cancelled.cancelled().await;
        sleep(shared.settings.drain).await;
    };
    tokio::select! {
        joined = &mut run => joined.unwrap_or_else(|error| Err(panicked(error))),
        () = overdue => {
            tracing::error!(
                task = %context.task.id, kind = context.task.kind,
                "a task went on after it was cancelled or lost its lease, and was dropped"
            );
            Err(TaskError::LeaseLost)
        }
        () = shared.deadline.cancelled() => {
            tracing::warn!(
                task = %context.task.id, kind = context.task.kind,
                "a task did not stop in time, and was dropped and given back"
            );
            context.cancelled.cancel();
            Err(TaskError::GiveBack)
        }
    }
}

fn panicked(error: JoinError) -> TaskError {
    let Ok(payload) = error.try_into_panic() else {
        return TaskError::GiveBack;
    };
    TaskError::Retry(anyhow!("the task panicked: {}", panic_text(payload.as_ref())))
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Writes the outcome, through outages of the database, and logs it once.
async fn settle(
    shared: &Shared,
    handler: &dyn Handler,
    context: &Context,
    outcome: Result<(), TaskError>,
) {
    let asked = shared.stopping.is_cancelled();
    let Some((name, settlement)) = settlement(shared, context, outcome, asked) else {
        return report(handler.kind(), "lease_lost");
    };
    let begun = Instant::now();
    // A write whose answer was lost may have happened.
    let mut unsure = context.completing();
    loop {
        let write = write(shared, handler, context, &settlement);
        let answer = timeout(shared.settings.lease, write).await;
        match answer.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into())) {
            Ok(true) => return report(handler.kind(), name),
            Ok(false) if unsure => return report(handler.kind(), name),
            Ok(false) => {
                tracing::warn!(
                    task = %context.task.id, kind = handler.kind(), outcome = name, "lease_lost"
                );
                return report(handler.kind(), "lease_lost");
            }
            Err(error) if passes(&error) && begun.elapsed() < shared.settings.patience() => {
                shared.outage.failed(&format!("{error:#}"));
                unsure = true;
                sleep(RETRY).await;
            }
            Err(error) => {
                tracing::error!(
                    task = %context.task.id, kind = handler.kind(), outcome = name,
                    error = format!("{error:#}"),
                    "the outcome of a task could not be written; its lease runs out"
                );
                return report(handler.kind(), "unsettled");
            }
        }
    }
}

fn passes(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(db::is_transient)
}

async fn write(
    shared: &Shared,
    handler: &dyn Handler,
    context: &Context,
    settlement: &Settlement,
) -> anyhow::Result<bool> {
    let mut transaction = shared.pool.begin().await?;
    let settled = store::settle(&mut *transaction, context.lease, settlement).await?;
    if let (true, TaskState::Failed, Some(failure)) =
        (settled, settlement.state, &settlement.failure)
    {
        fail_noun(&mut transaction, handler, &context.task, failure).await?;
    }
    transaction.commit().await?;
    shared.outage.answered();
    Ok(settled)
}

/// Lets the noun settle its job in the transaction that ends its task `failed`.
pub(super) async fn fail_noun(
    connection: &mut PgConnection,
    handler: &dyn Handler,
    task: &Task,
    failure: &Failure,
) -> anyhow::Result<()> {
    handler.failed(connection, task, failure).await.map_err(|error| {
        error.context(format!("the job of a failed {} task could not be settled", task.kind))
    })
}

/// The outcome's name for the metrics, and what to write; `None` when nothing may be written.
fn settlement(
    shared: &Shared,
    context: &Context,
    outcome: Result<(), TaskError>,
    asked: bool,
) -> Option<(&'static str, Settlement)> {
    let again = Settlement { free: true, ..Settlement::to(TaskState::Available) };
    Some(match outcome {
        Ok(()) => ("succeeded", context.success()),
        Err(TaskError::LeaseLost) => return None,
        Err(TaskError::GiveBack) if asked => ("given_back", again),
        Err(TaskError::GiveBack) => ("given_back", Settlement { delay: UNASKED, ..again }),
        Err(TaskError::Snooze { delay, reason }) => {
            tracing::info!(task = %context.task.id, kind = context.task.kind, reason, "snoozed");
            let failure = Some(failure("snoozed".into(), &reason));
            ("snoozed", Settlement { snoozed: true, delay, failure, ..again })
        }
        Err(TaskError::Fail { code, error }) => ("failed", failed(context, code, &error)),
        Err(TaskError::Retry(error)) if context.task.attempt >= context.task.max_attempts => {
            ("failed", failed(context, "attempts_exhausted".into(), &error))
        }
        Err(TaskError::Retry(error)) => {
            log_failure(context, "a task failed and is tried again", &error);
            let settlement = Settlement {
                delay: shared.settings.backoff_after(context.task.attempt),
                spread: 1.0,
                failure: Some(failure("retry".into(), &format!("{error:#}"))),
                ..Settlement::to(TaskState::Available)
            };
            ("retried", settlement)
        }
    })
}

fn failed(context: &Context, code: String, error: &anyhow::Error) -> Settlement {
    log_failure(context, "a task failed", error);
    let failure = Some(failure(code, &format!("{error:#}")));
    Settlement { failure, ..Settlement::to(TaskState::Failed) }
}

fn log_failure(context: &Context, what: &str, error: &anyhow::Error) {
    let Task { id, kind, subject, attempt, .. } = &context.task;
    tracing::warn!(task = %id, kind, %subject, attempt, error = format!("{error:#}"), "{what}");
}

/// Postgres keeps no NUL in text.
fn failure(code: String, message: &str) -> Failure {
    let message = message.chars().filter(|&c| c != '\0').take(MESSAGE_CHARS).collect();
    Failure { code, message }
}

fn report(kind: &'static str, outcome: &'static str) {
    counter!("queue_tasks_settled_total", "kind" => kind, "outcome" => outcome).increment(1);
}
