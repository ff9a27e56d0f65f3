//! Leases go by the database's clock alone: a worker whose own is wrong changes nothing.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use sqlx::PgPool;

use super::handlers::Kind;
use super::{DATABASE, ENTRY, notes, put, queue_database, until, worker};
use crate::support::{Process, eventually};

/// Where Debian's package `faketime` and others put it.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// Notes what this process's clock is, next to the database's.
pub(super) async fn note_clock(pool: &PgPool) {
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    sqlx::query(
        "insert into notes (process, what) select $1, case
             when $2 - extract(epoch from clock_timestamp()) > 3000 then 'clock ahead'
             when $2 - extract(epoch from clock_timestamp()) < -3000 then 'clock behind'
             else 'clock right' end",
    )
    .bind(std::process::id().cast_signed())
    .bind(here)
    .execute(pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_off_keeps_its_leases_and_takes_no_others() {
    let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists()) else {
        // `no_clock_of_this_machine_reaches_the_queues_rows` holds it by the source meanwhile.
        eprintln!("not run: the package faketime is not installed");
        return;
    };
    let database = queue_database().await;
    let pool = &database.pool;
    let shifted = |offset| {
        let environment = [
            (DATABASE, database.url.as_str()),
            ("LD_PRELOAD", library),
            ("FAKETIME", offset),
            // The time that timers go by is never set.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        Process::spawn(ENTRY, &environment)
    };
    let _processes = [shifted("+1h"), shifted("-1h"), worker(&database)];
    for clock in ["clock ahead", "clock behind", "clock right"] {
        eventually(clock, Duration::from_secs(10), async || notes(pool, clock, None).await == 1)
            .await;
    }
    // Twice as long as a lease, on all three at once.
    let mut tasks = Vec::new();
    for _ in 0..12 {
        tasks.push(put(pool, Kind::Record, json!({ "millis": 2000 })).await);
    }
    tasks.push(put(pool, Kind::Snooze, json!({ "times": 2 })).await);
    for id in tasks {
        assert_eq!(until(pool, id, "succeeded").await.attempt, 1);
    }
    assert_eq!(notes(pool, "outcome", None).await, 12);
    let processes = "select count(distinct process) from notes where what = 'outcome'";
    assert_eq!(sqlx::query_scalar::<_, i64>(processes).fetch_one(pool).await.unwrap(), 3);
    let odd = "select count(*) from tasks
               where greatest(started_at, finished_at, run_at) > now() + interval '1 minute'
                   or least(started_at, finished_at, run_at) < now() - interval '1 minute'";
    assert_eq!(sqlx::query_scalar::<_, i64>(odd).fetch_one(pool).await.unwrap(), 0);
}
