//! The reaper runs in every worker: each lost lease is taken away once, whoever dies meanwhile.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use super::handlers::Kind;
use super::{put, queue_database, worker};
use crate::support::{Process, eventually};

const KILLS: usize = 20;

/// Each lease that was given, and each end of one.
const LEASES: &str = "
    create table given (token uuid);
    create table ended (token uuid, ending text);
    create function note_lease() returns trigger language plpgsql as $$
    begin
        if new.lease_token is distinct from old.lease_token then
            insert into given select new.lease_token where new.lease_token is not null;
            insert into ended
            select old.lease_token, new.state || ' ' || coalesce(new.error_code, '')
            where old.lease_token is not null;
        end if;
        return null;
    end $$;
    create trigger note_lease after update on tasks for each row execute function note_lease();
";

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn twenty_killed_workers_lose_each_lease_once() {
    let database = queue_database().await;
    let pool = &database.pool;
    sqlx::raw_sql(LEASES).execute(pool).await.unwrap();
    let mut processes: Vec<Process> = (0..4).map(|_| worker(&database)).collect();
    for kill in 0..KILLS {
        let process = &mut processes[kill % 4];
        let busy = format!("%/{}/%", process.id());
        eventually("it is busy", Duration::from_secs(20), async || {
            // There is always something to die over.
            if count(pool, "select count(*) from tasks where state = 'available'").await == 0 {
                put(pool, Kind::Record, json!({ "millis": 400 })).await;
            }
            let query =
                "select exists (select from tasks where state = 'running' and worker like $1)";
            sqlx::query_scalar(query).bind(&busy).fetch_one(pool).await.unwrap()
        })
        .await;
        process.kill();
        *process = worker(&database);
    }
    eventually("all ended", Duration::from_mins(1), async || {
        count(pool, "select count(*) from tasks where finished_at is null").await == 0
    })
    .await;
    let reaped = "select count(*) from ended
                  where ending in ('available lease_expired', 'failed worker_died')";
    assert!(count(pool, reaped).await >= KILLS as i64);
    let given = count(pool, "select count(*) from given").await;
    assert_eq!(count(pool, "select count(distinct token) from given").await, given);
    assert_eq!(count(pool, "select count(*) from ended").await, given);
    assert_eq!(count(pool, "select count(distinct token) from ended").await, given);
    // A task that died with three workers is settled once, too.
    let tasks = count(pool, "select count(*) from tasks").await;
    let ends = "select count(*) from notes where what = 'outcome' or what like 'failed:%'";
    assert_eq!(count(pool, ends).await, tasks);
    let tasks_ended = "select count(distinct task) from notes
                       where what = 'outcome' or what like 'failed:%'";
    assert_eq!(count(pool, tasks_ended).await, tasks);
}
