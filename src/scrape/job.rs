//! Scrape jobs: one request for images of a class, and where it stands.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use super::source::{Cursor, Filters, Query, StopReason};
use crate::db::{ClassId, DatasetId, Named as _, Order, ScrapeJobId};
use crate::queue::{JobError, JobStatus, Lane, NewTask, Progress};

/// The count of candidates that have no outcome yet, among the outcomes of a row.
const OPEN: &str = "open";

/// One request for images.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScrapeJob {
    /// Sorts by time of creation.
    pub id: ScrapeJobId,
    /// The dataset that receives the images.
    pub dataset_id: DatasetId,
    /// Name of their class.
    pub class: String,
    /// Name of the source.
    pub source: String,
    /// What is searched for; null for a list of URLs.
    pub phrase: Option<String>,
    /// How many pictures to store.
    pub limit: i32,
    /// What narrows the search.
    pub filters: Filters,
    /// Where the job stands.
    pub status: JobStatus,
    /// Candidates with an outcome, of all that are known; while pages may follow, of at least `limit`.
    pub progress: Progress,
    /// Why paging ended.
    pub stop_reason: Option<StopReason>,
    /// How many candidates ended how, as `"rejected:too_large": 3`.
    pub outcomes: BTreeMap<String, i64>,
    /// Search hits that could not be read.
    pub skipped_tiles: i32,
    /// What ended the job.
    pub error: Option<JobError>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, however it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A scrape job to create; source and query fit each other already.
#[derive(Debug, Clone)]
pub struct NewScrapeJob<'a> {
    /// The dataset that receives the images.
    pub dataset: DatasetId,
    /// The class of the images.
    pub class: ClassId,
    /// Name of the source.
    pub source: &'a str,
    /// What is looked for.
    pub query: &'a Query,
    /// How many pictures to store.
    pub limit: i32,
}

/// Which scrape jobs to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScrapeJobFilter {
    /// Only this one.
    pub id: Option<ScrapeJobId>,
    /// Into this dataset.
    pub dataset: Option<DatasetId>,
    /// In this status.
    pub status: Option<JobStatus>,
    /// Behind this one.
    pub after: Option<ScrapeJobId>,
    /// In this order.
    pub sort: Order,
}

/// Creates a queued job.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    new: &NewScrapeJob<'_>,
) -> sqlx::Result<ScrapeJobId> {
    let phrase = new.query.phrase.trim();
    query_scalar!(
        r#"insert into scrape_jobs (dataset_id, class_id, source, phrase, urls, "limit", filters)
           values ($1, $2, $3, $4, $5, $6, $7) returning id as "id: ScrapeJobId""#,
        new.dataset as DatasetId,
        new.class as ClassId,
        new.source,
        (!phrase.is_empty()).then_some(phrase),
        &new.query.urls,
        new.limit,
        Json(&new.query.filters) as _,
    )
    .fetch_one(executor)
    .await
}

