//! The database goes away, loses a notification, or refuses a write.

use std::time::{Duration, Instant};

use serde_json::json;
use shipshape::db;
use shipshape::queue::Settings;

use super::handlers::Kind;
use super::{Local, SECONDS_10, noted, notes, put, queue_database, settings, until};
use crate::support::eventually;
use crate::support::proxy::{Proxy, Way};
use crate::support::service::service_behind;

const LEASE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_lost_notification_is_only_latency() {
    let database = queue_database().await;
    let pool = &database.pool;
    sqlx::query("alter table tasks disable trigger tasks_notify").execute(pool).await.unwrap();
    let worker = Local::start(pool, settings());
    for _ in 0..100 {
        put(pool, Kind::Record, json!({ "millis": 0 })).await;
    }
    let open = "select count(*) from tasks where finished_at is null";
    eventually("all found by polling", SECONDS_10, async || {
        sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.unwrap() == 0
    })
    .await;
    let late: f64 = sqlx::query_scalar(
        "select max(extract(epoch from started_at - created_at))::float8 from tasks",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(late < 2.0, "{late} s");
    worker.stop().await;
}

#[tokio::test]
async fn a_notification_wakes_a_worker_before_its_poll() {
    let database = queue_database().await;
    let lazy = Settings { poll: Duration::from_mins(1), ..settings() };
    let worker = Local::start(&database.pool, lazy);
    // The listener's first connection wakes all lanes: let that pass.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let id = put(&database.pool, Kind::Record, json!({ "millis": 0 })).await;
    until(&database.pool, id, "succeeded").await;
    worker.stop().await;
}

/// Three workers, twelve tasks. An outage of 60 s at a lease of 15 s, at a scale of 2 to 15: four leases long.
#[tokio::test]
async fn an_outage_longer_than_the_lease_burns_no_attempt() {
    let database = queue_database().await;
    let pool = &database.pool;
    let proxy = Proxy::before(&database.url);
    let mut workers = Vec::new();
    for _ in 0..3 {
        let through = db::connect(&proxy.url, 4).await.unwrap();
        workers.push(Local::start(&through, Settings { lease: LEASE, ..settings() }));
    }
    // Half of them want to write during the outage, the others after it.
    let mut tasks = Vec::new();
    for millis in [1000, 10_000].repeat(6) {
        tasks.push(put(pool, Kind::Record, json!({ "millis": millis })).await);
    }
    eventually("all begun", SECONDS_10, async || notes(pool, "begun", None).await == 12).await;
    proxy.set(Way::Refusing);
    tasks.push(put(pool, Kind::Record, json!({ "millis": 0 })).await);
    tokio::time::sleep(LEASE * 4).await;
    assert!(proxy.faults() > 10, "{} connections were refused", proxy.faults());
    assert_eq!(notes(pool, "outcome", None).await, 0);
    proxy.set(Way::Open);
    for id in tasks {
        let row = until(pool, id, "succeeded").await;
        assert_eq!(row.attempt, 1, "{row:?}");
        assert_eq!(notes(pool, "outcome", Some(id)).await, 1);
    }
    for worker in workers {
        worker.stop().await;
    }
}

/// The other end is gone without a word: what is sent is neither answered nor refused.
#[tokio::test]
async fn a_mute_database_is_noticed_and_its_return_too() {
    let database = queue_database().await;
    let proxy = Proxy::before(&database.url);
    let service = service_behind(&proxy).await;
    let pool = &database.pool;
    let worker = Local::start(&service.app.pool, Settings { lease: LEASE, ..settings() });
    let running = put(pool, Kind::Record, json!({ "millis": 1000 })).await;
    noted(pool, "begun", running).await;
    assert_eq!(service.get("/readyz").await.0, 200);
    proxy.set(Way::Mute);
    let muted = Instant::now();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(put(pool, Kind::Record, json!({ "millis": 0 })).await);
    }
    eventually("not ready", SECONDS_10, async || service.get("/readyz").await.0 == 503).await;
    assert!(muted.elapsed() < Duration::from_secs(3), "{:?}", muted.elapsed());
    tokio::time::sleep((LEASE * 4).saturating_sub(muted.elapsed())).await;
    assert!(proxy.faults() > 3, "{} pieces were swallowed", proxy.faults());
    assert_eq!(notes(pool, "begun", None).await, 1);
    assert_eq!(notes(pool, "outcome", None).await, 0);
    proxy.set(Way::Open);
    let restored = Instant::now();
    for id in waiting {
        assert_eq!(until(pool, id, "succeeded").await.attempt, 1);
    }
    eventually("ready", SECONDS_10, async || service.get("/readyz").await.0 == 200).await;
    assert!(restored.elapsed() < Duration::from_secs(5), "{:?}", restored.elapsed());
    let row = until(pool, running, "succeeded").await;
    assert!(row.attempt <= 2, "{row:?}");
    assert_eq!(notes(pool, "outcome", Some(running)).await, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_conflict_while_settling_is_retried_in_the_same_attempt() {
    let database = queue_database().await;
    let pool = &database.pool;
    // The sequence survives the aborted statement: the fault fires exactly once.
    sqlx::raw_sql(
        "
        create sequence faults;
        create function fault() returns trigger language plpgsql as $$
        begin
            if nextval('faults') = 1 then
                raise exception 'conflict' using errcode = '40001';
            end if;
            return new;
        end $$;
        create trigger fault before update on tasks for each row
        when (new.state = 'succeeded') execute function fault();
        ",
    )
    .execute(pool)
    .await
    .unwrap();
    let worker = Local::start(pool, settings());
    let id = put(pool, Kind::Plain, json!({})).await;
    let row = until(pool, id, "succeeded").await;
    assert_eq!((row.attempt, row.snoozes), (1, 0));
    assert_eq!(notes(pool, "begun", Some(id)).await, 1);
    let faults: i64 =
        sqlx::query_scalar("select last_value from faults").fetch_one(pool).await.unwrap();
    assert_eq!(faults, 2);
    worker.stop().await;
}
