//! Training runs: one recipe on one snapshot with one seed, and where it stands.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use super::order::{Place, RunOrder};
use super::{Prediction, Recipe, epoch, prediction};
use crate::db::{DatasetId, ExperimentId, ModelId, Named as _, Sha256, SnapshotId, TrainingRunId};
use crate::queue::{Failure, JobError, JobStatus, Lane, NewTask, Progress};

/// One recipe on one snapshot with one seed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrainingRun {
    /// Sorts by time of creation.
    pub id: TrainingRunId,
    /// The experiment that it is part of; null when it was asked for alone.
    pub experiment_id: Option<ExperimentId>,
    /// What sets its recipe apart in its experiment, the same for all seeds; empty when it was asked for alone.
    pub name: String,
    /// What it trains on.
    pub snapshot_id: SnapshotId,
    /// The dataset that was frozen in the snapshot.
    pub dataset_id: DatasetId,
    /// Where the run stands.
    pub status: JobStatus,
    /// Training pictures seen, over all epochs; over a pretrained network also each picture whose features were
    /// computed ahead of them.
    pub progress: Progress,
    /// Epochs that are complete.
    pub epoch: i32,
    /// Epochs in all.
    pub epochs: i32,
    /// Network, optimiser and augmentation.
    pub recipe: Recipe,
    /// Seed of weights, dropout, order and augmentation.
    pub seed: i64,
    /// What it published; null before the end.
    pub model_id: Option<ModelId>,
    /// After the last epoch, dropout off, no augmentation; 0 to 1.
    pub train_accuracy: Option<f64>,
    /// After the last epoch, on the held-out images; 0 to 1.
    pub test_accuracy: Option<f64>,
    /// Train minus test accuracy.
    pub gap: Option<f64>,
    /// The epoch whose weights were kept: the last one, or the best one of early stopping.
    pub best_epoch: Option<i32>,
    /// What ended the run.
    pub error: Option<JobError>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, however it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

struct Row {
    id: TrainingRunId,
    experiment_id: Option<ExperimentId>,
    name: String,
    snapshot_id: SnapshotId,
    dataset_id: DatasetId,
    status: JobStatus,
    done: i64,
    total: i64,
    epoch: i32,
    recipe: Json<Recipe>,
    seed: i64,
    model_id: Option<ModelId>,
    train_accuracy: Option<f64>,
    test_accuracy: Option<f64>,
    gap: Option<f64>,
    best_epoch: Option<i32>,
    error_code: Option<String>,
    error: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Row> for TrainingRun {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            experiment_id: row.experiment_id,
            name: row.name,
            snapshot_id: row.snapshot_id,
            dataset_id: row.dataset_id,
            status: row.status,
            progress: Progress { done: row.done, total: row.total },
            epoch: row.epoch,
            epochs: row.recipe.epochs as i32,
            recipe: row.recipe.0,
            seed: row.seed,
            model_id: row.model_id,
            train_accuracy: row.train_accuracy,
            test_accuracy: row.test_accuracy,
            gap: row.gap,
            best_epoch: row.best_epoch,
            error: JobError::of(row.error_code, row.error),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

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
    /// Pictures to see: see [`TrainingRun::progress`].
    pub total: i64,
}

/// Creates a run.
pub async fn insert(executor: impl PgExecutor<'_>, new: &NewRun) -> sqlx::Result<TrainingRunId> {
    query_scalar!(
        r#"insert into training_runs (snapshot_id, recipe, seed, total, experiment_id, name)
           values ($1, $2, $3, $4, $5, coalesce($6, '')) returning id as "id: TrainingRunId""#,
        new.snapshot as SnapshotId,
        Json(&new.recipe) as _,
        new.seed,
        new.total,
        new.part_of.as_ref().map(|(experiment, _)| *experiment) as Option<ExperimentId>,
        new.part_of.as_ref().map(|(_, name)| name.as_str()),
    )
    .fetch_one(executor)
    .await
}

/// Which runs to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    /// On snapshots of this dataset.
    pub dataset: Option<DatasetId>,
    /// On this snapshot.
    pub snapshot: Option<SnapshotId>,
    /// Part of this experiment.
    pub experiment: Option<ExperimentId>,
    /// In this status.
    pub status: Option<JobStatus>,
    /// Behind this place.
    pub after: Option<Place>,
    /// In this order.
    pub sort: RunOrder,
    /// This one alone.
    pub only: Option<TrainingRunId>,
}

/// Up to `limit` runs in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &RunFilter,
    limit: i64,
) -> sqlx::Result<Vec<TrainingRun>> {
    let rows = query_as!(
        Row,
        r#"with chosen as not materialized (
               select r.id, coalesce(r.test_accuracy, -1) as accuracy, coalesce(r.gap, 2) as gap
               from training_runs r join snapshots s on s.id = r.snapshot_id
               where ($1::uuid is null or s.dataset_id = $1)
                 and ($2::uuid is null or r.snapshot_id = $2)
                 and ($3::job_status is null or r.status = $3)
                 and ($5::uuid is null or r.id = $5)
                 and ($6::uuid is null or r.experiment_id = $6)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $8::text = 'newest' and ($4::uuid is null or id < $4) order by id desc limit $7)
               union all
               (select id, row_number() over (order by id) from chosen
                where $8 = 'oldest' and ($4::uuid is null or id > $4) order by id limit $7)
               union all
               (select id, row_number() over (order by accuracy desc, id desc) from chosen
                where $8 = 'test_accuracy'
                  and ($4::uuid is null or (accuracy, id) < ($9::double precision, $4))
                order by accuracy desc, id desc limit $7)
               union all
               (select id, row_number() over (order by gap, id) from chosen
                where $8 = 'gap' and ($4::uuid is null or (gap, id) > ($9, $4))
                order by gap, id limit $7))
           select r.id as "id: TrainingRunId", r.experiment_id as "experiment_id: ExperimentId",
               r.name, r.snapshot_id as "snapshot_id: SnapshotId",
               s.dataset_id as "dataset_id: DatasetId", r.status as "status: JobStatus", r.done, r.total,
               (select coalesce(max(e.epoch), 0) from epochs e where e.run_id = r.id) as "epoch!",
               r.recipe as "recipe: Json<Recipe>", r.seed, m.id as "model_id?: ModelId",
               r.train_accuracy, r.test_accuracy, r.gap, r.best_epoch, r.error_code, r.error, r.created_at,
               r.started_at, r.finished_at
           from page join training_runs r using (id) join snapshots s on s.id = r.snapshot_id
           left join models m on m.training_run_id = r.id
           order by page.place"#,
        filter.dataset as Option<DatasetId>,
        filter.snapshot as Option<SnapshotId>,
        filter.status as Option<JobStatus>,
        filter.after.map(|place| place.id) as Option<TrainingRunId>,
        filter.only as Option<TrainingRunId>,
        filter.experiment as Option<ExperimentId>,
        limit,
        filter.sort.name(),
        filter.after.map(|place| place.value),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(TrainingRun::from).collect())
}

/// The run, if there is one.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: TrainingRunId,
) -> sqlx::Result<Option<TrainingRun>> {
    let filter = RunFilter { only: Some(id), ..RunFilter::default() };
    Ok(list(executor, &filter, 1).await?.pop())
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
    /// After the last epoch, dropout off, no augmentation; 0 to 1.
    pub train_accuracy: f64,
    /// After the last epoch, on the held-out images; 0 to 1.
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
