//! One host's turn: how often and how many at once, and a pause when it asks for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::FetchError;

/// A host's next slot, asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The host.
    pub host: &'a str,
    /// Time that this request keeps the host from the next one.
    pub interval: Duration,
    /// Longest wait; a slot further away is not taken.
    pub patience: Duration,
}

/// A host's next slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Taken: it begins after this time.
    Taken(Duration),
    /// Not taken: the next one begins after this time, longer than the patience.
    Busy(Duration),
}

/// The clock of all hosts. One in memory serves one process; one in a database is shared by all.
pub trait Pace: Send + Sync {
    /// Takes the host's next free slot.
    fn reserve<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, anyhow::Result<Slot>>;

    /// Keeps the host free of new slots for `pause`.
    fn pause<'a>(&'a self, host: &'a str, pause: Duration) -> BoxFuture<'a, anyhow::Result<()>>;

    /// What is left of the host's pause; zero for most. Asked after a wait, since a pause may have begun.
    fn paused<'a>(&'a self, host: &'a str) -> BoxFuture<'a, anyhow::Result<Duration>>;
}

#[derive(Debug, Clone, Copy)]
struct Times {
    next: Instant,
    paused_until: Instant,
}

/// The clock of one process. Forgets hosts whose next slot is now, so it stays small over any number of hosts.
#[derive(Debug, Default)]
pub struct LocalPace {
    hosts: Mutex<HashMap<String, Times>>,
}

impl LocalPace {
    const SWEEP_ABOVE: usize = 1024;

    fn with<T>(&self, host: &str, change: impl FnOnce(&mut Times, Instant) -> T) -> T {
        let now = Instant::now();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Full and about to grow: the rehash would cost as much as the sweep does.
        if hosts.len() >= Self::SWEEP_ABOVE && hosts.len() == hosts.capacity() {
            hosts.retain(|_, times| times.next.max(times.paused_until) > now);
        }
        let times = hosts.entry(host.to_owned()).or_insert(Times { next: now, paused_until: now });
        change(times, now)
    }
}

impl Pace for LocalPace {
    fn reserve<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, anyhow::Result<Slot>> {
        let slot = self.with(ask.host, |times, now| {
            let start = times.next.max(times.paused_until).max(now);
            let wait = start - now;
            if wait > ask.patience {
                return Slot::Busy(wait);
            }
            times.next = start + ask.interval;
            Slot::Taken(wait)
        });
        Box::pin(async move { Ok(slot) })
    }

    fn pause<'a>(&'a self, host: &'a str, pause: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        self.with(host, |times, now| times.paused_until = times.paused_until.max(now + pause));
        Box::pin(async { Ok(()) })
    }

    fn paused<'a>(&'a self, host: &'a str) -> BoxFuture<'a, anyhow::Result<Duration>> {
        let left = self.with(host, |times, now| times.paused_until.saturating_duration_since(now));
        Box::pin(async move { Ok(left) })
    }
}

type Gates = Arc<Mutex<HashMap<String, Arc<Semaphore>>>>;

/// Rate, concurrency and pauses per host.
pub struct Politeness {
    pace: Arc<dyn Pace>,
    gates: Gates,
    concurrency: usize,
    patience: Duration,
}

impl Politeness {
    /// At most `concurrency` requests at once to one host; a turn further away than `patience` is refused.
    pub fn new(pace: Arc<dyn Pace>, concurrency: usize, patience: Duration) -> Self {
        Self { pace, gates: Gates::default(), concurrency: concurrency.max(1), patience }
    }

    /// Waits for the host's turn, which keeps the next one `interval` away.
    pub async fn acquire(&self, host: &str, interval: Duration) -> Result<Permit, FetchError> {
        let begun = Instant::now();
        let gate = Gate::open(&self.gates, host, self.concurrency);
        let queue = Arc::clone(&gate.semaphore).acquire_owned();
        let Ok(held) = tokio::time::timeout(self.patience, queue).await else {
            return Err(FetchError::HostBusy { retry_after: interval.max(Duration::from_secs(1)) });
        };
        let held = held.expect("the semaphore is never closed");
        loop {
            let patience = self.patience.saturating_sub(begun.elapsed());
            match self.pace.reserve(Ask { host, interval, patience }).await.map_err(unpaced)? {
                Slot::Busy(retry_after) => return Err(FetchError::HostBusy { retry_after }),
                Slot::Taken(Duration::ZERO) => break,
                Slot::Taken(wait) => tokio::time::sleep(wait).await,
            }
            if self.pace.paused(host).await.map_err(unpaced)?.is_zero() {
                break;
            }
        }
        Ok(Permit { _held: held, _gate: gate })
    }

