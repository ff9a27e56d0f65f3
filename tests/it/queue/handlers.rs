//! The handlers that the queue's tests run; they note what they do in a table of the tests.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use shipshape::db::TaskId;
use shipshape::queue::{Context, Failure, Handler, Lane, Task, TaskError};
use sqlx::{PgConnection, PgExecutor, PgPool};

/// What the handlers do is seen here; `refused` notes are written past the fence on purpose.
pub(crate) const SCHEMA: &str = "create table notes (task uuid, process integer, what text)";

/// What a handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Waits, then writes its outcome and completes in one fenced transaction.
    Record,
    /// Succeeds and leaves the settling to the worker.
    Plain,
    /// Ends the process.
    Abort,
    /// Is too early a number of times.
    Snooze,
    /// Fails, and could be retried.
    Retry,
    /// Panics.
    Panic,
    /// Waits until it is stopped or cancelled.
    Wait,
    /// Waits whatever is asked of it.
    Stubborn,
    /// Keeps its transaction open for a while.
    Hold,
}

const ALL: [Kind; 9] = [
    Kind::Record,
    Kind::Plain,
    Kind::Abort,
    Kind::Snooze,
    Kind::Retry,
    Kind::Panic,
    Kind::Wait,
    Kind::Stubborn,
    Kind::Hold,
];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Plain => "plain",
            Self::Abort => "abort",
            Self::Snooze => "snooze",
            Self::Retry => "retry",
            Self::Panic => "panic",
            Self::Wait => "wait",
            Self::Stubborn => "stubborn",
            Self::Hold => "hold",
        }
    }
}

/// One handler per kind.
pub(crate) fn handlers(pool: &PgPool) -> Vec<Arc<dyn Handler>> {
    let handler = |kind| Arc::new(Noting { kind, pool: pool.clone() }) as Arc<dyn Handler>;
    ALL.map(handler).into()
}

struct Noting {
    kind: Kind,
    pool: PgPool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    millis: u64,
    times: i64,
}

async fn note(executor: impl PgExecutor<'_>, task: TaskId, what: &str) -> sqlx::Result<()> {
    sqlx::query("insert into notes (task, process, what) values ($1, $2, $3)")
        .bind(task)
        .bind(std::process::id().cast_signed())
        .bind(what)
        .execute(executor)
        .await
        .map(drop)
}

impl Noting {
    async fn attempt(&self, context: &Context) -> Result<(), TaskError> {
        let payload: Payload = context.payload()?;
        let id = context.task.id;
        note(&self.pool, id, "begun").await?;
        match self.kind {
            Kind::Record => {
                context.progress(1, 2);
                tokio::time::sleep(Duration::from_millis(payload.millis)).await;
                context.progress(2, 2);
                self.write(context, Duration::ZERO).await
            }
            Kind::Plain => Ok(()),
            Kind::Abort => std::process::abort(),
            Kind::Snooze => self.snooze(id, payload.times).await,
            Kind::Retry => Err(anyhow::anyhow!("try again").into()),
            Kind::Panic => panic!("on purpose"),
            Kind::Wait => tokio::select! {
                () = context.stopping().cancelled() => Err(TaskError::GiveBack),
                () = context.cancelled().cancelled() => self.write(context, Duration::ZERO).await,
            },
            Kind::Stubborn => std::future::pending().await,
            Kind::Hold => self.write(context, Duration::from_millis(1500)).await,
        }
    }

    /// Writes the outcome under the fence, with a transaction that stays open for `pause`.
    async fn write(&self, context: &Context, pause: Duration) -> Result<(), TaskError> {
        let mut transaction = self.pool.begin().await?;
        if let Err(error) = context.hold(&mut transaction).await {
            drop(transaction);
            note(&self.pool, context.task.id, "refused").await?;
            return Err(error);
        }
        if !pause.is_zero() {
            note(&self.pool, context.task.id, "held").await?;
            tokio::time::sleep(pause).await;
        }
        note(&mut *transaction, context.task.id, "outcome").await?;
        context.complete(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn snooze(&self, id: TaskId, times: i64) -> Result<(), TaskError> {
        let begun: i64 = sqlx::query_scalar("select count(*) from notes where task = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
        if begun <= times {
            let delay = Duration::from_millis(20);
            return Err(TaskError::Snooze { delay, reason: "throttled".into() });
        }
        Ok(())
    }
}

impl Handler for Noting {
    fn kind(&self) -> &'static str {
        self.kind.name()
    }

    fn lane(&self) -> Lane {
        Lane::Net
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        self.attempt(context).boxed()
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            note(connection, task.id, &format!("failed: {}", failure.code)).await?;
            Ok(())
        }
        .boxed()
    }
}
