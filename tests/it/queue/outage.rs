//! The database goes away, loses a notification, or refuses a write.

use std::time::Duration;

use serde_json::json;
use shipshape::db;
use shipshape::queue::Settings;

use super::handlers::Kind;
use super::{Local, SECONDS_10, noted, notes, put, queue_database, settings, until};
use crate::support::{TestDatabase, eventually};

#[tokio::test]
async fn a_lost_notification_is_only_latency() {
    let database = queue_database().await;
    let pool = &database.pool;
    sqlx::query("alter table tasks disable trigger tasks_notify")
        .execute(pool)
        .await
        .unwrap();
    let worker = Local::start(pool, settings());
    for _ in 0..100 {
        put(pool, Kind::Record, json!({ "millis": 0 })).await;
    }
    let open = "select count(*) from tasks where finished_at is null";
    eventually("all found by polling", SECONDS_10, async || {
        sqlx::query_scalar::<_, i64>(open)
            .fetch_one(pool)
            .await
            .unwrap()
            == 0
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
    let lazy = Settings {
        poll: Duration::from_secs(60),
        ..settings()
    };
    let worker = Local::start(&database.pool, lazy);
    // The listener's first connection wakes all lanes: let that pass.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let id = put(&database.pool, Kind::Record, json!({ "millis": 0 })).await;
    until(&database.pool, id, "succeeded").await;
    worker.stop().await;
}

#[tokio::test]
async fn an_outage_longer_than_the_lease_burns_no_attempt() {
    let database = queue_database().await;
    let pool = &database.pool;
    let worker = Local::start(pool, settings());
    let id = put(pool, Kind::Record, json!({ "millis": 1500 })).await;
    noted(pool, "begun", id).await;
    outage(&database, Duration::from_millis(2500)).await;
    let row = until(pool, id, "succeeded").await;
    assert_eq!(row.attempt, 1, "{row:?}");
    assert_eq!(notes(pool, "outcome", Some(id)).await, 1);
    worker.stop().await;
}

/// Cuts every connection to the database and refuses new ones for `length`.
async fn outage(database: &TestDatabase, length: Duration) {
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let other = database.url.replace(&format!("/{name}?"), "/postgres?");
    let admin = db::connect(&other, 1).await.unwrap();
    let allow = |on| sqlx::AssertSqlSafe(format!("alter database {name} allow_connections {on}"));
    sqlx::query(allow(false)).execute(&admin).await.unwrap();
    let cut: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
    )
    .bind(&name)
    .fetch_all(&admin)
    .await
    .unwrap();
    assert!(cut.len() >= 2, "only {} connections were cut", cut.len());
    tokio::time::sleep(length).await;
    sqlx::query(allow(true)).execute(&admin).await.unwrap();
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
    let faults: i64 = sqlx::query_scalar("select last_value from faults")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(faults, 2);
    worker.stop().await;
}
