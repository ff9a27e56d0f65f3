//! Cleaning jobs: one pass of checks over a dataset.

mod rows;

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, query, query_scalar};

pub use self::rows::{CleaningJob, JobFilter, find, list};
use super::checks;
use super::duplicates::Keeper;
use super::settings::{ReferenceTags, TagSettings};
use super::tag_rule::TagWeight;
use super::tally::Tally;
use crate::db::{CleaningJobId, DatasetId};
use crate::queue::{JobError, Lane, NewTask};

/// A cleaning job to create.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The dataset to clean.
    pub dataset: DatasetId,
    /// Names of the checks.
    pub checks: Vec<String>,
    /// Settings of the `tags` check.
    pub tags: Option<TagSettings>,
    /// The score under which each of the checks that have one flags.
    pub thresholds: BTreeMap<String, f64>,
    /// Which one of duplicates is kept.
    pub keeper: Keeper,
    /// Verdicts are shown but count for nothing.
    pub dry_run: bool,
    /// Most that the tagger may cost, in dollars.
    pub budget_usd: Option<f64>,
}

impl NewJob {
    /// Whether one of its checks needs networks that are trained on the dataset itself.
    pub fn learns(&self) -> bool {
        checks::learn(&self.checks)
    }
}

/// Creates a job, `queued`.
pub async fn insert(executor: impl PgExecutor<'_>, new: &NewJob) -> sqlx::Result<CleaningJobId> {
    query_scalar!(
        r#"insert into cleaning_jobs (dataset_id, checks, tags, dry_run, budget_usd, thresholds,
                                      keeper)
           values ($1, $2, $3, $4, $5, $6, $7) returning id as "id: CleaningJobId""#,
        new.dataset as DatasetId,
        &new.checks,
        new.tags.as_ref().map(Json) as _,
        new.dry_run,
        new.budget_usd,
        Json(&new.thresholds) as _,
        new.keeper as Keeper,
    )
    .fetch_one(executor)
    .await
}

/// A worker has it. The first time freezes the phrases of its dataset.
pub async fn start(executor: impl PgExecutor<'_>, id: CleaningJobId) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs j
         set status = 'running', started_at = coalesce(started_at, now()),
             phrases = coalesce(phrases, array(
                 select p.phrase from dataset_phrases p where p.dataset_id = j.dataset_id))
         where id = $1 and status = 'queued'",
        id as CleaningJobId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// What is left to do of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Steps: images to label, networks to train, images to judge.
    pub steps: usize,
    /// Tasks that must end before images are judged.
    pub preparing: usize,
}

/// Freezes what the job compares with and how much is left. The time of the first freezing stays: it is the
/// transaction's, as in [`remaining`](super::remaining).
pub async fn plan(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    references: &[ReferenceTags],
    left: Left,
) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs
         set reference_tags = $2, planned_at = coalesce(planned_at, now()), total = done + $3,
             preparing = $4
         where id = $1",
        id as CleaningJobId,
        Json(references) as _,
        left.steps as i32,
        left.preparing as i32,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The quartiles of the sizes of the images that the job checks, frozen when it first asks: the square roots of their
/// areas in pixels.
pub(super) async fn freeze_sizes(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
) -> sqlx::Result<(f64, f64)> {
    let quartiles = query_scalar!(
        r#"update cleaning_jobs j
           set size_quartiles = coalesce(j.size_quartiles, (
               select percentile_cont(array[0.25, 0.75]) within group (
                   order by sqrt(p.width::float8 * p.height::float8))
               from images i join pictures p using (sha256)
               where i.dataset_id = j.dataset_id and i.state in ('accepted', 'flagged')
                 and i.created_at <= coalesce(j.planned_at, now())))
           where j.id = $1 returning j.size_quartiles"#,
        id as CleaningJobId,
    )
    .fetch_optional(executor)
    .await?
    .flatten();
    // None only where the job, or every image, went away meanwhile: then the verdict goes nowhere.
    Ok(rows::pair(quartiles.as_deref()).unwrap_or_default())
}

