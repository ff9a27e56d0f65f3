//! What several integration tests need: a throw-away database, child processes, stand-ins of services, patience.

pub(crate) mod backbone;
mod database;
pub(crate) mod drawn;
pub(crate) mod fleet;
pub(crate) mod kinds;
pub(crate) mod origin;
mod process;
pub(crate) mod proxy;
pub(crate) mod rekognition;
pub(crate) mod s3;
pub(crate) mod service;
pub(crate) mod siglip;

use std::time::{Duration, Instant};

pub(crate) use database::{TestDatabase, database};
pub(crate) use process::{Process, end_with_parent};

/// Waits until `done` holds, asking every 20 ms; fails the test after `limit`.
pub(crate) async fn eventually(what: &str, limit: Duration, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
