//! A task from its enqueuing to its end, on one or more workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::json;
use shipshape::queue::{self, Handler, Lane, NewTask, Settings, Worker};
use uuid::Uuid;

use super::handlers::{Kind, handlers};
use super::{Local, SECONDS_10, noted, notes, put, queue_database, row, settings, until};
use crate::support::eventually;

#[tokio::test]
async fn a_task_exists_if_and_only_if_its_transaction_commits() {
    let database = queue_database().await;
    let subject = Uuid::now_v7();
    for commit in [false, true] {
        let mut transaction = database.pool.begin().await.unwrap();
        let task = NewTask::new(Kind::Record.name(), Lane::Net, subject);
        queue::enqueue(&mut *transaction, task).await.unwrap();
        assert_eq!(queue::unfinished(&database.pool, subject).await.unwrap(), 0);
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let visible = queue::unfinished(&database.pool, subject).await.unwrap();
        assert_eq!(visible, i64::from(commit));
    }
}

#[tokio::test]
async fn of_a_thousand_transactions_half_of_which_fail_half_enqueue() {
    let database = queue_database().await;
    let pool = &database.pool;
    sqlx::raw_sql("alter table notes add constraint even check (process % 2 = 0)")
        .execute(pool)
        .await
        .unwrap();
    let transactions = (0..1000).map(|number: i32| async move {
        let mut transaction = pool.begin().await.unwrap();
        let task = NewTask::new(Kind::Record.name(), Lane::Net, Uuid::now_v7());
        let id = queue::enqueue(&mut *transaction, task).await.unwrap();
        let second = sqlx::query("insert into notes (task, process, what) values ($1, $2, 'row')")
            .bind(id)
            .bind(number)
            .execute(&mut *transaction)
            .await;
        match second {
            Ok(_) => transaction.commit().await.is_ok(),
            // Where a `?` would return.
            Err(_) => false,
        }
    });
    let committed: Vec<bool> = stream::iter(transactions).buffer_unordered(8).collect().await;
    assert_eq!(committed.iter().filter(|committed| **committed).count(), 500);
    let both: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from tasks), (select count(*) from notes),
             (select count(*) from tasks join notes on notes.task = tasks.id)",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(both, (500, 500, 500));
}

#[tokio::test]
async fn a_snooze_costs_no_attempt() {
    let database = queue_database().await;
    let worker = Local::start(&database.pool, settings());
    let id = put(&database.pool, Kind::Snooze, json!({ "times": 5 })).await;
    let row = until(&database.pool, id, "succeeded").await;
    assert_eq!((row.attempt, row.snoozes), (1, 5));
    worker.stop().await;
}

