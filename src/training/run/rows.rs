//! The row of a training run, and how it is found.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgExecutor, query_as};
use utoipa::ToSchema;

use crate::db::{DatasetId, ExperimentId, ModelId, Named as _, SnapshotId, TrainingRunId};
use crate::queue::{JobError, JobStatus, Progress};
use crate::training::Recipe;
use crate::training::order::{Place, RunOrder};

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
    /// The run whose recipe and seed it repeats on a later snapshot; null when it repeats none.
    pub baseline_id: Option<TrainingRunId>,
    /// The dataset that was frozen in the snapshot.
    pub dataset_id: DatasetId,
    /// Where the run stands.
    pub status: JobStatus,
    /// Training pictures seen, over all epochs; over a pretrained network also each picture whose features were
    /// computed ahead of them.
    pub progress: Progress,
    /// The last epoch that was evaluated, 0 before the first: see `evaluate_every` of the recipe.
    pub epoch: i32,
    /// Epochs in all.
    pub epochs: i32,
    /// Network, optimiser and augmentation.
    pub recipe: Recipe,
    /// Seed of weights, dropout, order and augmentation.
    pub seed: i64,
    /// What it published; null before the end.
    pub model_id: Option<ModelId>,
    /// Of the epoch that was kept (`best_epoch`), dropout off, no augmentation; 0 to 1.
    pub train_accuracy: Option<f64>,
    /// Of the epoch that was kept, on the held-out images; 0 to 1.
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

impl TrainingRun {
    /// What it is called: by its name, which a single run lacks, else by its network.
    pub fn title(&self) -> String {
        if self.name.is_empty() { self.recipe.network() } else { self.name.clone() }
    }

    /// The epoch whose weights it keeps; `None` before its end.
    pub fn kept(&self) -> Option<u32> {
        self.best_epoch.and_then(|epoch| u32::try_from(epoch).ok())
    }
}

struct Row {
    id: TrainingRunId,
    experiment_id: Option<ExperimentId>,
    name: String,
    snapshot_id: SnapshotId,
    baseline_id: Option<TrainingRunId>,
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
            // Older experiments have runs without one where they vary the seed alone.
            name: match row.experiment_id {
                Some(_) if row.name.is_empty() => row.recipe.network(),
                _ => row.name,
            },
            snapshot_id: row.snapshot_id,
            baseline_id: row.baseline_id,
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
               select r.id, coalesce(r.test_accuracy, -1) as accuracy, coalesce(abs(r.gap), 2) as gap
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
               r.baseline_id as "baseline_id: TrainingRunId",
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