    /// Leaves the host alone for a while.
    pub async fn back_off(&self, host: &str, pause: Duration) {
        if let Err(error) = self.pace.pause(host, pause).await {
            tracing::warn!(host, %error, "the pause of a host was not recorded");
        }
    }

    /// How many hosts are being waited for or fetched from.
    pub fn hosts_in_use(&self) -> usize {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Without a clock nothing may be sent: the fetch is to be tried again.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unpaced(error: anyhow::Error) -> FetchError {
    tracing::warn!(%error, "the clock of the hosts did not answer");
    FetchError::HostBusy { retry_after: Duration::from_secs(5) }
}

/// A host's turn; the next one may come when it is dropped.
pub struct Permit {
    // Dropped in this order: the gate is removed only after its permit is back.
    _held: OwnedSemaphorePermit,
    _gate: Gate,
}

/// A user of a host's semaphore; the last one removes it.
struct Gate {
    gates: Gates,
    host: String,
    semaphore: Arc<Semaphore>,
}

impl Gate {
    fn open(gates: &Gates, host: &str, concurrency: usize) -> Self {
        let mut open = gates.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore =
            open.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(concurrency)));
        let semaphore = Arc::clone(semaphore);
        drop(open);
        Self { gates: Arc::clone(gates), host: host.to_owned(), semaphore }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut open = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one: nobody else can come in while the map is locked.
        if Arc::strong_count(&self.semaphore) == 2 {
            open.remove(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const TURN: Duration = Duration::from_millis(5);

    fn polite(patience: u64) -> Arc<Politeness> {
        let pace = Arc::new(LocalPace::default());
        Arc::new(Politeness::new(pace, 2, Duration::from_millis(patience)))
    }

    #[tokio::test]
    async fn a_host_is_asked_at_its_rate_and_twice_at_once_at_most() {
        let polite = polite(60_000);
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let requests = (0..100).map(|_| {
            let (polite, inside, most) = (polite.clone(), inside.clone(), most.clone());
            tokio::spawn(async move {
                let _permit = polite.acquire("a.example", TURN).await.unwrap();
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(8)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert!(begun.elapsed() >= TURN * 99);
        assert_eq!(polite.hosts_in_use(), 0);
    }

    #[tokio::test]
    async fn a_pause_holds_back_even_those_who_already_have_a_slot() {
        let polite = polite(60_000);
        let (turn, pause) = (Duration::from_millis(60), Duration::from_millis(300));
        drop(polite.acquire("a.example", turn).await);
        let waiting = tokio::spawn({
            let polite = polite.clone();
            async move { polite.acquire("a.example", turn).await.map(|_| ()) }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let begun = Instant::now();
        polite.back_off("a.example", pause).await;
        assert!(polite.acquire("b.example", turn).await.is_ok());
        assert!(begun.elapsed() < pause);
        waiting.await.unwrap().unwrap();
        assert!(begun.elapsed() >= pause);
    }

    #[tokio::test]
    async fn a_turn_beyond_patience_is_refused_and_takes_no_slot() {
        let polite = polite(20);
        polite.back_off("a.example", Duration::from_millis(150)).await;
        for _ in 0..3 {
            let refused = polite.acquire("a.example", Duration::from_mins(1)).await.map(|_| ());
            assert!(matches!(refused, Err(FetchError::HostBusy { .. })));
        }
        tokio::time::sleep(Duration::from_millis(151)).await;
        polite.acquire("a.example", TURN).await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_who_gives_up_leaves_nothing_behind() {
        let polite = polite(60_000);
        let held = polite.acquire("a.example", Duration::ZERO).await.unwrap();
        let other = polite.acquire("a.example", Duration::ZERO).await.unwrap();
        let third = polite.acquire("a.example", Duration::ZERO);
        assert!(tokio::time::timeout(Duration::from_millis(5), third).await.is_err());
        drop((held, other));
        assert_eq!(polite.hosts_in_use(), 0);
    }

    #[tokio::test]
    async fn ten_thousand_hosts_leave_little_behind() {
        let pace = Arc::new(LocalPace::default());
        let polite = Politeness::new(pace.clone(), 2, Duration::from_secs(1));
        for n in 0..10_000 {
            let turn = Duration::from_nanos(1);
            drop(polite.acquire(&format!("h{n}.example"), turn).await.unwrap());
        }
        assert_eq!(polite.hosts_in_use(), 0);
        assert!(pace.hosts.lock().unwrap().capacity() < 4 * LocalPace::SWEEP_ABOVE);
    }
}
