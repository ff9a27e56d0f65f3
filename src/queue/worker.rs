//! A worker process: claims the tasks of its lanes, runs them, and stops gracefully.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{counter, gauge};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::execute::execute;
use super::outage::Outage;
use super::store::{self, Claim, Claimed};
use super::{Context, Handler, Lane, Settings, Stuck, listener, reaper};
use crate::db::TaskId;

/// Connections for leases, claims, sweeps and notifications.
const CONNECTIONS: u32 = 4;
/// How long a renewal waits for one of them before it is tried again.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long dropped tasks may take to be given back once the deadline has passed.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// What the parts of a worker share.
pub(super) struct Shared {
    /// Apart from the handlers' pool: when they use up theirs, the leases are still renewed.
    pub(super) pool: PgPool,
    pub(super) settings: Settings,
    pub(super) handlers: HashMap<&'static str, Arc<dyn Handler>>,
    pub(super) outage: Outage,
    /// Asks the running tasks to checkpoint.
    pub(super) stopping: CancellationToken,
    /// Drops what still runs.
    pub(super) deadline: CancellationToken,
    lanes: HashMap<Lane, Notify>,
    running: Mutex<HashMap<TaskId, (Uuid, Arc<Notify>)>>,
    stuck: mpsc::Sender<Stuck>,
}

/// Takes a task off the list of running ones when it ends.
pub(super) struct Running<'a> {
    shared: &'a Shared,
    id: TaskId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shared.running.lock().expect("no holder panics").remove(&self.id);
    }
}

impl Shared {
    pub(super) fn running(&self, context: &Context, at_once: &Arc<Notify>) -> Running<'_> {
        let entry = (context.task.subject, Arc::clone(at_once));
        self.running.lock().expect("no holder panics").insert(context.task.id, entry);
        Running { shared: self, id: context.task.id }
    }

    /// Looks for tasks of the lane now.
    pub(super) fn wake(&self, lane: &str) {
        let woken = self.lanes.iter().filter(|(known, _)| known.as_str() == lane);
        woken.for_each(|(_, notify)| notify.notify_one());
    }

    /// Looks for tasks of every lane, and for lost leases, now.
    pub(super) fn wake_all(&self) {
        self.lanes.values().for_each(Notify::notify_one);
        let running = self.running.lock().expect("no holder panics");
        running.values().for_each(|(_, at_once)| at_once.notify_one());
    }

    /// Asks the row of each running task of `subject` now whether the lease still stands.
    pub(super) fn beat_at_once(&self, subject: Uuid) {
        let running = self.running.lock().expect("no holder panics");
        let about = running.values().filter(|(running, _)| *running == subject);
        about.for_each(|(_, at_once)| at_once.notify_one());
    }

    /// Ends this worker for work that nothing else ends.
    pub(super) fn end(&self, stuck: Stuck) {
        // With one told already, it ends.
        self.stuck.try_send(stuck).ok();
    }

    /// The kinds that this worker has handlers for, optionally of one lane only.
    pub(super) fn kinds(&self, lane: Option<Lane>) -> Vec<String> {
        let handlers = self.handlers.values();
        let of_lane = handlers.filter(|handler| lane.is_none_or(|lane| handler.lane() == lane));
        of_lane.map(|handler| handler.kind().to_owned()).collect()
    }
}

/// A worker process of the queue.
pub struct Worker {
    shared: Arc<Shared>,
    stuck: mpsc::Receiver<Stuck>,
    name: String,
}

impl Worker {
    /// A worker on the database of `pool` that runs what `handlers` know. It opens four
    /// connections of its own, so that renewing a lease never waits for the handlers' queries.
    ///
    /// # Panics
    ///
    /// Two handlers have the same kind.
    pub fn new(pool: &PgPool, handlers: Vec<Arc<dyn Handler>>, settings: Settings) -> Self {
        let own = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(settings.lease.min(ACQUIRE_TIMEOUT))
            .connect_lazy_with(pool.connect_options().as_ref().clone());
        let count = handlers.len();
        let handlers: HashMap<_, _> =
            handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        assert_eq!(handlers.len(), count, "two handlers have the same kind");
        let lanes = settings.lanes.iter().map(|&(lane, _)| (lane, Notify::new())).collect();
        let (tell, stuck) = mpsc::channel(1);
        let shared = Shared {
            pool: own,
            settings,
            handlers,
            outage: Outage::default(),
            stopping: CancellationToken::new(),
            deadline: CancellationToken::new(),
            lanes,
            running: Mutex::default(),
            stuck: tell,
        };
        Self { shared: Arc::new(shared), stuck, name: name() }
    }

