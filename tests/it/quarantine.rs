//! Moves of bytes whose process is aborted: nothing is ever in neither place, and in the end it is in one.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{OptionFuture, join_all};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shipshape::blobs::Blobs;
use shipshape::queue::{Lane, Settings, Worker};
use shipshape::tasks;
use tokio_util::sync::CancellationToken;

use crate::review_queue::harsh;
use crate::support::fleet::{Fleet, PATIENCE, Vessel, fleet_on, idle_fleets};
use crate::support::s3::{S3StandIn, open};
use crate::support::service::app;
use crate::support::{Process, end_with_parent, eventually};

const ENTRY: &str = "quarantine::worker_entry";
const ORDER: &str = "SHIPSHAPE_TEST_QUARANTINE";
/// Images whose moves are at the same boundary when their process is aborted.
const IMAGES: usize = 20;
const S3_PREFIX: &str = "team a";
/// Before the copy, after it, after its check, after the state is committed, after the source is deleted.
const BOUNDARIES: [&str; 5] =
    ["move-planned", "move-copied", "move-verified", "move-recorded-written", "move-deleted"];

/// What the process of a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    flags: Vec<String>,
    /// The endpoint of the store, if that is no folder.
    s3: Option<String>,
    /// Where to abort once all moves have come there.
    abort_at: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process of a worker, which other tests start"]
async fn worker_entry() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    end_with_parent();
    let Order { flags, s3, abort_at } = serde_json::from_str(&order).unwrap();
    let blobs = store(s3.as_deref()).await;
    // Each move holds a connection while it waits for the others.
    let app = app(&flags, IMAGES + 10, blobs).await;
    let (mut lease, mut heartbeat) = (Duration::from_millis(1500), Duration::from_millis(300));
    if let Some(point) = abort_at {
        fail::cfg_callback(point, wait_for_all_then_abort).unwrap();
        // A move that waits for the others holds its task's row: a heartbeat would wait for it.
        (lease, heartbeat) = (PATIENCE, PATIENCE);
    }
    let settings = Settings {
        lanes: vec![(Lane::Tag, 4), (Lane::Cpu, IMAGES)],
        lease,
        heartbeat,
        sweep: Duration::from_millis(200),
        poll: Duration::from_millis(200),
        backoff: Duration::from_millis(50),
        ..Settings::default()
    };
    let worker = Worker::new(&app.pool, tasks::handlers(&app), settings);
    worker.run(CancellationToken::new()).await.unwrap();
}

/// The store at this endpoint; without one, that of the service's folder is left.
async fn store(endpoint: Option<&str>) -> Option<Blobs> {
    let opened = endpoint.map(|endpoint| open(endpoint, S3_PREFIX, Duration::from_secs(5)));
    OptionFuture::from(opened).await
}

/// Aborts the process as soon as it has been called for each image; the calls before the last never return.
fn wait_for_all_then_abort() {
    static ARRIVED: AtomicUsize = AtomicUsize::new(0);
    if ARRIVED.fetch_add(1, Ordering::SeqCst) + 1 == IMAGES {
        std::process::abort();
    }
    tokio::task::block_in_place(|| {
        loop {
            std::thread::park();
        }
    });
}

/// Datasets with one image each that is to be flagged, so that each move is a task of its own.
struct Yard {
    fleets: Vec<(Fleet, Vessel)>,
    order: Order,
}

impl Yard {
    async fn new(s3: Option<String>) -> Self {
        let blobs = store(s3.as_deref()).await;
        let mut fleets = Vec::new();
        for (fleet, seed) in idle_fleets(IMAGES, blobs).await.into_iter().zip(50..) {
            let cow = fleet.cow(seed).await;
            fleets.push((fleet, cow));
        }
        let order = Order { flags: fleets[0].0.service.flags.clone(), s3, abort_at: None };
        Self { fleets, order }
    }

    fn worker(&self, abort_at: Option<&str>) -> Process {
        let order = Order { abort_at: abort_at.map(str::to_owned), ..self.order.clone() };
        Process::spawn(ENTRY, &[(ORDER, &serde_json::to_string(&order).unwrap())])
    }

    /// How many images are in the state and their bytes on that side only, none being nowhere.
    async fn settled(&self, state: &str, aside: bool) -> usize {
        let each = self.fleets.iter().map(async |(fleet, cow)| {
            let places = fleet.places_moving(*cow).await;
            fleet.state(*cow).await.0 == state && places == (!aside, aside)
        });
        join_all(each).await.into_iter().filter(|&settled| settled).count()
    }

