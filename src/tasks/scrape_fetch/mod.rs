//! `scrape_fetch`: a batch of candidates, each fetched, examined and settled with exactly one outcome.

mod download;
mod settle;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::download::{Downloads, Ended, Found, Turn};
use super::scrape_search::{advance, fail_job};
use crate::app::App;
use crate::db::{CandidateId, ScrapeJobId};
use crate::queue::{self, Context, Failure, Handler, Lane, NewTask, Task, TaskError};
use crate::scrape::{self, OpenCandidate, Outcome, OutcomeKind};

const KIND: &str = "scrape_fetch";
/// Candidates of one task.
const BATCH: usize = 24;
/// Candidates of one task that are under way at once.
const PARALLEL: usize = 8;
/// How often a batch looks whether anyone still waits for it.
const LOOK: Duration = Duration::from_secs(1);
/// The attempt in which a batch that lost its workers is taken apart, since one candidate may be what kills them.
const TAKE_APART: i32 = 3;
/// Attempts of a candidate that was taken out of its batch.
const ALONE_ATTEMPTS: i32 = 5;
/// Stored pictures of a job by which the priority of its batches falls by one, so that the first batches of a small
/// job pass the later ones of a large one.
const PRIORITY_STEP: usize = 100;
/// What the queue says when a worker died in a task's last attempt.
const WORKER_DIED: &str = "worker_died";

/// The candidates of a task, each with the times that it was tried in vain.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Batch {
    candidates: Vec<(CandidateId, u32)>,
}

impl Batch {
    fn ids(&self) -> Vec<CandidateId> {
        self.candidates.iter().map(|(id, _)| *id).collect()
    }
}

fn task(job: ScrapeJobId, batch: &Batch, priority: i16) -> NewTask {
    let task = NewTask::new(KIND, Lane::Net, job.0).with_payload(json!(batch));
    NewTask { priority, max_attempts: TAKE_APART + 2, ..task }
}

/// Enqueues the tasks of candidates, in their order; `before` counts the job's candidates ahead of them.
pub(super) async fn enqueue(
    connection: &mut PgConnection,
    job: ScrapeJobId,
    candidates: &[CandidateId],
    before: i32,
) -> sqlx::Result<()> {
    for (n, batch) in candidates.chunks(BATCH).enumerate() {
        let ahead = usize::try_from(before).unwrap_or_default() + n * BATCH;
        let priority = i16::try_from(ahead / PRIORITY_STEP).unwrap_or(i16::MAX);
        let batch = Batch { candidates: batch.iter().map(|id| (*id, 0)).collect() };
        queue::enqueue(&mut *connection, task(job, &batch, priority)).await?;
    }
    Ok(())
}

/// Runs the batches.
pub(super) struct ScrapeFetch {
    app: Arc<App>,
    downloads: Arc<Downloads>,
}

impl ScrapeFetch {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { downloads: Arc::new(Downloads::new(app.clone())), app }
    }
}

impl Handler for ScrapeFetch {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn lane(&self) -> Lane {
        Lane::Net
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.fetch(context))
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let id = ScrapeJobId(task.subject);
            if failure.code != WORKER_DIED {
                // A full disk, say: nothing is wrong with the candidates, and a retry goes on with them.
                return fail_job(connection, id, failure).await;
            }
            let batch = Batch::deserialize(&task.payload).unwrap_or_default();
            let crashed = Outcome::new(OutcomeKind::Failed, "crashed");
            if scrape::lock_job(&mut *connection, id).await?.is_some() {
                scrape::settle_candidates(&mut *connection, &batch.ids(), &crashed).await?;
            }
            advance(connection, id).await?;
            Ok(())
        })
    }
}

/// The candidates of a batch that wait, are under way, or were put off.
struct Work {
    waiting: VecDeque<Turn>,
    under_way: JoinSet<Ended>,
    which: HashMap<Id, OpenCandidate>,
    /// How many at once: never more than the job still wants.
    parallel: usize,
    put_off: Vec<(CandidateId, u32)>,
    put_off_for: Option<Duration>,
}

impl Work {
    fn of(batch: &Batch, open: Vec<OpenCandidate>) -> Self {
        let failures: HashMap<_, _> = batch.candidates.iter().copied().collect();
        let turn = |candidate: OpenCandidate| {
            let failures = failures.get(&candidate.id).copied().unwrap_or_default();
            Turn { candidate, failures }
        };
        Self {
            waiting: open.into_iter().map(turn).collect(),
            under_way: JoinSet::new(),
            which: HashMap::new(),
            parallel: PARALLEL,
            put_off: Vec::new(),
            put_off_for: None,
        }
    }

