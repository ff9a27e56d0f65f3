//! Training runs: one recipe on one snapshot with one seed, and where it stands.

mod rows;

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, query, query_scalar};

pub use self::rows::{RunFilter, TrainingRun, find, list};
use super::{Prediction, Recipe, epoch, prediction, share};
use crate::db::{ExperimentId, Sha256, SnapshotId, TrainingRunId};
use crate::queue::{Failure, Lane, NewTask};
use crate::snapshot::{Snapshot, SplitCounts};

/// A run to create.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// What to train on.
    pub snapshot: SnapshotId,
    /// The experiment that it is part of, and what sets its recipe apart there.
    pub part_of: Option<(ExperimentId, String)>,
    /// A recipe that keeps its rules.
    pub recipe: Recipe,
    /// Seed of weights, dropout, order and augmentation.
    pub seed: i64,
    /// The run that it repeats.
    pub baseline: Option<TrainingRunId>,
    /// Pictures to see: see [`TrainingRun::progress`].
    pub total: i64,
}

/// Creates a run.
pub async fn insert(executor: impl PgExecutor<'_>, new: &NewRun) -> sqlx::Result<TrainingRunId> {
    query_scalar!(
        r#"insert into training_runs
               (snapshot_id, recipe, seed, total, experiment_id, name, baseline_id)
           values ($1, $2, $3, $4, $5, coalesce($6, ''), $7) returning id as "id: TrainingRunId""#,
        new.snapshot as SnapshotId,
        Json(&new.recipe) as _,
        new.seed,
        new.total,
        new.part_of.as_ref().map(|(experiment, _)| *experiment) as Option<ExperimentId>,
        new.part_of.as_ref().map(|(_, name)| name.as_str()),
        new.baseline as Option<TrainingRunId>,
    )
    .fetch_one(executor)
    .await
}

/// Lets the runs that waited for the snapshot begin; each still needs its task.
pub async fn release(
    connection: &mut PgConnection,
    snapshot: &Snapshot,
) -> sqlx::Result<Vec<TrainingRunId>> {
    let waiting = query!(
        r#"select id as "id: TrainingRunId", recipe as "recipe: Json<Recipe>" from training_runs
           where snapshot_id = $1 and status = 'queued' for update"#,
        snapshot.id as SnapshotId,
    )
    .fetch_all(&mut *connection)
    .await?;
    for run in &waiting {
        let total = pictures_to_see(&run.recipe, snapshot);
        query!("update training_runs set total = $2 where id = $1", run.id as TrainingRunId, total)
            .execute(&mut *connection)
            .await?;
    }
    Ok(waiting.into_iter().map(|run| run.id).collect())
}

/// Pictures that a run of `recipe` on the snapshot sees: see [`TrainingRun::progress`].
pub fn pictures_to_see(recipe: &Recipe, snapshot: &Snapshot) -> i64 {
    let SplitCounts { train, test } = snapshot.counts;
    let (train, classes) = (train as usize, snapshot.classes.len());
    let pictures = share::count(train, classes, recipe.train_fraction) as i64;
    let features = if recipe.family.is_over_pretrained() { pictures + i64::from(test) } else { 0 };
    pictures * i64::from(recipe.epochs) + features
}

/// Marks the run as begun; gives its newest complete checkpoint.
pub async fn start(
    executor: impl PgExecutor<'_>,
    id: TrainingRunId,
) -> sqlx::Result<Option<Sha256>> {
    query_scalar!(
        r#"update training_runs set status = 'running', started_at = coalesce(started_at, now())
           where id = $1 returning checkpoint_sha256 as "sha256: Sha256""#,
        id as TrainingRunId,
    )
    .fetch_one(executor)
    .await
}

/// Writes how many pictures the run has seen.
pub async fn advance(
    executor: impl PgExecutor<'_>,
    id: TrainingRunId,
    done: i64,
) -> sqlx::Result<()> {
    query!("update training_runs set done = $2 where id = $1", id as TrainingRunId, done)
        .execute(executor)
        .await?;
    Ok(())
}

