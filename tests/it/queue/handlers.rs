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
    /// Keeps a thread busy that nothing stops, in the lane with one slot.
    Burn,
    /// The same with a thread that stops some time after it was told to.
    Late,
    /// Succeeds, in the lane with one slot.
    Quick,
    /// Records `times` steps, each under the fence, and goes on behind the last one.
    Steps,
}

const ALL: [Kind; 13] = [
    Kind::Record,
    Kind::Plain,
    Kind::Abort,
    Kind::Snooze,
    Kind::Retry,
    Kind::Panic,
    Kind::Wait,
    Kind::Stubborn,
    Kind::Hold,
    Kind::Burn,
    Kind::Late,
    Kind::Quick,
    Kind::Steps,
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
            Self::Burn => "burn",
            Self::Late => "late",
            Self::Quick => "quick",
            Self::Steps => "steps",
        }
    }

    pub(crate) fn lane(self) -> Lane {
        match self {
            Self::Burn | Self::Late | Self::Quick => Lane::Cpu,
            Self::Steps => Lane::Train,
            _ => Lane::Net,
        }
    }
}

/// Some computing, without end.
fn burn() {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        std::thread::sleep(Duration::from_micros(100));
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
            Kind::Plain | Kind::Quick => Ok(()),
            Kind::Abort => std::process::abort(),
            Kind::Snooze => self.snooze(id, payload.times).await,
            Kind::Retry => Err(anyhow::anyhow!("try again").into()),
            Kind::Panic => panic!("on purpose"),
            Kind::Wait => tokio::select! {
                () = context.stopping().cancelled() => Err(TaskError::GiveBack),
                () = context.cancelled().cancelled() => self.write(context, Duration::ZERO).await,
            },
            Kind::Stubborn => std::future::pending().await,
            Kind::Burn => {
                context.spawn_blocking(burn).await.expect("it never ends");
                Ok(())
            }
            Kind::Late => self.late(context, payload.millis).await,
            Kind::Steps => self.steps(context, &payload).await,
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

    async fn late(&self, context: &Context, millis: u64) -> Result<(), TaskError> {
        let (pool, id) = (self.pool.clone(), context.task.id);
        let (runtime, cancelled) = (tokio::runtime::Handle::current(), context.cancelled().clone());
        let thread = context.spawn_blocking(move || {
            while !cancelled.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(millis));
            runtime.block_on(note(&pool, id, "thread ended")).expect("the database is there");
        });
        context.cancelled().cancelled().await;
        drop(thread);
        Err(TaskError::LeaseLost)
    }

    async fn steps(&self, context: &Context, payload: &Payload) -> Result<(), TaskError> {
        let id = context.task.id;
        let done: i64 =
            sqlx::query_scalar("select count(*) from notes where task = $1 and what like 'step %'")
                .bind(id)
                .fetch_one(&self.pool)
                .await?;
        for step in done..payload.times {
            tokio::time::sleep(Duration::from_millis(payload.millis)).await;
            let mut transaction = self.pool.begin().await?;
            context.hold(&mut transaction).await?;
            note(&mut *transaction, id, &format!("step {step}")).await?;
            transaction.commit().await?;
            if context.stopping().is_cancelled() {
                return Err(TaskError::GiveBack);
            }
        }
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
        self.kind.lane()
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
