//! One candidate from its URL to an examined picture or an outcome, with a few tries and within bounds of memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::picture::{self, Examined, Limits, Rejection};
use crate::scrape::fetch::FetchError;
use crate::scrape::{OpenCandidate, Outcome, OutcomeKind};

/// Candidates of this process that are under way at once, from the first try to the settlement: what a crash can
/// cost in repeated downloads, and with [`Limits::max_bytes`] the bound of the bodies in memory.
const IN_FLIGHT: usize = 32;
/// Tries of one candidate.
const TRIES: u32 = 3;
/// Pause before the second try; the third waits three times as long.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest time that a candidate is put off.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Memory for decoded pictures of this process, in MiB.
const DECODE_MIB: u32 = 512;

/// A candidate to be tried.
pub(super) struct Turn {
    pub(super) candidate: OpenCandidate,
    /// Times that it was tried in vain.
    pub(super) failures: u32,
}

/// What a candidate came to.
pub(super) enum Found {
    /// A picture.
    Picture(Bytes, Box<Examined>),
    /// None, for this reason.
    Nothing(Outcome),
    /// Its host asks for patience.
    Later {
        /// Times that it was tried in vain.
        failures: u32,
        /// When to try again.
        wait: Duration,
    },
}

/// A candidate with what it came to; its place in flight is free when this is dropped.
pub(super) struct Ended {
    pub(super) candidate: OpenCandidate,
    pub(super) found: Found,
    _in_flight: Option<OwnedSemaphorePermit>,
}

impl Ended {
    pub(super) fn of(candidate: OpenCandidate, found: Found) -> Self {
        Self { candidate, found, _in_flight: None }
    }
}

/// The downloads of this process, and their bounds.
pub(super) struct Downloads {
    app: Arc<App>,
    limits: Limits,
    in_flight: Arc<Semaphore>,
    decoding: Semaphore,
    /// What even a small picture takes of the memory for decoding, so that no more are decoded at once than there
    /// are cores.
    least_mib: u32,
}

impl Downloads {
    pub(super) fn new(app: Arc<App>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        Self {
            app,
            limits: Limits::default(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            decoding: Semaphore::new(DECODE_MIB as usize),
            least_mib: (DECODE_MIB / cores).max(1),
        }
    }

    /// Waits for a place in flight; one that another batch leaves because of `stopping` is not taken.
    pub(super) async fn run(self: Arc<Self>, turn: Turn, stopping: CancellationToken) -> Ended {
        let permit = Arc::clone(&self.in_flight).acquire_owned().await;
        if stopping.is_cancelled() {
            let (failures, wait) = (turn.failures, Duration::ZERO);
            return Ended::of(turn.candidate, Found::Later { failures, wait });
        }
        let found = self.fetch(&turn).await;
        Ended { candidate: turn.candidate, found, _in_flight: permit.ok() }
    }

    async fn fetch(&self, turn: &Turn) -> Found {
        let mut failures = turn.failures;
        loop {
            let error = match self.app.fetcher.fetch(&turn.candidate.url).await {
                Ok(fetched) => return self.examine(fetched.bytes).await,
                Err(error) => error,
            };
            // Waiting for a host's turn, which others have taken, is no failure of the candidate.
            if let FetchError::HostBusy { retry_after } = error {
                return Found::Later { failures, wait: retry_after.min(LONGEST_WAIT) };
            }
            failures += 1;
            if !error.retryable() || failures >= TRIES {
                let (kind, why) = error.outcome();
                return Found::Nothing(Outcome::new(kind, why));
            }
            match error.retry_after() {
                // The host is left alone for that long in any case; the place in flight is for others meanwhile.
                Some(wait) if wait > BACKOFF => {
                    return Found::Later { failures, wait: wait.min(LONGEST_WAIT) };
                }
                _ => tokio::time::sleep(BACKOFF * (2 * failures - 1)).await,
            }
        }
    }

    async fn examine(&self, bytes: Bytes) -> Found {
        let rejected =
            |why: &Rejection| Found::Nothing(Outcome::new(OutcomeKind::Rejected, why.code()));
        let size = match picture::header(&bytes, &self.limits) {
            Ok(header) => u64::from(header.width) * u64::from(header.height),
            Err(rejection) => return rejected(&rejection),
        };
        // Four bytes a pixel: the decoder's planes and their RGB.
        let mib = (size * 4).div_ceil(1 << 20) as u32;
        let mib = mib.clamp(self.least_mib, DECODE_MIB);
        let permit = self.decoding.acquire_many(mib).await;
        let (copy, limits) = (bytes.clone(), self.limits.clone());
        let examined = tokio::task::spawn_blocking(move || picture::examine(&copy, &limits)).await;
        drop(permit);
        match examined {
            Ok(Ok(examined)) => Found::Picture(bytes, Box::new(examined)),
            Ok(Err(rejection)) => rejected(&rejection),
            Err(error) => {
                tracing::error!(%error, "an examination was cut off");
                Found::Nothing(Outcome::new(OutcomeKind::Failed, "crashed"))
            }
        }
    }
}
