//! Workers that are killed, paused, ended, or brought down by a task.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use shipshape::queue::{self, Lane, NewTask};
use uuid::Uuid;

use super::handlers::Kind;
use super::{Row, noted, notes, put, queue_database, row, until, worker};
use crate::support::eventually;

#[tokio::test]
async fn a_killed_workers_task_is_finished_by_another_with_one_outcome() {
    let database = queue_database().await;
    let pool = &database.pool;
    let mut first = worker(&database);
    let id = put(pool, Kind::Record, json!({ "millis": 600 })).await;
    noted(pool, "begun", id).await;
    first.kill();
    let killed = Instant::now();
    let _second = worker(&database);
    let row = until(pool, id, "succeeded").await;
    assert!(killed.elapsed() < Duration::from_secs(5));
    assert_eq!(row.attempt, 2);
    assert_eq!(notes(pool, "begun", Some(id)).await, 2);
    assert_eq!(notes(pool, "outcome", Some(id)).await, 1);
}

#[tokio::test]
async fn a_paused_worker_that_wakes_up_after_its_lease_writes_nothing() {
    let database = queue_database().await;
    let pool = &database.pool;
    let first = worker(&database);
    let id = put(pool, Kind::Record, json!({ "millis": 500 })).await;
    noted(pool, "begun", id).await;
    first.signal(Signal::STOP);
    let second = worker(&database);
    until(pool, id, "succeeded").await;
    first.signal(Signal::CONT);
    noted(pool, "refused", id).await;
    assert_eq!(notes(pool, "outcome", Some(id)).await, 1);
    let outcome: i32 = sqlx::query_scalar("select process from notes where what = 'outcome'")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(outcome.cast_unsigned(), second.id());
    assert_eq!(row(pool, id).await.attempt, 2);
}

#[tokio::test]
async fn a_hundred_tasks_pass_around_three_poisonous_ones() {
    let database = queue_database().await;
    let pool = &database.pool;
    let abort = put(pool, Kind::Abort, json!({})).await;
    let garbled = put(pool, Kind::Record, json!({ "millis": "many" })).await;
    let unknown =
        queue::enqueue(pool, NewTask::new("of_another_version", Lane::Net, Uuid::now_v7()))
            .await
            .unwrap();
    for _ in 0..100 {
        put(pool, Kind::Record, json!({ "millis": 1 })).await;
    }
    let (mut process, mut deaths) = (worker(&database), 0);
    eventually("all tasks ended", Duration::from_secs(40), async || {
        if process.ended().is_some() {
            deaths += 1;
            process = worker(&database);
        }
        let open: i64 = sqlx::query_scalar("select count(*) from tasks where finished_at is null")
            .fetch_one(pool)
            .await
            .unwrap();
        open == 0
    })
    .await;
    assert_eq!(deaths, 3);
    let code = |code: &str, attempt| Row {
        state: "failed".into(),
        attempt,
        snoozes: 0,
        error_code: Some(code.into()),
    };
    assert_eq!(row(pool, abort).await, code("worker_died", 3));
    let garbled_row = row(pool, garbled).await;
    // It may have been running when its worker died.
    assert_eq!(garbled_row, code("bad_payload", garbled_row.attempt));
    assert_eq!(row(pool, unknown).await, code("unknown_kind", 0));
    // The job of each was settled once, with the task.
    assert_eq!(notes(pool, "failed: worker_died", Some(abort)).await, 1);
    assert_eq!(notes(pool, "failed: bad_payload", Some(garbled)).await, 1);
    let (outcomes, tasks): (i64, i64) =
        sqlx::query_as("select count(*), count(distinct task) from notes where what = 'outcome'")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!((outcomes, tasks), (100, 100));
}

#[tokio::test]
async fn a_stopping_worker_gives_its_tasks_back_at_no_cost() {
    let database = queue_database().await;
    let pool = &database.pool;
    let mut process = worker(&database);
    let polite = put(pool, Kind::Wait, json!({})).await;
    let stubborn = put(pool, Kind::Stubborn, json!({})).await;
    noted(pool, "begun", polite).await;
    noted(pool, "begun", stubborn).await;
    process.signal(Signal::TERM);
    eventually("the worker ends", Duration::from_secs(10), async || process.ended().is_some())
        .await;
    assert!(process.ended().unwrap().success());
    for id in [polite, stubborn] {
        let row = row(pool, id).await;
        assert_eq!((row.state.as_str(), row.attempt), ("available", 0));
    }
}