    /// Lets a process begin the moves and abort at the boundary, and another one end them and all other work.
    async fn move_through(&self, boundary: &str, state: &str, aside: bool) {
        let mut doomed = self.worker(Some(boundary));
        eventually(&format!("aborted at {boundary}"), PATIENCE, async || {
            self.settled(state, aside).await;
            doomed.ended().is_some()
        })
        .await;
        assert_eq!(doomed.ended().unwrap().signal(), Some(Signal::ABORT.as_raw()));
        let leases = "update tasks set lease_until = now() where state = 'running'";
        let pool = &self.fleets[0].0.service.app.pool;
        sqlx::query(leases).execute(pool).await.unwrap();
        let _successor = self.worker(None);
        eventually(&format!("{state} after {boundary}"), PATIENCE, async || {
            let open = "select count(*) from tasks where finished_at is null";
            let open: i64 = sqlx::query_scalar(open).fetch_one(pool).await.unwrap();
            self.settled(state, aside).await == IMAGES && open == 0
        })
        .await;
    }
}

async fn abort_at_each_boundary(s3: Option<String>) {
    let yard = Yard::new(s3).await;
    for boundary in BOUNDARIES {
        let mut jobs = Vec::new();
        for (fleet, _) in &yard.fleets {
            jobs.push(fleet.start(&["tags"], json!({})).await);
        }
        yard.move_through(boundary, "flagged", true).await;
        for ((fleet, _), job) in yard.fleets.iter().zip(&jobs) {
            let (_, ended) = fleet.service.get(job).await;
            assert_eq!(ended["status"], "succeeded", "{boundary}: {ended}");
            assert_eq!(fleet.verdicts(job, "").await.len(), 1, "{boundary}");
            let (status, answer) = fleet.service.post(&format!("{job}/undo"), &json!({})).await;
            assert!(status < 300, "{answer}");
        }
        yard.move_through(boundary, "accepted", false).await;
    }
}

#[tokio::test]
async fn twenty_moves_aborted_at_each_boundary_lose_nothing() {
    abort_at_each_boundary(None).await;
}

#[tokio::test]
async fn twenty_moves_aborted_at_each_boundary_in_s3_lose_nothing() {
    let server = S3StandIn::start().await;
    abort_at_each_boundary(Some(server.endpoint.clone())).await;
}

#[tokio::test]
async fn moves_through_a_store_that_often_fails_lose_nothing() {
    move_through_failures(100).await;
}

#[tokio::test]
#[ignore = "takes a minute: cargo test --test it a_thousand_moves -- --ignored"]
async fn a_thousand_moves_through_a_store_that_often_fails_lose_nothing() {
    move_through_failures(1000).await;
}

/// One request of ten fails while a job moves files aside, and while its undo moves them back.
async fn move_through_failures(files: usize) {
    let server = S3StandIn::start().await;
    let fleet = fleet_on(store(Some(&server.endpoint)).await.unwrap()).await;
    let ships = fleet.ships(1, files as u32).await;
    server.fail_one_in(Some(10));
    let job = fleet.start(&["blurry"], harsh()).await;
    let ended = fleet.service.ended(&job, PATIENCE * 4).await;
    assert_eq!(
        (&ended["status"], &ended["counts"]["flagged"]),
        (&json!("succeeded"), &json!(files))
    );
    server.fail_one_in(None);
    for ship in &ships {
        assert_eq!(fleet.places(*ship).await, (false, true));
    }
    assert_eq!(server.count("copy") / files, 1, "few are copied more than once");

    server.fail_one_in(Some(10));
    let (status, answer) = fleet.service.post(&format!("{job}/undo"), &json!({})).await;
    assert!(status < 300, "{answer}");
    let pool = &fleet.service.app.pool;
    eventually("all are back", PATIENCE * 4, async || {
        let open = "select count(*) from moves where step <> 'deleted'";
        sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.unwrap() == 0
    })
    .await;
    server.fail_one_in(None);
    for ship in &ships {
        assert_eq!(fleet.places(*ship).await, (true, false));
    }
    let failed = "select count(*) from tasks where state = 'failed'";
    let failed: i64 = sqlx::query_scalar(failed).fetch_one(pool).await.unwrap();
    assert_eq!(failed, 0);
}
