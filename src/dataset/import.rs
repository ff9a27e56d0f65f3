//! Import jobs: an uploaded archive becomes images, entry by entry.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, query, query_scalar};
use utoipa::ToSchema;

use crate::db::{ClassId, DatasetId, ImportJobId, Named as _, Order};
use crate::queue::{JobError, JobStatus, Lane, NewTask, Progress};

/// One uploaded archive of pictures.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportJob {
    /// Sorts by time of creation.
    pub id: ImportJobId,
    /// The dataset that receives the pictures.
    pub dataset_id: DatasetId,
    /// Their class; null when the folder inside the archive names it.
    pub class: Option<String>,
    /// Name of the archive as uploaded.
    pub file_name: String,
    /// Where the job stands.
    pub status: JobStatus,
    /// Entries of the archive.
    pub progress: Progress,
    /// How many entries ended how, as `"rejected:not_image": 1`.
    pub outcomes: BTreeMap<String, i64>,
    /// What ended the job.
    pub error: Option<JobError>,
    /// When the upload was complete.
    pub created_at: DateTime<Utc>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, however it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Which import jobs to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportFilter {
    /// Only this one.
    pub id: Option<ImportJobId>,
    /// Into this dataset.
    pub dataset: Option<DatasetId>,
    /// In this status.
    pub status: Option<JobStatus>,
    /// Older than this one.
    pub after: Option<ImportJobId>,
    /// In this order.
    pub sort: Order,
}

/// Records an upload under an id that its blob already has.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    id: ImportJobId,
    dataset: DatasetId,
    class: Option<ClassId>,
    file_name: &str,
) -> sqlx::Result<()> {
    query!(
        "insert into import_jobs (id, dataset_id, class_id, file_name) values ($1, $2, $3, $4)",
        id as ImportJobId,
        dataset as DatasetId,
        class as Option<ClassId>,
        file_name,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Up to `limit` import jobs, newest first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &ImportFilter,
    limit: i64,
) -> sqlx::Result<Vec<ImportJob>> {
    let rows = query!(
        r#"with chosen as not materialized (
               select id from import_jobs
               where ($1::uuid is null or id = $1) and ($2::uuid is null or dataset_id = $2)
                 and ($3::job_status is null or status = $3)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $6::text = 'newest' and ($4::uuid is null or id < $4) order by id desc limit $5)
               union all
               (select id, row_number() over (order by id) from chosen
                where $6 = 'oldest' and ($4::uuid is null or id > $4) order by id limit $5))
           select j.id as "id: ImportJobId", j.dataset_id as "dataset_id: DatasetId",
               c.name as "class?", j.file_name, j.status as "status: JobStatus", j.done, j.total,
               j.outcomes as "outcomes: Json<BTreeMap<String, i64>>", j.error_code, j.error,
               j.created_at, j.started_at, j.finished_at
           from page join import_jobs j using (id) left join classes c on c.id = j.class_id
           order by place"#,
        filter.id as Option<ImportJobId>,
        filter.dataset as Option<DatasetId>,
        filter.status as Option<JobStatus>,
        filter.after as Option<ImportJobId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ImportJob {
            id: row.id,
            dataset_id: row.dataset_id,
            class: row.class,
            file_name: row.file_name,
            status: row.status,
            progress: Progress {
                done: row.done.into(),
                total: row.total.unwrap_or(row.done).into(),
            },
            outcomes: row.outcomes.0,
            error: JobError::of(row.error_code, row.error),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
        .collect())
}

/// The import job, if there is one.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: ImportJobId,
) -> sqlx::Result<Option<ImportJob>> {
    let filter = ImportFilter { id: Some(id), ..ImportFilter::default() };
    Ok(list(executor, &filter, 1).await?.pop())
}

/// Begins or goes on with a job: how many entries are settled already.
pub async fn start(
    executor: impl PgExecutor<'_>,
    id: ImportJobId,
    total: i32,
) -> sqlx::Result<i32> {
    query_scalar!(
        "update import_jobs set status = 'running', total = $2,
             started_at = coalesce(started_at, now())
         where id = $1 returning done",
        id as ImportJobId,
        total,
    )
    .fetch_one(executor)
    .await
}

/// Counts one more settled entry.
pub async fn settle_entry(
    connection: &mut PgConnection,
    id: ImportJobId,
    outcome: &str,
) -> sqlx::Result<()> {
    query!(
        "update import_jobs set done = done + 1,
             outcomes = jsonb_set(outcomes, array[$2],
                 to_jsonb(coalesce((outcomes ->> $2)::bigint, 0) + 1))
         where id = $1",
        id as ImportJobId,
        outcome,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a job.
pub async fn finish(
    executor: impl PgExecutor<'_>,
    id: ImportJobId,
    status: JobStatus,
    error: Option<&JobError>,
) -> sqlx::Result<bool> {
    let finished = query!(
        "update import_jobs set status = $2, error_code = $3, error = $4, finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as ImportJobId,
        status as JobStatus,
        error.map(|e| e.code.as_str()),
        error.map(|e| e.message.as_str()),
    )
    .execute(executor)
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Moves all jobs of a class to another one.
pub(super) async fn move_class(
    executor: impl PgExecutor<'_>,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    query!(
        "update import_jobs set class_id = $2 where class_id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Queues a failed or cancelled job again; false when it is neither.
pub async fn reopen(executor: impl PgExecutor<'_>, id: ImportJobId) -> sqlx::Result<bool> {
    let reopened = query!(
        "update import_jobs set status = 'queued', error_code = null, error = null,
             finished_at = null
         where id = $1 and status in ('failed', 'cancelled')",
        id as ImportJobId,
    )
    .execute(executor)
    .await?;
    Ok(reopened.rows_affected() == 1)
}

/// Kind of the task that imports an archive.
pub const IMPORT: &str = "import_archive";

/// The task that imports an archive.
pub fn task(id: ImportJobId) -> NewTask {
    NewTask::new(IMPORT, Lane::Cpu, id.0)
}
