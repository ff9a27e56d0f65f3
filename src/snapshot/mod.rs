//! Snapshots: frozen membership, labels and split of a dataset.

mod image;
pub mod leaks;
mod split;

pub use image::{
    Found, ImageFilter, Member, SnapshotImage, list as list_images, locate, members,
    near_duplicates, numbered,
};
pub use split::{Division, Split, TooSmall, split};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::db::{DatasetId, ModelId, Named as _, Order, Sha256, SnapshotId};
use crate::queue::{Failure, JobError, JobStatus, Lane, NewTask, Progress};

/// A frozen dataset: what is trained on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Snapshot {
    /// Sorts by time of creation.
    pub id: SnapshotId,
    /// The dataset that was frozen.
    pub dataset_id: DatasetId,
    /// Where the freezing stands.
    pub status: JobStatus,
    /// Images that are frozen, of all that are to be.
    pub progress: Progress,
    /// Share of each class that is held out.
    pub test_fraction: f64,
    /// Seed of the split.
    pub seed: i64,
    /// The earlier snapshot whose pictures stay on their sides; null when the split was drawn anew.
    pub keeps_split_of: Option<SnapshotId>,
    /// Class names in label order.
    pub classes: Vec<String>,
    /// Images on each side.
    pub counts: SplitCounts,
    /// Near-duplicate pairs with one picture on each side of the split.
    pub leaks: i32,
    /// Images whose bytes are gone since; while there are any, nothing new can be trained on it.
    pub missing: i64,
    /// What ended the freezing.
    pub error: Option<JobError>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, however it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Images on each side of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SplitCounts {
    /// To train on.
    pub train: i32,
    /// Held out.
    pub test: i32,
}

struct Row {
    id: SnapshotId,
    dataset_id: DatasetId,
    status: JobStatus,
    test_fraction: f64,
    seed: i64,
    keeps_split_of: Option<SnapshotId>,
    classes: Vec<String>,
    train: i32,
    test: i32,
    leaks: i32,
    missing: i64,
    error_code: Option<String>,
    error: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Row> for Snapshot {
    fn from(row: Row) -> Self {
        let frozen = i64::from(row.train + row.test);
        Self {
            id: row.id,
            dataset_id: row.dataset_id,
            status: row.status,
            progress: Progress { done: frozen, total: frozen },
            test_fraction: row.test_fraction,
            seed: row.seed,
            keeps_split_of: row.keeps_split_of,
            classes: row.classes,
            counts: SplitCounts { train: row.train, test: row.test },
            leaks: row.leaks,
            missing: row.missing,
            error: JobError::of(row.error_code, row.error),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// Asks for a snapshot, in which the pictures of `keeps` stay on their sides.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    division: Division,
    keeps: Option<SnapshotId>,
) -> sqlx::Result<SnapshotId> {
    query_scalar!(
        r#"insert into snapshots (dataset_id, test_fraction, seed, keeps_split_of)
           values ($1, $2, $3, $4) returning id as "id: SnapshotId""#,
        dataset as DatasetId,
        division.test_fraction,
        division.seed as i64,
        keeps as Option<SnapshotId>,
    )
    .fetch_one(executor)
    .await
}

/// The snapshot, if there is one.
pub async fn find(executor: impl PgExecutor<'_>, id: SnapshotId) -> sqlx::Result<Option<Snapshot>> {
    let filter = SnapshotFilter { only: Some(id), ..SnapshotFilter::default() };
    Ok(list(executor, &filter, 1).await?.pop())
}

/// Which snapshots to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotFilter {
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// In this status.
    pub status: Option<JobStatus>,
    /// Behind this one.
    pub after: Option<SnapshotId>,
    /// In this order.
    pub sort: Order,
    /// This one alone.
    pub only: Option<SnapshotId>,
}

/// Up to `limit` snapshots in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &SnapshotFilter,
    limit: i64,
) -> sqlx::Result<Vec<Snapshot>> {
    let rows = query_as!(
        Row,
        r#"with chosen as not materialized (
               select id from snapshots
               where ($1::uuid is null or dataset_id = $1)
                 and ($2::job_status is null or status = $2) and ($4::uuid is null or id = $4)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $6::text = 'newest' and ($3::uuid is null or id < $3) order by id desc limit $5)
               union all
               (select id, row_number() over (order by id) from chosen
                where $6 = 'oldest' and ($3::uuid is null or id > $3) order by id limit $5))
           select s.id as "id: SnapshotId", s.dataset_id as "dataset_id: DatasetId",
               s.status as "status: JobStatus", s.test_fraction, s.seed,
               s.keeps_split_of as "keeps_split_of: SnapshotId", s.classes, s.train, s.test, s.leaks, s.error_code, s.error, s.created_at, s.started_at, s.finished_at,
               (select count(*) from snapshot_images m
                join pictures p using (sha256) left join images i on i.id = m.image_id
                where m.snapshot_id = s.id
                  and (i.id is null or i.state = 'deleted' or p.erased_at is not null)
               ) as "missing!"
           from page join snapshots s using (id) order by place"#,
        filter.dataset as Option<DatasetId>,
        filter.status as Option<JobStatus>,
        filter.after as Option<SnapshotId>,
        filter.only as Option<SnapshotId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(Snapshot::from).collect())
}

