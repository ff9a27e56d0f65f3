//! `training_run`: loads a snapshot's pictures, trains on a thread of its own, records each epoch, publishes the model.

mod features;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use self::features::{LastFeatures, Pretrained, Sets};
use self::watch::{EpochEnd, Training};
use crate::app::App;
use crate::blobs::Key;
use crate::db::{Sha256, TrainingRunId};
use crate::model;
use crate::queue::{Context, Failure, Handler, Lane, Task, TaskError};
use crate::snapshot::{self, Member, Snapshot};
use crate::training::pictures::LoadError;
use crate::training::{self, Learnt, Outcome, Setup, Trainer, TrainingError, publication, share};

/// How often the row says how far the run is.
const TICK: Duration = Duration::from_secs(1);
/// How long a worker that stops waits for the epoch to end, so that its work is not lost.
const LAST_EPOCH: Duration = Duration::from_secs(15);
/// The pause between tries to record an epoch while the database is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the tasks of this kind.
pub(super) struct TrainingRun {
    /// The process's parts.
    app: Arc<App>,
    last_features: LastFeatures,
}

impl TrainingRun {
    /// With nothing kept of earlier runs.
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, last_features: LastFeatures::default() }
    }
}

impl Handler for TrainingRun {
    fn kind(&self) -> &'static str {
        training::TRAIN
    }

    fn lane(&self) -> Lane {
        Lane::Train
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        async move {
            let cancelled = context.cancelled().clone();
            // Dropped at any await, the training thread stops behind its batch.
            let run = cancelled.run_until_cancelled_owned(Box::pin(self.train(context))).await;
            run.unwrap_or(Err(TaskError::LeaseLost))
        }
        .boxed()
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async move { Ok(training::fail(connection, TrainingRunId(task.subject), failure).await?) }
            .boxed()
    }
}

/// What an attempt works on.
struct Job {
    id: TrainingRunId,
    snapshot: Snapshot,
    /// Those that the run trains on or is tested on.
    members: Vec<Member>,
    setup: Setup,
    /// The network whose features the run learns from.
    pretrained: Option<Pretrained>,
    /// The newest complete checkpoint.
    checkpoint: Option<Sha256>,
}

impl TrainingRun {
    async fn train(&self, context: &Context) -> Result<(), TaskError> {
        let mut job = self.begin(context).await?;
        let sets = self.sets(context, &job).await?;
        let trainer = self.trainer(context, &mut job).await?;
        let (trainer, outcome) = self.learn(context, &mut job, trainer, sets).await?;
        self.publish(context, job, trainer, outcome).await
    }

    async fn begin(&self, context: &Context) -> Result<Job, TaskError> {
        let id = TrainingRunId(context.task.subject);
        let mut transaction = self.app.pool.begin().await?;
        context.hold(&mut transaction).await?;
        let checkpoint = training::start(&mut *transaction, id).await?;
        transaction.commit().await?;
        let pool = &self.app.pool;
        let run = training::find(pool, id).await?.context("the training run is gone")?;
        let snapshot =
            snapshot::find(pool, run.snapshot_id).await?.context("the snapshot is gone")?;
        if snapshot.missing > 0 {
            let error = anyhow!("{} pictures of the snapshot are gone", snapshot.missing);
            return Err(TaskError::Fail { code: "snapshot_incomplete".into(), error });
        }
        let members = snapshot::members(pool, snapshot.id).await?;
        let members = share::keep(members, run.recipe.train_fraction, snapshot.seed as u64);
        let pretrained = self.pretrained(&run.recipe).await?;
        let setup = Setup {
            recipe: run.recipe,
            classes: snapshot.classes.len(),
            seed: run.seed as u64,
            data: snapshot.id.to_string(),
            backbone: pretrained.as_ref().map(|(_, sha256)| *sha256),
        };
        Ok(Job { id, snapshot, members, setup, pretrained, checkpoint })
    }

    /// The trainer as it stood after the last recorded epoch. A checkpoint that is lost or was written by another
    /// version costs the epochs, not the run.
    async fn trainer(&self, context: &Context, job: &mut Job) -> Result<Trainer, TaskError> {
        if let Some(sha256) = job.checkpoint {
            let bytes = self.app.blobs.get(&Key::Checkpoint(job.id, sha256)).await?;
            let setup = job.setup.clone();
            let resumed = match bytes.filter(|bytes| Sha256::of(bytes) == sha256) {
                Some(bytes) => {
                    blocking(context, move || Trainer::resume(setup, &bytes)).await?.ok()
                }
                None => None,
            };
            if let Some(trainer) = resumed {
                return Ok(trainer);
            }
            tracing::warn!(run = %job.id, checkpoint = %sha256, "a checkpoint is unusable: starting over");
            let mut transaction = self.app.pool.begin().await?;
            context.hold(&mut transaction).await?;
            training::restart(&mut transaction, job.id).await?;
            transaction.commit().await?;
            job.checkpoint = None;
        }
        let setup = job.setup.clone();
        blocking(context, move || Trainer::new(setup)).await?.map_err(untrainable)
    }

