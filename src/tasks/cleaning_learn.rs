//! `cleaning_learn`: trains networks on a dataset's own pictures, each of which judges those that it has not seen.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

use super::cleaning_check;
use super::cleaning_plan::fail_job;
use super::training_run::{unloadable, untrainable};
use crate::app::App;
use crate::cleaning::learning::{self, Journal, Learnt, Material, NETWORKS, OutOfFold};
use crate::cleaning::{CleaningJob, job};
use crate::db::{ClassId, CleaningJobId, Sha256};
use crate::queue::{Context, Failure, Handler, Lane, NewTask, Task, TaskError};
use crate::snapshot::{self, Member, leaks};
use crate::training::pictures::{self, Source};
use crate::training::{ImageSet, TrainingError};

const KIND: &str = "cleaning_learn";
/// How often the task says how far it is, and tries again to.
const TICK: Duration = Duration::from_secs(1);

/// The task that learns for a cleaning job.
pub(super) fn task(id: CleaningJobId) -> NewTask {
    job::task(KIND, Lane::Train, id)
}

/// Runs [`task`].
pub(super) struct CleaningLearn {
    pub(super) app: Arc<App>,
}

impl Handler for CleaningLearn {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn lane(&self) -> Lane {
        Lane::Train
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.learn(context))
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(fail_job(connection, task, failure))
    }
}

/// What is learnt from.
struct Lesson {
    classes: Vec<ClassId>,
    members: Vec<Member>,
    groups: Vec<usize>,
}

impl CleaningLearn {
    async fn learn(&self, context: &Context) -> Result<(), TaskError> {
        let id = CleaningJobId(context.task.subject);
        let Some(job) = job::find(&self.app.pool, id).await? else {
            return Ok(());
        };
        let lesson = self.lesson(&job).await?;
        let source =
            Source { pool: &self.app.pool, blobs: &self.app.blobs, dataset: job.dataset_id };
        let mut sets = Vec::new();
        for size in learning::sizes() {
            let loaded = tokio::select! {
                loaded = pictures::load(source, &lesson.members, size) => loaded.map_err(unloadable)?,
                () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
            };
            sets.push(loaded.0);
        }
        let learnt = self.train(context, (id, sets), &lesson).await?;
        self.record(context, id, &lesson, learnt).await
    }

    /// The images and which of them look alike.
    async fn lesson(&self, job: &CleaningJob) -> Result<Lesson, TaskError> {
        let mut connection = self.app.pool.acquire().await?;
        let (classes, members) = learning::members(&mut *connection, job.id).await?;
        // There may be fewer than when the job was asked for.
        let material = Material { classes: classes.len(), images: members.len() };
        if let Some(why) = material.wanting() {
            return Err(TaskError::Fail { code: "too_few_to_learn".into(), error: anyhow!(why) });
        }
        let pairs = snapshot::near_duplicates(&mut connection, job.dataset_id, &members).await?;
        let groups = leaks::groups(members.len(), &pairs);
        Ok(Lesson { classes, members, groups })
    }

    async fn record(
        &self,
        context: &Context,
        id: CleaningJobId,
        lesson: &Lesson,
        learnt: Vec<Learnt>,
    ) -> Result<(), TaskError> {
        let of = |(member, learnt): (&Member, Learnt)| Some((member.image?, member.label, learnt));
        let learnt: Vec<_> = lesson.members.iter().zip(learnt).filter_map(of).collect();
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        let counted = learning::insert(&mut transaction, id, &lesson.classes, &learnt).await?;
        if job::prepared(&mut *transaction, id, NETWORKS.saturating_sub(counted)).await? {
            cleaning_check::begin(&mut transaction, id).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Learns on a thread of its own, which stops behind its batch when the task is cancelled or the worker stops. What
    /// a network says is kept as soon as it is trained, for a worker that may have to go on.
    async fn train(
        &self,
        context: &Context,
        (id, sets): (CleaningJobId, Vec<ImageSet>),
        lesson: &Lesson,
    ) -> Result<Vec<Learnt>, TaskError> {
        let (classes, groups) = (lesson.classes.len(), lesson.groups.clone());
        let pictures = lesson.members.iter().map(|member| (member.sha256, member.label));
        let key = (id, learning::lesson_digest(pictures, &groups, classes));
        let stop = CancellationToken::new();
        let _stop_when_dropped = stop.clone().drop_guard();
        let trained = Arc::new(AtomicUsize::new(0));
        let (keep, mut kept) = mpsc::unbounded_channel();
        let known = learning::recall(&self.app.pool, key).await?;
        let mut notes = Notes { known, trained: Arc::clone(&trained), keep, stop };
        let work = move || learning::learn([&sets[0], &sets[1]], classes, &groups, &mut notes);
        let mut thread = std::pin::pin!(context.spawn_blocking(work));
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                // First, so that no stop loses a network that waits to be kept.
                biased;
                Some((network, judged)) = kept.recv() => {
                    self.keep(context, key, (network, &judged)).await?;
                }
                learnt = &mut thread => {
                    let learnt = learnt.context("the training thread ended early")?;
                    return learnt.map_err(|error| match error {
                        TrainingError::Cancelled => TaskError::GiveBack,
                        error => untrainable(error),
                    });
                }
                () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
                () = context.stopping().cancelled() => return Err(TaskError::GiveBack),
                _ = ticks.tick() => {
                    context.progress(trained.load(Ordering::Relaxed) as u64, NETWORKS as u64);
                }
            }
        }
    }

    /// Keeps what a network says, and counts it; waits for a database that is away while the next one is trained.
    async fn keep(
        &self,
        context: &Context,
        (job, lesson): (CleaningJobId, Sha256),
        (network, judged): (usize, &OutOfFold),
    ) -> Result<(), TaskError> {
        let write = async || {
            let mut transaction = self.app.pool.begin().await?;
            context.hold(&mut transaction).await?;
            if learning::keep(&mut *transaction, (job, lesson), network, judged).await? {
                job::advance(&mut *transaction, job).await?;
            }
            transaction.commit().await?;
            Ok(())
        };
        while let Err(error) = write().await {
            let TaskError::Snooze { .. } = error else {
                return Err(error);
            };
            tokio::select! {
                () = sleep(TICK) => {}
                () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
                () = context.stopping().cancelled() => return Err(TaskError::GiveBack),
            }
        }
        tracing::info!(job = %job, network, "a network has learnt");
        Ok(())
    }
}

/// What the training thread knows of the task.
struct Notes {
    known: BTreeMap<usize, OutOfFold>,
    trained: Arc<AtomicUsize>,
    keep: UnboundedSender<(usize, OutOfFold)>,
    stop: CancellationToken,
}

impl Journal for Notes {
    fn trained(&mut self, networks: usize) -> ControlFlow<()> {
        self.trained.store(networks, Ordering::Relaxed);
        if self.stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn recall(&mut self, network: usize) -> Option<OutOfFold> {
        self.known.remove(&network)
    }

    fn keep(&mut self, network: usize, judged: OutOfFold) {
        // Nobody listens any more where the task has ended.
        let _ = self.keep.send((network, judged));
    }
}
