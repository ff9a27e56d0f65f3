//! Cleaning jobs: one pass of checks over a dataset.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use super::settings::{ReferenceTags, TagSettings};
use super::tally::{Outcomes, Tally};
use crate::db::{CleaningJobId, DatasetId};
use crate::queue::{JobError, JobStatus, Progress};

/// One pass of checks over a dataset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CleaningJob {
    /// Sorts by time of creation.
    pub id: CleaningJobId,
    /// The dataset that is cleaned.
    pub dataset_id: DatasetId,
    /// Names of the checks.
    pub checks: Vec<String>,
    /// Settings of the `tags` check; null without it.
    pub tags: Option<TagSettings>,
    /// Verdicts are shown but count for nothing, and nothing moves.
    pub dry_run: bool,
    /// The tagger is not called beyond this cost, in dollars.
    pub budget_usd: Option<f64>,
    /// Where the job stands.
    pub status: JobStatus,
    /// Images that are settled, of those to check.
    pub progress: Progress,
    /// Images, each by the worst that a check said of it.
    pub counts: Outcomes,
    /// Verdicts of each check.
    pub by_check: std::collections::BTreeMap<String, Outcomes>,
    /// Calls that the tagger answered for this job; labels that were stored cost none.
    pub tagger_calls: i32,
    /// What those calls cost, in dollars.
    pub cost_usd: f64,
    /// The references that the `tags` check compares with.
    pub references: Vec<ReferenceTags>,
    /// What ended the job, if it failed.
    pub error: Option<JobError>,
    /// When its verdicts were withdrawn.
    pub undone_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, however it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When the list of its images was frozen.
    #[serde(skip)]
    pub planned_at: Option<DateTime<Utc>>,
}

struct Row {
    id: CleaningJobId,
    dataset_id: DatasetId,
    checks: Vec<String>,
    tags: Option<Json<TagSettings>>,
    dry_run: bool,
    budget_usd: Option<f64>,
    status: JobStatus,
    planned_at: Option<DateTime<Utc>>,
    reference_tags: Json<Vec<ReferenceTags>>,
    total: Option<i32>,
    done: i32,
    tally: Json<Tally>,
    tagger_calls: i32,
    cost_usd: f64,
    error_code: Option<String>,
    error: Option<String>,
    undone_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Row> for CleaningJob {
    fn from(row: Row) -> Self {
        let total = i64::from(row.total.unwrap_or_default());
        Self {
            id: row.id,
            dataset_id: row.dataset_id,
            checks: row.checks,
            tags: row.tags.map(|tags| tags.0),
            dry_run: row.dry_run,
            budget_usd: row.budget_usd,
            status: row.status,
            progress: Progress {
                done: i64::from(row.done),
                total,
            },
            counts: row.tally.0.counts,
            by_check: row.tally.0.by_check,
            tagger_calls: row.tagger_calls,
            cost_usd: row.cost_usd,
            references: row.reference_tags.0,
            error: JobError::of(row.error_code, row.error),
            undone_at: row.undone_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            planned_at: row.planned_at,
        }
    }
}

/// A cleaning job to create.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The dataset to clean.
    pub dataset: DatasetId,
    /// Names of the checks.
    pub checks: Vec<String>,
    /// Settings of the `tags` check.
    pub tags: Option<TagSettings>,
    /// Verdicts are shown but count for nothing.
    pub dry_run: bool,
    /// Most that the tagger may cost, in dollars.
    pub budget_usd: Option<f64>,
}

/// Creates a job, `queued`.
pub async fn insert(executor: impl PgExecutor<'_>, new: &NewJob) -> sqlx::Result<CleaningJobId> {
    query_scalar!(
        r#"insert into cleaning_jobs (dataset_id, checks, tags, dry_run, budget_usd)
           values ($1, $2, $3, $4, $5) returning id as "id: CleaningJobId""#,
        new.dataset as DatasetId,
        &new.checks,
        new.tags.as_ref().map(Json) as _,
        new.dry_run,
        new.budget_usd,
    )
    .fetch_one(executor)
    .await
}

