//! Experiments: grids of training runs on one snapshot, side by side.

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_scalar};
use utoipa::ToSchema;

use super::comparison::{Contender, Rule, Sample, Selection, baseline, select};
use super::prediction::{Prediction, split};
use super::{RunFilter, TrainingRun, run, stopping};
use crate::db::{DatasetId, ExperimentId, Named as _, Order, SnapshotId, TrainingRunId};
use crate::queue::{JobStatus, Progress};

/// A grid of recipes and seeds on one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Experiment {
    /// Sorts by time of creation.
    pub id: ExperimentId,
    /// What all its runs train on.
    pub snapshot_id: SnapshotId,
    /// The dataset that was frozen in the snapshot.
    pub dataset_id: DatasetId,
    /// Chosen by the user, or what the grid varies.
    pub name: String,
    /// Its runs.
    pub runs: i64,
    /// Those that wait or train.
    pub unfinished: i64,
    /// Those that have succeeded.
    pub succeeded: i64,
    /// Training pictures seen, over all epochs of all runs.
    pub progress: Progress,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// Which experiments to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExperimentFilter {
    /// On snapshots of this dataset.
    pub dataset: Option<DatasetId>,
    /// On this snapshot.
    pub snapshot: Option<SnapshotId>,
    /// Behind this one.
    pub after: Option<ExperimentId>,
    /// In this order.
    pub sort: Order,
    /// This one alone.
    pub only: Option<ExperimentId>,
}

/// Creates an experiment without runs.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    snapshot: SnapshotId,
    name: &str,
) -> sqlx::Result<ExperimentId> {
    query_scalar!(
        r#"insert into experiments (snapshot_id, name) values ($1, $2)
           returning id as "id: ExperimentId""#,
        snapshot as SnapshotId,
        name,
    )
    .fetch_one(executor)
    .await
}

/// Up to `limit` experiments in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &ExperimentFilter,
    limit: i64,
) -> sqlx::Result<Vec<Experiment>> {
    let rows = query!(
        r#"with chosen as not materialized (
               select e.id from experiments e join snapshots s on s.id = e.snapshot_id
               where ($1::uuid is null or s.dataset_id = $1)
                 and ($2::uuid is null or e.snapshot_id = $2) and ($4::uuid is null or e.id = $4)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $6::text = 'newest' and ($3::uuid is null or id < $3) order by id desc limit $5)
               union all
               (select id, row_number() over (order by id) from chosen
                where $6 = 'oldest' and ($3::uuid is null or id > $3) order by id limit $5))
           select e.id as "id: ExperimentId", e.snapshot_id as "snapshot_id: SnapshotId",
               s.dataset_id as "dataset_id: DatasetId", e.name, count(r.id) as "runs!",
               count(r.id) filter (where r.status in ('queued', 'running')) as "unfinished!",
               count(r.id) filter (where r.status = 'succeeded') as "succeeded!",
               coalesce(sum(r.done), 0)::bigint as "done!",
               coalesce(sum(r.total), 0)::bigint as "total!", e.created_at
           from page join experiments e using (id) join snapshots s on s.id = e.snapshot_id
           left join training_runs r on r.experiment_id = e.id
           group by place, e.id, s.dataset_id order by place"#,
        filter.dataset as Option<DatasetId>,
        filter.snapshot as Option<SnapshotId>,
        filter.after as Option<ExperimentId>,
        filter.only as Option<ExperimentId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await?;
    let experiments = rows.into_iter().map(|row| Experiment {
        id: row.id,
        snapshot_id: row.snapshot_id,
        dataset_id: row.dataset_id,
        name: row.name,
        runs: row.runs,
        unfinished: row.unfinished,
        succeeded: row.succeeded,
        progress: Progress { done: row.done, total: row.total },
        created_at: row.created_at,
    });
    Ok(experiments.collect())
}

/// The experiment, if there is one.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: ExperimentId,
) -> sqlx::Result<Option<Experiment>> {
    let filter = ExperimentFilter { only: Some(id), ..ExperimentFilter::default() };
    Ok(list(executor, &filter, 1).await?.pop())
}

/// The runs of an experiment, in the order of its grid.
pub async fn runs(
    executor: impl PgExecutor<'_>,
    id: ExperimentId,
) -> sqlx::Result<Vec<TrainingRun>> {
    let filter = RunFilter { experiment: Some(id), ..RunFilter::default() };
    let mut runs = run::list(executor, &filter, i64::MAX).await?;
    runs.reverse();
    Ok(runs)
}

/// Chooses among the recipes of an experiment by their runs that have succeeded; `None` before there is one.
///
/// A recipe of which some seeds failed is judged by the others.
pub async fn choose(
    connection: &mut PgConnection,
    runs: &[TrainingRun],
    rule: Rule,
) -> Result<Option<Selection>> {
    let mut recipes: Vec<(&TrainingRun, Vec<TrainingRunId>)> = Vec::new();
    for run in runs.iter().filter(|run| run.status == JobStatus::Succeeded) {
        match recipes.iter_mut().find(|(first, _)| first.recipe == run.recipe) {
            Some((_, ids)) => ids.push(run.id),
            None => recipes.push((run, vec![run.id])),
        }
    }
    if recipes.is_empty() {
        return Ok(None);
    }
    let may_end_early = recipes.iter().any(|(first, _)| first.recipe.early_stopping.is_some());
    let mut answers = Vec::with_capacity(recipes.len());
    for (first, ids) in recipes {
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for id in ids {
            let sides = split(&mut *connection, id).await?;
            train.push(sides.0);
            test.push(sides.1);
        }
        answers.push(Answers { name: first.name.clone(), train, test });
    }
    // Of many runs, longer than the threads that serve requests may be held.
    let mut selection = tokio::task::spawn_blocking(move || select_among(answers, rule)).await??;
    if may_end_early {
        selection.caveats.push(stopping::CAVEAT.to_owned());
    }
    Ok(Some(selection))
}

/// What the runs of a recipe say of each picture.
struct Answers {
    name: String,
    train: Vec<Vec<Prediction>>,
    test: Vec<Vec<Prediction>>,
}

/// Chooses among recipes of which each has a run.
fn select_among(recipes: Vec<Answers>, rule: Rule) -> Result<Selection> {
    let chance = baseline(&recipes[0].train[0]);
    let contender =
        |Answers { name, train, test }| Contender::new(name, sample(&train)?, sample(&test)?);
    let contenders = recipes.into_iter().map(contender).collect::<Result<Vec<_>>>()?;
    select(&contenders, rule, chance)
}

fn sample(runs: &[Vec<Prediction>]) -> Result<Sample> {
    Sample::of_predictions(&runs.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
