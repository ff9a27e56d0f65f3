//! The queue's promises, with real processes that are killed, paused and ended.

use std::time::Duration;

use serde_json::Value;
use shipshape::db::{self, TaskId};
use shipshape::queue::{self, Lane, NewTask, Settings, Stuck, Worker};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::handlers::{Kind, SCHEMA, handlers};
use crate::support::{Process, TestDatabase, database, end_with_parent, eventually};

mod clock;
mod crash;
mod handlers;
mod lifecycle;
mod outage;
mod pace;
mod reaper;
mod rolling;
mod stuck;

const SECONDS_10: Duration = Duration::from_secs(10);
const ENTRY: &str = "queue::worker_entry";
const DATABASE: &str = "SHIPSHAPE_TEST_WORKER";
/// How a worker's process ends for work that nothing else ends.
const STUCK: i32 = 70;

fn settings() -> Settings {
    Settings {
        lanes: vec![(Lane::Net, 4), (Lane::Cpu, 1), (Lane::Train, 1)],
        lease: Duration::from_secs(1),
        heartbeat: Duration::from_millis(300),
        sweep: Duration::from_millis(200),
        poll: Duration::from_millis(200),
        drain: Duration::from_secs(1),
        silence: Duration::from_mins(1),
        stuck: Duration::from_millis(500),
        grace: Duration::from_millis(1500),
        backoff: Duration::from_millis(50),
        retention: Duration::from_hours(1),
        unknown_kind: Duration::from_secs(1),
    }
}

async fn queue_database() -> TestDatabase {
    let database = database().await;
    sqlx::raw_sql(SCHEMA).execute(&database.pool).await.unwrap();
    database
}

/// A worker within this process.
struct Local {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), Stuck>>,
}

impl Local {
    fn start(pool: &PgPool, settings: Settings) -> Self {
        let stop = CancellationToken::new();
        let worker = Worker::new(pool, handlers(pool), settings);
        let ended = tokio::spawn(worker.run(stop.clone()));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(SECONDS_10, self.ended).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process of a worker, which other tests start"]
async fn worker_entry() {
    let Ok(url) = std::env::var(DATABASE) else {
        return;
    };
    end_with_parent();
    let pool = db::connect(&url, 4).await.unwrap();
    clock::note_clock(&pool).await;
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    let mut signals =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::spawn(async move {
        signals.recv().await;
        on_signal.cancel();
    });
    if let Err(stuck) = Worker::new(&pool, handlers(&pool), settings()).run(stop).await {
        tracing::error!(%stuck, "the process ends");
        std::process::exit(STUCK);
    }
}

fn worker(database: &TestDatabase) -> Process {
    Process::spawn(ENTRY, &[(DATABASE, &database.url)])
}

async fn put(pool: &PgPool, kind: Kind, payload: Value) -> TaskId {
    let task = NewTask::new(kind.name(), kind.lane(), Uuid::now_v7()).with_payload(payload);
    queue::enqueue(pool, task).await.unwrap()
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    state: String,
    attempt: i32,
    snoozes: i32,
    error_code: Option<String>,
}

async fn row(pool: &PgPool, id: TaskId) -> Row {
    sqlx::query_as("select state::text, attempt, snoozes, error_code from tasks where id = $1")
        .bind(id)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn subject(pool: &PgPool, id: TaskId) -> Uuid {
    let query = "select subject from tasks where id = $1";
    sqlx::query_scalar(query).bind(id).fetch_one(pool).await.unwrap()
}

async fn until(pool: &PgPool, id: TaskId, state: &str) -> Row {
    eventually(&format!("{id} {state}"), SECONDS_10, async || row(pool, id).await.state == state)
        .await;
    row(pool, id).await
}

/// How many notes of `what` the handlers left, of any task or of one.
async fn notes(pool: &PgPool, what: &str, of: Option<TaskId>) -> i64 {
    sqlx::query_scalar("select count(*) from notes where what = $1 and ($2 is null or task = $2)")
        .bind(what)
        .bind(of)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn noted(pool: &PgPool, what: &str, of: TaskId) {
    eventually(what, SECONDS_10, async || notes(pool, what, Some(of)).await > 0).await;
}