/// The job, if there is one.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
) -> sqlx::Result<Option<CleaningJob>> {
    let row = query_as!(
        Row,
        r#"select id as "id: CleaningJobId", dataset_id as "dataset_id: DatasetId", checks,
               tags as "tags: Json<TagSettings>", dry_run, budget_usd,
               status as "status: JobStatus", planned_at,
               reference_tags as "reference_tags: Json<Vec<ReferenceTags>>", total, done,
               tally as "tally: Json<Tally>", tagger_calls, cost_usd, error_code, error, undone_at,
               created_at, started_at, finished_at
           from cleaning_jobs where id = $1"#,
        id as CleaningJobId,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(CleaningJob::from))
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// In this status.
    pub status: Option<JobStatus>,
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// Behind this one.
    pub after: Option<CleaningJobId>,
}

/// Up to `limit` jobs, newest first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &JobFilter,
    limit: i64,
) -> sqlx::Result<Vec<CleaningJob>> {
    let rows = query_as!(
        Row,
        r#"select id as "id: CleaningJobId", dataset_id as "dataset_id: DatasetId", checks,
               tags as "tags: Json<TagSettings>", dry_run, budget_usd,
               status as "status: JobStatus", planned_at,
               reference_tags as "reference_tags: Json<Vec<ReferenceTags>>", total, done,
               tally as "tally: Json<Tally>", tagger_calls, cost_usd, error_code, error, undone_at,
               created_at, started_at, finished_at
           from cleaning_jobs
           where ($1::job_status is null or status = $1) and ($2::uuid is null or dataset_id = $2)
             and ($3::uuid is null or id < $3)
           order by id desc limit $4"#,
        filter.status as Option<JobStatus>,
        filter.dataset as Option<DatasetId>,
        filter.after as Option<CleaningJobId>,
        limit,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(CleaningJob::from).collect())
}

/// A worker has it.
pub async fn start(executor: impl PgExecutor<'_>, id: CleaningJobId) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs set status = 'running', started_at = coalesce(started_at, now())
         where id = $1 and status = 'queued'",
        id as CleaningJobId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Freezes what the job compares with and how many images are still to check. The time of the first freezing stays: it
/// is the transaction's, as in [`remaining`](super::remaining).
pub async fn plan(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    references: &[ReferenceTags],
    remaining: usize,
) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs
         set reference_tags = $2, planned_at = coalesce(planned_at, now()), total = done + $3
         where id = $1",
        id as CleaningJobId,
        Json(references) as _,
        remaining as i32,
    )
    .execute(executor)
    .await?;
    Ok(())
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

/// Ends the job `succeeded` if all its images are settled and all its moves done.
pub async fn finish_if_done(connection: &mut PgConnection, id: CleaningJobId) -> sqlx::Result<()> {
    // The lock comes first, in a statement of its own: of two last parts, the second one then sees the first.
    query!(
        "select from cleaning_jobs where id = $1 for update",
        id as CleaningJobId
    )
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

/// Takes the price of one tagger call out of the budget, before the call; false when the budget is used up.
pub(super) async fn charge(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    price_usd: f64,
) -> sqlx::Result<bool> {
    // The cost is a product, not a sum, so that it does not drift; the billionth forgives its rounding.
    let charged = query!(
        "update cleaning_jobs
         set tagger_calls = tagger_calls + 1, cost_usd = (tagger_calls + 1) * $2::float8
         where id = $1 and (budget_usd is null or (tagger_calls + 1) * $2::float8 <= budget_usd + 1e-9)",
        id as CleaningJobId,
        price_usd,
    )
    .execute(executor)
    .await?;
    Ok(charged.rows_affected() == 1)
}

/// Gives back the price of a call that was not answered.
pub(super) async fn refund(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
    price_usd: f64,
) -> sqlx::Result<()> {
    query!(
        "update cleaning_jobs
         set tagger_calls = tagger_calls - 1, cost_usd = (tagger_calls - 1) * $2::float8
         where id = $1 and tagger_calls > 0",
        id as CleaningJobId,
        price_usd,
    )
    .execute(executor)
    .await?;
    Ok(())
}
