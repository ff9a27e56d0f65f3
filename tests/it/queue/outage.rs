//! The database goes away, loses a notification, or refuses a write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use shipshape::db;
use shipshape::queue::Settings;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use super::handlers::Kind;
use super::{Local, SECONDS_10, noted, notes, put, queue_database, settings, until};
use crate::support::eventually;

const SOCKET: &str = ".s.PGSQL.5432";

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

#[tokio::test]
async fn an_outage_longer_than_the_lease_burns_no_attempt() {
    let database = queue_database().await;
    let pool = &database.pool;
    let mut proxy = Proxy::before(&database.url);
    let through = db::connect(&proxy.url, 4).await.unwrap();
    let lease = Settings { lease: Duration::from_secs(2), ..settings() };
    let worker = Local::start(&through, lease);
    // The first wants to write during the outage, the second after it.
    let first = put(pool, Kind::Record, json!({ "millis": 1000 })).await;
    let second = put(pool, Kind::Record, json!({ "millis": 6000 })).await;
    noted(pool, "begun", first).await;
    noted(pool, "begun", second).await;
    proxy.cut().await;
    let during = put(pool, Kind::Record, json!({ "millis": 0 })).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(notes(pool, "outcome", None).await, 0);
    proxy.restore();
    for id in [first, second, during] {
        let row = until(pool, id, "succeeded").await;
        assert_eq!(row.attempt, 1, "{row:?}");
        assert_eq!(notes(pool, "outcome", Some(id)).await, 1);
    }
    assert_eq!(notes(pool, "begun", Some(second)).await, 1);
    worker.stop().await;
}

/// A socket before the server's that can be cut.
struct Proxy {
    folder: TempDir,
    server: PathBuf,
    url: String,
    open: JoinHandle<()>,
}

impl Proxy {
    fn before(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options: PgConnectOptions = url.parse().unwrap();
        let server = options.get_socket().unwrap().join(SOCKET);
        let (base, _) = url.split_once("?host=").unwrap();
        let url = format!("{base}?host={}", folder.path().display());
        let open = Self::open(&folder, &server);
        Self { folder, server, url, open }
    }

    fn open(folder: &TempDir, server: &Path) -> JoinHandle<()> {
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let server = server.to_path_buf();
        tokio::spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut server = UnixStream::connect(&server).await.unwrap();
                streams.spawn(async move {
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
                });
            }
        })
    }

    /// Ends every connection and refuses new ones.
    async fn cut(&mut self) {
        self.open.abort();
        (&mut self.open).await.unwrap_err();
        std::fs::remove_file(self.folder.path().join(SOCKET)).unwrap();
    }

    fn restore(&mut self) {
        self.open = Self::open(&self.folder, &self.server);
    }
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