/// Up to `limit` scrape jobs in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &ScrapeJobFilter,
    limit: i64,
) -> sqlx::Result<Vec<ScrapeJob>> {
    // The page is cut before the outcomes are counted: only its jobs are counted.
    let rows = query!(
        r#"with chosen as not materialized (
               select id from scrape_jobs
               where ($1::uuid is null or id = $1) and ($2::uuid is null or dataset_id = $2)
                 and ($3::job_status is null or status = $3)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $6::text = 'newest' and ($4::uuid is null or id < $4) order by id desc limit $5)
               union all
               (select id, row_number() over (order by id) from chosen
                where $6 = 'oldest' and ($4::uuid is null or id > $4) order by id limit $5))
           select j.id as "id: ScrapeJobId", j.dataset_id as "dataset_id: DatasetId",
               c.name as class, j.source, j.phrase, j."limit",
               j.filters as "filters: Json<Filters>", j.status as "status: JobStatus",
               j.stop_reason as "stop_reason: StopReason", j.skipped_tiles, j.error_code, j.error,
               j.created_at, j.started_at, j.finished_at,
               o.outcomes as "outcomes!: Json<BTreeMap<String, i64>>"
           from page join scrape_jobs j using (id) join classes c on c.id = j.class_id
           cross join lateral (
               select coalesce(jsonb_object_agg(
                   coalesce(outcome || coalesce(':' || why, ''), 'open'), n), '{}') as outcomes
               from (select outcome::text, why, count(*) as n from candidates
                     where job_id = j.id group by outcome, why) g) o
           order by place"#,
        filter.id as Option<ScrapeJobId>,
        filter.dataset as Option<DatasetId>,
        filter.status as Option<JobStatus>,
        filter.after as Option<ScrapeJobId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut outcomes = row.outcomes.0;
            let open = outcomes.remove(OPEN).unwrap_or_default();
            let done = outcomes.values().sum::<i64>();
            let paging = row.stop_reason.is_none() && !row.status.is_finished();
            let least = if paging { row.limit.into() } else { 0 };
            ScrapeJob {
                id: row.id,
                dataset_id: row.dataset_id,
                class: row.class,
                source: row.source,
                phrase: row.phrase,
                limit: row.limit,
                filters: row.filters.0,
                status: row.status,
                progress: Progress { done, total: least.max(done + open) },
                stop_reason: row.stop_reason,
                outcomes,
                skipped_tiles: row.skipped_tiles,
                error: JobError::of(row.error_code, row.error),
                created_at: row.created_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
            }
        })
        .collect())
}

/// The scrape job, if there is one.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: ScrapeJobId,
) -> sqlx::Result<Option<ScrapeJob>> {
    let filter = ScrapeJobFilter { id: Some(id), ..ScrapeJobFilter::default() };
    Ok(list(executor, &filter, 1).await?.pop())
}

/// What a job looks for, and where its source goes on.
#[derive(Debug, Clone)]
pub struct Search {
    /// Name of the source.
    pub source: String,
    /// What is looked for.
    pub query: Query,
    /// Where the source goes on.
    pub cursor: Cursor,
}

/// The search of a job, if there is such a job.
pub async fn find_search(
    executor: impl PgExecutor<'_>,
    id: ScrapeJobId,
) -> sqlx::Result<Option<Search>> {
    let row = query!(
        r#"select source, phrase, urls, filters as "filters: Json<Filters>",
               cursor as "cursor: Cursor"
           from scrape_jobs where id = $1"#,
        id as ScrapeJobId,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Search {
        source: row.source,
        query: Query {
            phrase: row.phrase.unwrap_or_default(),
            filters: row.filters.0,
            urls: row.urls,
        },
        cursor: row.cursor.unwrap_or_default(),
    }))
}

/// The dataset of a job, if there is such a job.
pub async fn find_dataset(
    executor: impl PgExecutor<'_>,
    id: ScrapeJobId,
) -> sqlx::Result<Option<DatasetId>> {
    query_scalar!(
        r#"select dataset_id as "dataset_id: DatasetId" from scrape_jobs where id = $1"#,
        id as ScrapeJobId,
    )
    .fetch_optional(executor)
    .await
}

/// How many more pictures the job is to store, if there is such a job.
pub async fn count_missing(
    executor: impl PgExecutor<'_>,
    id: ScrapeJobId,
) -> sqlx::Result<Option<i32>> {
    query_scalar!(
        r#"select greatest("limit" - stored, 0) as "missing!" from scrape_jobs where id = $1"#,
        id as ScrapeJobId,
    )
    .fetch_optional(executor)
    .await
}

/// A job's row, locked: every decision about the whole job is taken on it.
#[derive(Debug, Clone)]
pub struct Locked {
    /// The job.
    pub id: ScrapeJobId,
    /// The dataset that receives the images.
    pub dataset_id: DatasetId,
    /// The class of the images.
    pub class_id: ClassId,
    /// Where it stands.
    pub status: JobStatus,
    /// How many pictures to store.
    pub limit: i32,
    /// How many it has stored.
    pub stored: i32,
    /// Why paging ended; null while it goes on.
    pub stop_reason: Option<StopReason>,
}