    /// Trains to the end, recording each epoch before the next one begins.
    async fn learn(
        &self,
        context: &Context,
        job: &mut Job,
        trainer: Trainer,
        sets: Sets,
    ) -> Result<(Trainer, Outcome), TaskError> {
        // Pictures whose features are computed count too.
        let before = job.pretrained.as_ref().map_or(0, |_| job.members.len() as u64);
        let mut training = Training::start(context, trainer, sets, before);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = 0;
        let mut deadline = None;
        loop {
            tokio::select! {
                end = training.epochs.recv() => match end {
                    Some(end) => {
                        self.record(context, job, &end, training.seen()).await?;
                        if context.stopping().is_cancelled() {
                            return Err(TaskError::GiveBack);
                        }
                        end.go_on();
                    }
                    None => break,
                },
                _ = ticks.tick(), if training.seen() != written => {
                    written = training.seen();
                    self.advance(context, job.id, written).await?;
                }
                () = context.stopping().cancelled(), if deadline.is_none() => {
                    deadline = Some(tokio::time::Instant::now() + LAST_EPOCH);
                }
                () = sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)),
                    if deadline.is_some() => return Err(TaskError::GiveBack),
            }
        }
        training.join().await?.map_err(untrainable)
    }

    /// Stores the checkpoint, then points the run at it together with the epoch's row; waits for a database that is
    /// away.
    async fn record(
        &self,
        context: &Context,
        job: &mut Job,
        end: &EpochEnd,
        seen: u64,
    ) -> Result<(), TaskError> {
        let sha256 = Sha256::of(&end.checkpoint);
        let key = Key::Checkpoint(job.id, sha256);
        self.app.blobs.put(&key, end.checkpoint.clone()).await?;
        while let Err(error) = self.point(context, job.id, end, (sha256, seen)).await {
            let TaskError::Snooze { reason, .. } = error else {
                return Err(error);
            };
            tracing::warn!(run = %job.id, reason, "an epoch waits for the database");
            sleep(PAUSE).await;
        }
        if let Some(old) = job.checkpoint.replace(sha256).filter(|old| *old != sha256) {
            self.app.blobs.delete(&Key::Checkpoint(job.id, old)).await?;
        }
        Ok(())
    }

    async fn point(
        &self,
        context: &Context,
        id: TrainingRunId,
        end: &EpochEnd,
        (sha256, seen): (Sha256, u64),
    ) -> Result<(), TaskError> {
        let mut transaction = self.app.pool.begin().await?;
        context.hold(&mut transaction).await?;
        if let Some(summary) = &end.summary {
            training::insert_epoch(&mut *transaction, id, summary).await?;
        }
        training::set_checkpoint(&mut *transaction, id, sha256, seen as i64).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Says how far the run is; a database that is away hears of it later.
    async fn advance(
        &self,
        context: &Context,
        id: TrainingRunId,
        seen: u64,
    ) -> Result<(), TaskError> {
        let write = async {
            let mut transaction = self.app.pool.begin().await?;
            context.hold(&mut transaction).await?;
            training::advance(&mut *transaction, id, seen as i64).await?;
            transaction.commit().await?;
            Ok(())
        };
        match write.await {
            Err(TaskError::Snooze { .. }) => Ok(()),
            other => other,
        }
    }

    async fn publish(
        &self,
        context: &Context,
        job: Job,
        trainer: Trainer,
        outcome: Outcome,
    ) -> Result<(), TaskError> {
        let Job { id, snapshot, members, setup, pretrained, .. } = job;
        let learnt = Learnt {
            best_epoch: outcome.best_epoch,
            train_accuracy: outcome.train.accuracy,
            test_accuracy: outcome.test.accuracy,
            predictions: training::predictions(&outcome, &members, setup.classes),
        };
        let publish = move || {
            let networks = (trainer.into_network(), pretrained.map(|(backbone, _)| backbone));
            let file = publication::file(networks, &outcome, &setup, &snapshot);
            let entry = publication::entry(id, &snapshot, (&file, &outcome), setup.backbone);
            (Bytes::from(file), entry)
        };
        let (file, entry) = blocking(context, publish).await?;
        self.app.blobs.put(&Key::Model(entry.sha256), file).await?;

        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        training::finish(&mut transaction, id, &learnt).await?;
        model::insert(&mut *transaction, &entry).await?;
        transaction.commit().await?;
        if let Err(error) = self.sweep(id).await {
            tracing::warn!(run = %id, error = format!("{error:#}"), "old checkpoints stay behind");
        }
        Ok(())
    }

    /// Deletes every checkpoint of a finished run, those of lost attempts too.
    async fn sweep(&self, id: TrainingRunId) -> anyhow::Result<()> {
        for path in self.app.blobs.list(&Key::checkpoint_prefix(id)).await? {
            self.app.blobs.delete(&path.parse()?).await?;
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    context.spawn_blocking(work).await.context("the training thread ended early")
}

pub(super) fn unloadable(error: LoadError) -> TaskError {
    let code = match &error {
        LoadError::Missing(_) => "snapshot_incomplete",
        LoadError::Unreadable(..) => "picture_unreadable",
        LoadError::TooMany(_) => "too_many_pixels",
        LoadError::Other(_) => return TaskError::from(anyhow::Error::from(error)),
    };
    TaskError::Fail { code: code.into(), error: error.into() }
}

/// The same pictures, recipe and seed fail the same way each time.
pub(super) fn untrainable(error: TrainingError) -> TaskError {
    TaskError::Fail { code: error.code().into(), error: error.into() }
}