/// Adds a settled batch of `images` images; locks the job's row for the rest of the transaction.
pub async fn record(
    connection: &mut PgConnection,
    id: CleaningJobId,
    images: i32,
    part: &Tally,
) -> sqlx::Result<()> {
    let tally = query_scalar!(
        r#"select tally as "tally: Json<Tally>" from cleaning_jobs where id = $1 for update"#,
        id as CleaningJobId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let mut tally = tally.map(|tally| tally.0).unwrap_or_default();
    tally.add(part);
    query!(
        "update cleaning_jobs set tally = $2, done = done + $3 where id = $1",
        id as CleaningJobId,
        Json(&tally) as _,
        images,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts a step of a task that prepares the judging and goes on.
pub async fn advance(executor: impl PgExecutor<'_>, id: CleaningJobId) -> sqlx::Result<()> {
    query!("update cleaning_jobs set done = done + 1 where id = $1", id as CleaningJobId)
        .execute(executor)
        .await?;
    Ok(())
}

/// Counts the `steps` steps that are left of a task that prepares the judging; true when it was the last such task. Locks
/// the job's row for the rest of the transaction.
pub async fn prepared(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    steps: usize,
) -> sqlx::Result<bool> {
    let left = query_scalar!(
        "update cleaning_jobs set done = done + $2, preparing = preparing - 1
         where id = $1 and preparing > 0 returning preparing",
        id as CleaningJobId,
        steps as i32,
    )
    .fetch_optional(executor)
    .await?;
    Ok(left == Some(0))
}

/// Freezes what each tag counts by the rule `specific`.
pub async fn weigh(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    weights: &[TagWeight],
) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs set tag_weights = $2 where id = $1",
        id as CleaningJobId,
        Json(weights) as _,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Ends the job `succeeded` if all its images are settled and all its moves done.
pub async fn finish_if_done(connection: &mut PgConnection, id: CleaningJobId) -> sqlx::Result<()> {
    // The lock comes first, in a statement of its own: of two last parts, the second one then sees the first.
    query!("select from cleaning_jobs where id = $1 for update", id as CleaningJobId)
        .execute(&mut *connection)
        .await?;
    query!(
        "update cleaning_jobs set status = 'succeeded', finished_at = now()
         where id = $1 and status = 'running' and done >= total
           and not exists (select from moves where job_id = $1 and step <> 'deleted')",
        id as CleaningJobId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the job `failed`, unless it has ended.
pub async fn fail(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    error: &JobError,
) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs set status = 'failed', error_code = $2, error = $3, finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as CleaningJobId,
        error.code,
        error.message,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Ends the job `cancelled`; false when it has ended before.
pub async fn cancel(executor: impl PgExecutor<'_>, id: CleaningJobId) -> sqlx::Result<bool> {
    let cancelled = query!(
        "update cleaning_jobs set status = 'cancelled', finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as CleaningJobId,
    )
    .execute(executor)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Makes a failed or cancelled job `queued` again, with another budget if one is given; false when it is neither, or
/// was undone.
pub async fn retry(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    budget_usd: Option<f64>,
) -> sqlx::Result<bool> {
    let retried = query!(
        "update cleaning_jobs
         set status = 'queued', error_code = null, error = null, finished_at = null,
             budget_usd = coalesce($2, budget_usd)
         where id = $1 and status in ('failed', 'cancelled') and undone_at is null",
        id as CleaningJobId,
        budget_usd,
    )
    .execute(executor)
    .await?;
    Ok(retried.rows_affected() == 1)
}

/// Marks the job as undone; false when it is not finished, was a dry run, or was undone before.
pub(super) async fn mark_undone(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
) -> sqlx::Result<bool> {
    let undone = query!(
        "update cleaning_jobs set undone_at = now()
         where id = $1 and status in ('succeeded', 'failed', 'cancelled') and not dry_run
           and undone_at is null",
        id as CleaningJobId,
    )
    .execute(executor)
    .await?;
    Ok(undone.rows_affected() == 1)
}

/// Kind of the task that begins a cleaning job, or goes on with it.
pub const PLAN: &str = "cleaning_plan";

/// The task that begins a cleaning job, or goes on with it.
pub fn plan_task(id: CleaningJobId) -> NewTask {
    task(PLAN, Lane::Tag, id)
}

/// A task of a cleaning job. It has more attempts than others: each worker that dies takes one, however far it had come
/// with the labels, networks and verdicts that it has stored.
pub fn task(kind: &'static str, lane: Lane, id: CleaningJobId) -> NewTask {
    NewTask { max_attempts: 10, ..NewTask::new(kind, lane, id.0) }
}