#[tokio::test]
async fn errors_and_panics_use_up_the_attempts_and_fail_the_job_once() {
    let database = queue_database().await;
    let worker = Local::start(&database.pool, settings());
    for kind in [Kind::Retry, Kind::Panic] {
        let id = put(&database.pool, kind, json!({})).await;
        let row = until(&database.pool, id, "failed").await;
        assert_eq!((row.attempt, row.error_code.as_deref()), (3, Some("attempts_exhausted")));
        assert_eq!(notes(&database.pool, "begun", Some(id)).await, 3);
        assert_eq!(notes(&database.pool, "failed: attempts_exhausted", Some(id)).await, 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_cancelled_task_is_told_at_once_and_writes_nothing() {
    let database = queue_database().await;
    let pool = &database.pool;
    // A heartbeat alone would notice too late for this test.
    let slow = Settings { heartbeat: Duration::from_mins(1), lease: SECONDS_10, ..settings() };
    let worker = Local::start(pool, slow);
    let subject = Uuid::now_v7();
    let wait = NewTask::new(Kind::Wait.name(), Lane::Net, subject);
    let id = queue::enqueue(pool, wait.clone()).await.unwrap();
    noted(pool, "begun", id).await;
    let later = NewTask { delay: SECONDS_10, ..wait };
    let waiting = queue::enqueue(pool, later).await.unwrap();
    assert_eq!(queue::cancel(pool, subject).await.unwrap(), 2);
    assert_eq!(row(pool, id).await.state, "cancelled");
    assert_eq!(row(pool, waiting).await.state, "cancelled");
    let asked = Instant::now();
    noted(pool, "refused", id).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(queue::cancel(pool, subject).await.unwrap(), 0);
    assert_eq!(notes(pool, "outcome", None).await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_transaction_that_holds_its_task_cannot_be_cancelled_half_way() {
    let database = queue_database().await;
    let pool = &database.pool;
    let worker = Local::start(pool, settings());
    let subject = Uuid::now_v7();
    let task = NewTask::new(Kind::Hold.name(), Lane::Net, subject);
    let id = queue::enqueue(pool, task).await.unwrap();
    noted(pool, "held", id).await;
    // It waits for the transaction, which then completes the task: nothing is left to cancel.
    assert_eq!(queue::cancel(pool, subject).await.unwrap(), 0);
    assert_eq!(row(pool, id).await.state, "succeeded");
    assert_eq!(notes(pool, "outcome", Some(id)).await, 1);
    worker.stop().await;
}

#[tokio::test]
async fn two_hundred_tasks_run_once_each_on_three_workers() {
    let database = queue_database().await;
    let pool = &database.pool;
    let workers = [0; 3].map(|_| Local::start(pool, settings()));
    for _ in 0..200 {
        put(pool, Kind::Record, json!({ "millis": 1 })).await;
    }
    let done = "select count(*) from tasks where state = 'succeeded' and attempt = 1";
    eventually("all done", Duration::from_secs(20), async || {
        sqlx::query_scalar::<_, i64>(done).fetch_one(pool).await.unwrap() == 200
    })
    .await;
    assert_eq!(notes(pool, "begun", None).await, 200);
    assert_eq!(notes(pool, "outcome", None).await, 200);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_lane_runs_no_more_than_its_slots() {
    let database = queue_database().await;
    let pool = &database.pool;
    let worker = Local::start(pool, settings());
    for _ in 0..8 {
        put(pool, Kind::Record, json!({ "millis": 100 })).await;
    }
    let mut most = 0;
    eventually("all done", SECONDS_10, async || {
        let (running, open): (i64, i64) = sqlx::query_as(
            "select count(*) filter (where state = 'running'),
                count(*) filter (where finished_at is null) from tasks",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        most = most.max(running);
        open == 0
    })
    .await;
    assert_eq!(most, 4);
    worker.stop().await;
}

#[tokio::test]
async fn a_heartbeat_writes_progress_and_keeps_a_long_task() {
    let database = queue_database().await;
    let pool = &database.pool;
    let workers = [0; 2].map(|_| Local::start(pool, settings()));
    let id = put(pool, Kind::Record, json!({ "millis": 2500 })).await;
    let progress = async || {
        let query = "select done, total from tasks where id = $1";
        sqlx::query_as::<_, (i64, i64)>(query).bind(id).fetch_one(pool).await.unwrap()
    };
    eventually("progress", SECONDS_10, async || progress().await == (1, 2)).await;
    let row = until(pool, id, "succeeded").await;
    assert_eq!(row.attempt, 1);
    assert_eq!(progress().await, (2, 2));
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn finished_tasks_are_deleted_after_their_retention() {
    let database = queue_database().await;
    let pool = &database.pool;
    let brief = Settings { retention: Duration::from_millis(500), ..settings() };
    let worker = Local::start(pool, brief);
    put(pool, Kind::Plain, json!({})).await;
    let waiting =
        NewTask { delay: SECONDS_10 * 6, ..NewTask::new("plain", Lane::Net, Uuid::nil()) };
    queue::enqueue(pool, waiting).await.unwrap();
    eventually("the finished one is gone", SECONDS_10, async || {
        let states: Vec<String> =
            sqlx::query_scalar("select state::text from tasks").fetch_all(pool).await.unwrap();
        states == ["available"] && notes(pool, "begun", None).await == 1
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
#[should_panic(expected = "two handlers have the same kind")]
async fn two_handlers_of_one_kind_are_refused() {
    let database = queue_database().await;
    let twice: Vec<Arc<dyn Handler>> =
        handlers(&database.pool).into_iter().chain(handlers(&database.pool)).collect();
    Worker::new(&database.pool, twice, settings());
}