    fn begin(&mut self, downloads: &Arc<Downloads>, stopping: &CancellationToken) {
        while self.under_way.len() < self.parallel {
            let Some(turn) = self.waiting.pop_front() else {
                return;
            };
            let candidate = turn.candidate.clone();
            let download = Arc::clone(downloads).run(turn, stopping.clone());
            let id = self.under_way.spawn(download).id();
            self.which.insert(id, candidate);
        }
    }

    /// What ended; a panic is the outcome of the candidate that caused it.
    fn ended(&mut self, joined: Result<(Id, Ended), JoinError>) -> Option<Ended> {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let candidate = self.which.remove(&id)?;
        Some(joined.map_or_else(|error| Ended::crashed(candidate, &error), |(_, ended)| ended))
    }

    fn put_off(&mut self, candidate: CandidateId, failures: u32, wait: Duration) {
        self.put_off.push((candidate, failures));
        // The first one decides; those whose hosts want more are put off once more.
        self.put_off_for = Some(self.put_off_for.map_or(wait, |first| first.min(wait)));
    }

    /// What waits or is under way.
    fn ids(&self) -> Vec<CandidateId> {
        let waiting = self.waiting.iter().map(|turn| turn.candidate.id);
        waiting.chain(self.which.values().map(|candidate| candidate.id)).collect()
    }
}

impl ScrapeFetch {
    async fn fetch(&self, context: &Context) -> Result<(), TaskError> {
        let id = ScrapeJobId(context.task.subject);
        let batch: Batch = context.payload()?;
        let open = scrape::list_open_candidates(&self.app.pool, &batch.ids()).await?;
        if context.task.attempt >= TAKE_APART && batch.candidates.len() > 1 {
            return self.take_apart(context, id, &batch, &open).await;
        }
        let Some(missing) = scrape::count_missing(&self.app.pool, id).await? else {
            return Ok(());
        };
        let mut work = Work::of(&batch, open);
        work.parallel = parallel(missing);
        self.work_off(context, id, &mut work).await?;
        self.hand_over(context, id, work).await
    }

    /// Until every candidate is settled or put off, or nobody waits for one any more.
    async fn work_off(
        &self,
        context: &Context,
        id: ScrapeJobId,
        work: &mut Work,
    ) -> Result<(), TaskError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.tick().await;
        loop {
            work.begin(&self.downloads, context.stopping());
            let joined = tokio::select! {
                joined = work.under_way.join_next_with_id() => joined,
                // Here and not around it all: a settlement that has begun takes back what it stored.
                () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
                () = context.stopping().cancelled() => return Err(TaskError::GiveBack),
                _ = look.tick() => {
                    if scrape::list_open_candidates(&self.app.pool, &work.ids()).await?.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(joined) = joined else { return Ok(()) };
            let Some(ended) = work.ended(joined) else {
                continue;
            };
            if let Found::Later { failures, wait } = ended.found {
                work.put_off(ended.candidate.id, failures, wait);
                continue;
            }
            let missing = settle::settle(&self.app, context, id, ended).await?;
            work.parallel = parallel(missing);
            if missing == 0 {
                work.put_off.clear();
                return Ok(());
            }
        }
    }

    /// Ends the batch: what was put off goes on later in a task of its own; the last task decides about the job.
    async fn hand_over(
        &self,
        context: &Context,
        id: ScrapeJobId,
        work: Work,
    ) -> Result<(), TaskError> {
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        if !work.put_off.is_empty() {
            let batch = Batch { candidates: work.put_off };
            let later =
                NewTask { delay: work.put_off_for.unwrap_or_default(), ..task(id, &batch, 0) };
            queue::enqueue(&mut *transaction, later).await?;
        }
        advance(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Gives each candidate that is left a task of its own.
    async fn take_apart(
        &self,
        context: &Context,
        id: ScrapeJobId,
        batch: &Batch,
        open: &[OpenCandidate],
    ) -> Result<(), TaskError> {
        tracing::warn!(job = %id, candidates = open.len(), "a batch lost its workers; its candidates go on alone");
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        let alone = batch.candidates.iter().filter(|(id, _)| open.iter().any(|one| one.id == *id));
        for one in alone {
            let batch = Batch { candidates: vec![*one] };
            let task = NewTask { max_attempts: ALONE_ATTEMPTS, ..task(id, &batch, 0) };
            queue::enqueue(&mut *transaction, task).await?;
        }
        advance(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn parallel(missing: i32) -> usize {
    usize::try_from(missing).unwrap_or_default().clamp(1, PARALLEL)
}

impl Ended {
    fn crashed(candidate: OpenCandidate, error: &JoinError) -> Self {
        tracing::error!(url = candidate.url, %error, "a candidate caused a panic");
        Self::of(candidate, Found::Nothing(Outcome::new(OutcomeKind::Failed, "crashed")))
    }
}
