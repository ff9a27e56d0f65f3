//! Workers that are replaced one after another, as a new version comes.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;

use super::handlers::Kind;
use super::{notes, put, queue_database, row, until, worker};
use crate::support::{Process, eventually};

const SHORT: i64 = 200;
const STEPS: i64 = 80;

#[tokio::test]
async fn four_workers_are_replaced_and_every_short_task_has_one_attempt() {
    let database = queue_database().await;
    let pool = &database.pool;
    let mut processes: Vec<Process> = (0..4).map(|_| worker(&database)).collect();
    let before: Vec<u32> = processes.iter().map(Process::id).collect();
    started(pool, 4).await;
    let long = put(pool, Kind::Steps, json!({ "millis": 60, "times": STEPS })).await;
    for at in 0..SHORT {
        if at % 50 == 25 {
            // Stopped in the middle of its tasks, and replaced when it has ended.
            let process = &mut processes[at as usize / 50];
            stop(process).await;
            *process = worker(&database);
            started(pool, 5 + at / 50).await;
        }
        put(pool, Kind::Record, json!({ "millis": 60 })).await;
    }
    let open = "select count(*) from tasks where finished_at is null and kind = 'record'";
    eventually("the short ones ended", Duration::from_secs(20), async || {
        sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.unwrap() == 0
    })
    .await;
    let once = "select count(*) from tasks
                where kind = 'record' and state = 'succeeded' and attempt = 1 and snoozes = 0";
    assert_eq!(sqlx::query_scalar::<_, i64>(once).fetch_one(pool).await.unwrap(), SHORT);
    assert_eq!(notes(pool, "outcome", None).await, SHORT);
    let workers: Vec<i32> =
        sqlx::query_scalar("select distinct process from notes where what = 'outcome'")
            .fetch_all(pool)
            .await
            .unwrap();
    let after: Vec<u32> = processes.iter().map(Process::id).collect();
    for id in before.iter().chain(&after) {
        assert!(workers.contains(&id.cast_signed()), "{id} of {before:?}, {after:?} did nothing");
    }

    until(pool, long, "succeeded").await;
    assert_eq!(row(pool, long).await.attempt, 1);
    assert!(notes(pool, "begun", Some(long)).await > 1, "the long one was never interrupted");
    let steps = "select count(*), count(distinct what) from notes where what like 'step %'";
    let (steps, distinct): (i64, i64) = sqlx::query_as(steps).fetch_one(pool).await.unwrap();
    assert_eq!((steps, distinct), (STEPS, STEPS));
}

async fn stop(process: &mut Process) {
    process.signal(Signal::TERM);
    eventually("it ends", Duration::from_secs(10), async || process.ended().is_some()).await;
    assert!(process.ended().unwrap().success());
}

/// Waits until this many have started in all.
async fn started(pool: &PgPool, count: i64) {
    eventually("it starts", Duration::from_secs(20), async || {
        notes(pool, "clock right", None).await == count
    })
    .await;
}