/// Points the run at a stored checkpoint, in the transaction that records what was learnt up to it.
pub async fn set_checkpoint(
    executor: impl PgExecutor<'_>,
    id: TrainingRunId,
    checkpoint: Sha256,
    done: i64,
) -> sqlx::Result<()> {
    query!(
        "update training_runs set checkpoint_sha256 = $2, done = $3 where id = $1",
        id as TrainingRunId,
        checkpoint as Sha256,
        done,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Forgets what a run without a usable checkpoint had learnt, so that it begins anew.
pub async fn restart(connection: &mut PgConnection, id: TrainingRunId) -> sqlx::Result<()> {
    epoch::clear(&mut *connection, id).await?;
    query!(
        "update training_runs set done = 0, checkpoint_sha256 = null where id = $1",
        id as TrainingRunId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What a run learnt.
#[derive(Debug, Clone)]
pub struct Learnt {
    /// The epoch whose weights were kept.
    pub best_epoch: u32,
    /// Of that epoch, dropout off, no augmentation; 0 to 1.
    pub train_accuracy: f64,
    /// Of that epoch, on the held-out images; 0 to 1.
    pub test_accuracy: f64,
    /// What it says of each image that it was given, with its position in the snapshot.
    pub predictions: Vec<(i32, Prediction)>,
}

/// Ends the run `succeeded`; its checkpoint is no longer needed. The model's row belongs to the same transaction.
pub async fn finish(
    connection: &mut PgConnection,
    id: TrainingRunId,
    learnt: &Learnt,
) -> sqlx::Result<()> {
    prediction::insert(&mut *connection, id, &learnt.predictions).await?;
    query!(
        "update training_runs
         set status = 'succeeded', done = total, checkpoint_sha256 = null, train_accuracy = $2,
             test_accuracy = $3, best_epoch = $4, finished_at = now()
         where id = $1",
        id as TrainingRunId,
        learnt.train_accuracy,
        learnt.test_accuracy,
        learnt.best_epoch as i32,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the run `failed`.
pub async fn fail(
    executor: impl PgExecutor<'_>,
    id: TrainingRunId,
    failure: &Failure,
) -> sqlx::Result<()> {
    query!(
        "update training_runs
         set status = 'failed', error_code = $2, error = $3, finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as TrainingRunId,
        failure.code,
        failure.message,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Ends the runs that wait for a snapshot which will not be frozen.
pub async fn fail_waiting(
    executor: impl PgExecutor<'_>,
    snapshot: SnapshotId,
    why: &str,
) -> sqlx::Result<()> {
    query!(
        "update training_runs
         set status = 'failed', error_code = 'snapshot_failed', error = $2, finished_at = now()
         where snapshot_id = $1 and status = 'queued'",
        snapshot as SnapshotId,
        format!("the snapshot was not frozen: {why}"),
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Ends the run `cancelled`; false when it had ended before.
pub async fn cancel(executor: impl PgExecutor<'_>, id: TrainingRunId) -> sqlx::Result<bool> {
    let cancelled = query!(
        "update training_runs set status = 'cancelled', finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as TrainingRunId,
    )
    .execute(executor)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Queues a failed or cancelled run again, to go on at its checkpoint; false when it is neither.
pub async fn requeue(executor: impl PgExecutor<'_>, id: TrainingRunId) -> sqlx::Result<bool> {
    let queued = query!(
        "update training_runs
         set status = 'queued', error_code = null, error = null, finished_at = null
         where id = $1 and status in ('failed', 'cancelled')",
        id as TrainingRunId,
    )
    .execute(executor)
    .await?;
    Ok(queued.rows_affected() == 1)
}

/// A run of hours meets more restarts than a task of seconds; each attempt goes on at the last epoch.
const ATTEMPTS: i32 = 25;

/// Kind of the task that trains.
pub const TRAIN: &str = "training_run";

/// The task that trains.
pub fn train_task(id: TrainingRunId) -> NewTask {
    NewTask { max_attempts: ATTEMPTS, ..NewTask::new(TRAIN, Lane::Train, id.0) }
}