/// Marks the freezing as begun.
pub async fn start(executor: impl PgExecutor<'_>, id: SnapshotId) -> sqlx::Result<()> {
    query!(
        "update snapshots set status = 'running', started_at = coalesce(started_at, now())
         where id = $1 and status in ('queued', 'running')",
        id as SnapshotId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The images that a freezing takes, in label order and then by picture, so that the same content gives the same
/// snapshot whatever the order in which it arrived.
pub struct Draft {
    /// Names of the classes that have images, in the dataset's order.
    pub classes: Vec<String>,
    /// The images, with their labels as indices into `classes`.
    pub members: Vec<Member>,
    /// Near-duplicates among them, as positions.
    pub pairs: Vec<(usize, usize)>,
    /// The side of each member in the earlier snapshot whose split is kept.
    pub kept: Vec<Option<Split>>,
}

/// Reads what would be frozen now: one state of the dataset, when the transaction reads one state.
pub async fn draft(
    connection: &mut PgConnection,
    dataset: DatasetId,
    keeps: Option<SnapshotId>,
) -> sqlx::Result<Draft> {
    let (classes, members) = image::accepted(&mut *connection, dataset).await?;
    let pairs = image::near_duplicates(&mut *connection, dataset, &members).await?;
    let kept = image::sides(connection, keeps, &members).await?;
    Ok(Draft { classes, members, pairs, kept })
}

/// Writes the frozen images with their sides and ends the freezing, in the caller's transaction.
pub async fn finish(
    connection: &mut PgConnection,
    id: SnapshotId,
    draft: &Draft,
    splits: &[Split],
) -> sqlx::Result<()> {
    image::insert(&mut *connection, id, &draft.members, splits).await?;
    let test = splits.iter().filter(|split| **split == Split::Test).count();
    query!(
        "update snapshots set status = 'succeeded', classes = $2, train = $3, test = $4, leaks = $5,
             finished_at = now()
         where id = $1",
        id as SnapshotId,
        &draft.classes,
        (splits.len() - test) as i32,
        test as i32,
        leaks::count(&draft.pairs, splits) as i32,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the freezing `failed`.
pub async fn fail(
    executor: impl PgExecutor<'_>,
    id: SnapshotId,
    failure: &Failure,
) -> sqlx::Result<()> {
    query!(
        "update snapshots set status = 'failed', error_code = $2, error = $3, finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as SnapshotId,
        failure.code,
        failure.message,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Ends the freezing `cancelled`; false when it had ended before.
pub async fn cancel(executor: impl PgExecutor<'_>, id: SnapshotId) -> sqlx::Result<bool> {
    let cancelled = query!(
        "update snapshots set status = 'cancelled', finished_at = now()
         where id = $1 and status in ('queued', 'running')",
        id as SnapshotId,
    )
    .execute(executor)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Queues a failed or cancelled freezing again; false when it is neither.
pub async fn requeue(executor: impl PgExecutor<'_>, id: SnapshotId) -> sqlx::Result<bool> {
    let queued = query!(
        "update snapshots
         set status = 'queued', error_code = null, error = null, finished_at = null
         where id = $1 and status in ('failed', 'cancelled')",
        id as SnapshotId,
    )
    .execute(executor)
    .await?;
    Ok(queued.rows_affected() == 1)
}

/// A snapshot that froze a picture, and a model trained on it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Use {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// The class that the picture had there.
    pub class: String,
    /// A model trained on the snapshot; null when none was published.
    pub model_id: Option<ModelId>,
}

/// Everything that a picture was frozen into, the oldest snapshot first.
pub async fn uses(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<Vec<Use>> {
    query_as!(
        Use,
        r#"select s.id as "snapshot_id: SnapshotId", s.classes[i.label + 1] as "class!",
               m.id as "model_id?: ModelId"
           from snapshot_images i join snapshots s on s.id = i.snapshot_id
           left join training_runs r on r.snapshot_id = s.id
           left join models m on m.training_run_id = r.id
           where i.sha256 = $1 order by s.id, m.id"#,
        sha256 as Sha256,
    )
    .fetch_all(executor)
    .await
}

/// Kind of the task that freezes a snapshot.
pub const FREEZE: &str = "snapshot_freeze";

/// The task that freezes a snapshot.
pub fn freeze_task(id: SnapshotId) -> NewTask {
    NewTask::new(FREEZE, Lane::Cpu, id.0)
}