impl Locked {
    /// How many more pictures are to be stored.
    pub fn missing(&self) -> i32 {
        (self.limit - self.stored).max(0)
    }

    /// Whether pages are still wanted.
    pub fn pages(&self) -> bool {
        self.stop_reason.is_none() && self.missing() > 0
    }
}

/// Locks the job's row until the end of the transaction; behind the task's fence, before any candidate.
pub async fn lock(executor: impl PgExecutor<'_>, id: ScrapeJobId) -> sqlx::Result<Option<Locked>> {
    query_as!(
        Locked,
        r#"select id as "id: ScrapeJobId", dataset_id as "dataset_id: DatasetId",
               class_id as "class_id: ClassId", status as "status: JobStatus", "limit", stored,
               stop_reason as "stop_reason: StopReason"
           from scrape_jobs where id = $1 for update"#,
        id as ScrapeJobId,
    )
    .fetch_optional(executor)
    .await
}

/// A worker has it.
pub async fn start(executor: impl PgExecutor<'_>, id: ScrapeJobId) -> sqlx::Result<()> {
    query!(
        "update scrape_jobs set status = 'running', started_at = coalesce(started_at, now())
         where id = $1 and status = 'queued'",
        id as ScrapeJobId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Records a page: where the source goes on, or why it does not.
pub async fn turn_page(
    executor: impl PgExecutor<'_>,
    id: ScrapeJobId,
    next: Option<&Cursor>,
    stop: Option<StopReason>,
    skipped_tiles: i32,
) -> sqlx::Result<()> {
    query!(
        "update scrape_jobs set cursor = coalesce($2, cursor), stop_reason = $3,
             skipped_tiles = skipped_tiles + $4
         where id = $1",
        id as ScrapeJobId,
        next as Option<&Cursor>,
        stop as Option<StopReason>,
        skipped_tiles,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Counts one more stored picture; the last one wanted is the reason to stop.
pub async fn count_stored(connection: &mut PgConnection, job: &mut Locked) -> sqlx::Result<()> {
    job.stored += 1;
    if job.stored >= job.limit {
        job.stop_reason = Some(StopReason::LimitReached);
    }
    query!(
        "update scrape_jobs set stored = $2, stop_reason = $3 where id = $1",
        job.id as ScrapeJobId,
        job.stored,
        job.stop_reason as Option<StopReason>,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a job that has not ended; false when it had.
pub async fn finish(
    executor: impl PgExecutor<'_>,
    id: ScrapeJobId,
    status: JobStatus,
    error: Option<&JobError>,
) -> sqlx::Result<bool> {
    let finished = query!(
        "update scrape_jobs set status = $2, error_code = $3, error = $4, finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as ScrapeJobId,
        status as JobStatus,
        error.map(|error| error.code.as_str()),
        error.map(|error| error.message.as_str()),
    )
    .execute(executor)
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Queues a failed or cancelled job again; false when it is neither. A source that had enough of us is asked again.
pub async fn reopen(executor: impl PgExecutor<'_>, id: ScrapeJobId) -> sqlx::Result<bool> {
    let reopened = query!(
        "update scrape_jobs set status = 'queued', error_code = null, error = null,
             finished_at = null,
             stop_reason = case when stop_reason not in ('rate_limited', 'blocked_suspected')
                                then stop_reason end
         where id = $1 and status in ('failed', 'cancelled')",
        id as ScrapeJobId,
    )
    .execute(executor)
    .await?;
    Ok(reopened.rows_affected() == 1)
}

/// Moves all jobs of a class to another one.
pub async fn move_class(
    executor: impl PgExecutor<'_>,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    query!(
        "update scrape_jobs set class_id = $2 where class_id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Kind of the task that asks for the next pages of a job.
pub const SEARCH: &str = "scrape_search";

/// The task that asks for the next pages of a job.
pub fn search_task(id: ScrapeJobId) -> NewTask {
    NewTask::new(SEARCH, Lane::Net, id.0)
}
