//! Handlers that do not stop: the silent are cancelled, and a thread that goes on costs its slot, then its process.

use std::time::{Duration, Instant};

use serde_json::json;
use shipshape::queue::{self, Settings};

use super::handlers::Kind;
use super::{
    Local, STUCK, noted, notes, put, queue_database, row, settings, subject, until, worker,
};
use crate::support::eventually;

#[tokio::test]
async fn a_handler_without_a_sign_of_life_uses_up_its_attempts() {
    let database = queue_database().await;
    let pool = &database.pool;
    let impatient = Settings {
        silence: Duration::from_millis(400),
        heartbeat: Duration::from_millis(100),
        drain: Duration::from_millis(300),
        ..settings()
    };
    let worker = Local::start(pool, impatient);
    let silent = put(pool, Kind::Stubborn, json!({})).await;
    // Longer than the silence, with a sign of life at each step.
    let busy = put(pool, Kind::Steps, json!({ "millis": 150, "times": 10 })).await;
    let row = until(pool, silent, "failed").await;
    assert_eq!((row.attempt, row.error_code.as_deref()), (3, Some("attempts_exhausted")));
    assert_eq!(notes(pool, "begun", Some(silent)).await, 3);
    assert_eq!(notes(pool, "failed: attempts_exhausted", Some(silent)).await, 1);
    let why: String = sqlx::query_scalar("select error from tasks where id = $1")
        .bind(silent)
        .fetch_one(pool)
        .await
        .unwrap();
    assert!(why.contains("no sign of life"), "{why}");
    assert_eq!(until(pool, busy, "succeeded").await.attempt, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_thread_that_ignores_its_cancel_costs_its_slot_and_then_the_process() {
    let database = queue_database().await;
    let pool = &database.pool;
    let mut process = worker(&database);
    let burning = put(pool, Kind::Burn, json!({})).await;
    let polite = put(pool, Kind::Wait, json!({})).await;
    noted(pool, "begun", burning).await;
    noted(pool, "begun", polite).await;
    assert_eq!(queue::cancel(pool, subject(pool, burning).await).await.unwrap(), 1);
    let cancelled = Instant::now();
    // It needs the slot that the thread keeps busy; the other lanes go on.
    let next = put(pool, Kind::Quick, json!({})).await;
    let beside = put(pool, Kind::Plain, json!({})).await;
    until(pool, beside, "succeeded").await;
    eventually("the worker ends", Duration::from_mins(1), async || process.ended().is_some()).await;
    let took = cancelled.elapsed();
    assert_eq!(process.ended().unwrap().code(), Some(STUCK));
    // Drain, report, grace.
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert_eq!(notes(pool, "begun", Some(next)).await, 0);
    assert_eq!(row(pool, burning).await.state, "cancelled");
    let given_back = row(pool, polite).await;
    assert_eq!((given_back.state.as_str(), given_back.attempt), ("available", 0));
    // The supervisor's part.
    let _process = worker(&database);
    assert_eq!(until(pool, next, "succeeded").await.attempt, 1);
    assert_eq!(notes(pool, "begun", Some(burning)).await, 1);
}

#[tokio::test]
async fn a_thread_that_stops_late_costs_its_slot_until_then() {
    let database = queue_database().await;
    let pool = &database.pool;
    let worker = Local::start(pool, Settings { stuck: Duration::from_millis(200), ..settings() });
    let late = put(pool, Kind::Late, json!({ "millis": 900 })).await;
    noted(pool, "begun", late).await;
    assert_eq!(queue::cancel(pool, subject(pool, late).await).await.unwrap(), 1);
    let next = put(pool, Kind::Quick, json!({})).await;
    until(pool, next, "succeeded").await;
    let ended = notes(pool, "thread ended", Some(late)).await;
    assert_eq!(ended, 1, "the slot was given away while the thread was running");
    worker.stop().await;
}