    /// Works until `shutdown`. Then nothing more is claimed, running tasks are asked to
    /// checkpoint, and what still runs after the drain time is dropped and given back.
    ///
    /// # Errors
    ///
    /// The same happened unasked, for the sake of work that only the end of the process ends.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Stuck> {
        let Self { shared, mut stuck, name } = self;
        let stop = shutdown.child_token();
        tracing::info!(worker = name, kinds = ?shared.kinds(None), "the worker starts");
        let (loops, tasks) = (TaskTracker::new(), TaskTracker::new());
        loops.spawn(listener::listen(Arc::clone(&shared), stop.clone()));
        let reaping = reaper::reap(Arc::clone(&shared), stop.clone());
        let reaping = loops.spawn(reaping);
        for &(lane, slots) in shared.settings.lanes.iter().filter(|(_, slots)| *slots > 0) {
            loops.spawn(Claimer::new(&shared, lane, slots, &name, &tasks).run(stop.clone()));
        }
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            Some(stuck) = stuck.recv() => Err(stuck),
        };
        stop.cancel();
        shared.stopping.cancel();
        loops.close();
        tasks.close();
        let drained = async {
            loops.wait().await;
            tasks.wait().await;
        };
        if timeout(shared.settings.drain, drained).await.is_err() {
            shared.deadline.cancel();
            timeout(LAST_WRITES, tasks.wait()).await.ok();
        }
        reaping.abort();
        timeout(LAST_WRITES, shared.pool.close()).await.ok();
        tracing::info!(worker = name, "the worker has stopped");
        ended
    }
}

/// Claims the tasks of one lane while it has free slots.
struct Claimer {
    shared: Arc<Shared>,
    lane: Lane,
    kinds: Vec<String>,
    slots: Arc<Semaphore>,
    worker: String,
    tasks: TaskTracker,
}

impl Claimer {
    fn new(
        shared: &Arc<Shared>,
        lane: Lane,
        slots: usize,
        worker: &str,
        tasks: &TaskTracker,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            lane,
            kinds: shared.kinds(Some(lane)),
            slots: Arc::new(Semaphore::new(slots)),
            worker: worker.to_owned(),
            tasks: tasks.clone(),
        }
    }

    async fn run(self, shutdown: CancellationToken) {
        while let Some(free) = shutdown.run_until_cancelled(self.free_slots()).await {
            // The stop itself frees slots.
            if shutdown.is_cancelled() {
                return;
            }
            // Not cancelled half-way: a claim that commits must be run or given back.
            if self.claim(free).await {
                continue;
            }
            let notify = &self.shared.lanes[&self.lane];
            tokio::select! {
                () = notify.notified() => {}
                () = sleep(self.shared.settings.poll) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// All free slots, once there is one.
    async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let first = Arc::clone(&self.slots).acquire_owned().await.expect("it is never closed");
        let more = std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok());
        std::iter::once(first).chain(more).collect()
    }

    /// Fills the slots; `true` when there may be more tasks than slots.
    async fn claim(&self, mut free: Vec<OwnedSemaphorePermit>) -> bool {
        let shared = &self.shared;
        let claim = Claim {
            lane: self.lane,
            kinds: &self.kinds,
            worker: &self.worker,
            lease: shared.settings.lease,
            limit: free.len(),
        };
        let answer = timeout(shared.settings.lease, store::claim(&shared.pool, &claim)).await;
        match answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(claimed) => {
                shared.outage.answered();
                let full = claimed.len() == free.len();
                for claimed in claimed {
                    self.start(claimed, free.pop());
                }
                full
            }
            Err(error) => {
                shared.outage.failed(&error);
                false
            }
        }
    }

    fn start(&self, claimed: Claimed, slot: Option<OwnedSemaphorePermit>) {
        let handler = Arc::clone(&self.shared.handlers[claimed.task.kind.as_str()]);
        counter!("queue_tasks_claimed_total", "kind" => handler.kind()).increment(1);
        let shared = Arc::clone(&self.shared);
        let running = gauge!("queue_tasks_running", "lane" => self.lane.as_str());
        self.tasks.spawn(async move {
            running.increment(1);
            execute(shared, handler, claimed).await;
            running.decrement(1);
            drop(slot);
        });
    }
}

/// Names this worker in rows and logs: host, process, and a part that tells restarts apart.
fn name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "localhost" } else { host };
    let random = Uuid::now_v7().simple().to_string();
    format!("{host}/{}/{}", std::process::id(), &random[random.len() - 6..])
}
