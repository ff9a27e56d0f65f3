//! `cleaning_learn`: trains networks on a dataset's own pictures, each of which judges those that it has not seen.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::cleaning_check;
use super::cleaning_plan::fail_job;
use super::training_run::{unloadable, untrainable};
use crate::app::App;
use crate::cleaning::learning::{self, FEWEST, Learnt, NETWORKS};
use crate::cleaning::{CleaningJob, job};
use crate::db::{ClassId, CleaningJobId};
use crate::queue::{Context, Failure, Handler, Lane, NewTask, Task, TaskError};
use crate::snapshot::{self, Member, leaks};
use crate::training::pictures::{self, Source};
use crate::training::{ImageSet, TrainingError};

const KIND: &str = "cleaning_learn";
/// How often the task says how far it is.
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
        let learnt = train(context, sets, &lesson).await?;
        self.record(context, id, &lesson, learnt).await
    }

    /// The images and which of them look alike.
    async fn lesson(&self, job: &CleaningJob) -> Result<Lesson, TaskError> {
        let mut connection = self.app.pool.acquire().await?;
        let (classes, members) = learning::members(&mut *connection, job.id).await?;
        if classes.len() < 2 || members.len() < FEWEST {
            let error = anyhow!(
                "the checks \"label_error\" and \"outlier\" learn from the dataset itself, and need two \
                 classes and {FEWEST} images; there are {} and {}",
                classes.len(),
                members.len()
            );
            return Err(TaskError::Fail { code: "too_few_to_learn".into(), error });
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
        learning::insert(&mut transaction, id, &lesson.classes, &learnt).await?;
        if job::prepared(&mut *transaction, id, NETWORKS).await? {
            cleaning_check::begin(&mut transaction, id).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Learns on a thread of its own, which stops behind its batch when the task is cancelled or the worker stops.
async fn train(
    context: &Context,
    sets: Vec<ImageSet>,
    lesson: &Lesson,
) -> Result<Vec<Learnt>, TaskError> {
    let (classes, groups) = (lesson.classes.len(), lesson.groups.clone());
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let trained = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&trained);
    let mut watch = move |networks| {
        counter.store(networks, Ordering::Relaxed);
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let work = move || learning::learn([&sets[0], &sets[1]], classes, &groups, &mut watch);
    let mut thread = std::pin::pin!(context.spawn_blocking(work));
    let mut ticks = interval(TICK);
    loop {
        tokio::select! {
            learnt = &mut thread => {
                let learnt = learnt.context("the training thread ended early")?;
                return learnt.map_err(|error| match error {
                    TrainingError::Cancelled => TaskError::GiveBack,
                    error => untrainable(error),
                });
            }
            _ = ticks.tick() => {
                context.progress(trained.load(Ordering::Relaxed) as u64, NETWORKS as u64);
            }
            () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
            () = context.stopping().cancelled() => return Err(TaskError::GiveBack),
        }
    }
}
