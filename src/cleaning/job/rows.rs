//! The row of a cleaning job, and how it is found.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgExecutor, query_as};
use utoipa::ToSchema;

use crate::cleaning::checks;
use crate::cleaning::duplicates::{Grouping, Keeper};
use crate::cleaning::settings::{ReferenceTags, Rule, TagSettings};
use crate::cleaning::tag_rule::TagWeight;
use crate::cleaning::tally::{Outcomes, Tally};
use crate::db::{CleaningJobId, DatasetId, Named as _, Order};
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
    /// The score, of 0 to 1, under which each of the checks that have one flags.
    pub thresholds: BTreeMap<String, f64>,
    /// Which one of duplicates is kept.
    pub keeper: Keeper,
    /// Verdicts are shown but count for nothing, and nothing moves.
    pub dry_run: bool,
    /// The tagger is not called beyond this cost, in dollars.
    pub budget_usd: Option<f64>,
    /// Where the job stands.
    pub status: JobStatus,
    /// Steps that are done, of all: an image labelled is a step, a network trained, and an image judged.
    pub progress: Progress,
    /// Images, each by the worst that a check said of it.
    pub counts: Outcomes,
    /// Verdicts of each check.
    pub by_check: BTreeMap<String, Outcomes>,
    /// Tagger calls of this job that were paid for or may have been; labels that were stored cost none.
    pub tagger_calls: i32,
    /// What those calls cost, in dollars.
    pub cost_usd: f64,
    /// The references that the `tags` check compares with.
    pub references: Vec<ReferenceTags>,
    /// What each tag of a class counts by the rule `specific`, the heaviest first; frozen once all images are labelled.
    pub tag_weights: Vec<TagWeight>,
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
    /// The phrases of its dataset when it first began: what a tagger without classes of its own tells apart.
    #[serde(skip)]
    pub phrases: Vec<String>,
    /// Quartiles of the sizes of its images, once `odd_size` has asked.
    #[serde(skip)]
    pub size_quartiles: Option<(f64, f64)>,
}

/// The two quartiles of a row.
pub(super) fn pair(quartiles: Option<&[f64]>) -> Option<(f64, f64)> {
    let &[lower, upper] = quartiles? else { return None };
    Some((lower, upper))
}

impl CleaningJob {
    /// Whether the check is one of the job's.
    pub fn asks_for(&self, check: &str) -> bool {
        self.checks.iter().any(|wanted| wanted == check)
    }

    /// Whether what a tag counts depends on the labels of all images.
    pub fn weighs_tags(&self) -> bool {
        self.tags.as_ref().is_some_and(|tags| tags.rule == Rule::Specific)
    }

    /// How its near-duplicates are grouped.
    pub(in crate::cleaning) fn grouping(&self) -> Grouping {
        Grouping::new(self.keeper, &self.thresholds)
    }

    /// Whether one of its checks needs networks that are trained on the dataset itself.
    pub fn learns(&self) -> bool {
        checks::learn(&self.checks)
    }
}

struct Row {
    id: CleaningJobId,
    dataset_id: DatasetId,
    checks: Vec<String>,
    tags: Option<Json<TagSettings>>,
    thresholds: Json<BTreeMap<String, f64>>,
    keeper: Keeper,
    dry_run: bool,
    budget_usd: Option<f64>,
    status: JobStatus,
    planned_at: Option<DateTime<Utc>>,
    reference_tags: Json<Vec<ReferenceTags>>,
    tag_weights: Json<Vec<TagWeight>>,
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
    phrases: Option<Vec<String>>,
    size_quartiles: Option<Vec<f64>>,
}

impl From<Row> for CleaningJob {
    fn from(row: Row) -> Self {
        let total = i64::from(row.total.unwrap_or_default());
        Self {
            id: row.id,
            dataset_id: row.dataset_id,
            checks: row.checks,
            tags: row.tags.map(|tags| tags.0),
            thresholds: row.thresholds.0,
            keeper: row.keeper,
            dry_run: row.dry_run,
            budget_usd: row.budget_usd,
            status: row.status,
            progress: Progress { done: i64::from(row.done), total },
            counts: row.tally.0.counts,
            by_check: row.tally.0.by_check,
            tagger_calls: row.tagger_calls,
            cost_usd: row.cost_usd,
            references: row.reference_tags.0,
            tag_weights: row.tag_weights.0,
            error: JobError::of(row.error_code, row.error),
            undone_at: row.undone_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            planned_at: row.planned_at,
            phrases: row.phrases.unwrap_or_default(),
            size_quartiles: pair(row.size_quartiles.as_deref()),
        }
    }
}

/// The job, if there is one.
pub async fn find(
    executor: impl PgExecutor<'_>,
    id: CleaningJobId,
) -> sqlx::Result<Option<CleaningJob>> {
    let row = query_as!(
        Row,
        r#"select id as "id: CleaningJobId", dataset_id as "dataset_id: DatasetId", checks,
               tags as "tags: Json<TagSettings>",
               thresholds as "thresholds: Json<BTreeMap<String, f64>>",
               keeper as "keeper: Keeper", dry_run, budget_usd,
               status as "status: JobStatus", planned_at,
               reference_tags as "reference_tags: Json<Vec<ReferenceTags>>",
               tag_weights as "tag_weights: Json<Vec<TagWeight>>", total, done,
               tally as "tally: Json<Tally>", tagger_calls, cost_usd, error_code, error, undone_at,
               created_at, started_at, finished_at, phrases, size_quartiles
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
    /// In this order.
    pub sort: Order,
}

/// Up to `limit` jobs in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &JobFilter,
    limit: i64,
) -> sqlx::Result<Vec<CleaningJob>> {
    let rows = query_as!(
        Row,
        r#"with chosen as not materialized (
               select id from cleaning_jobs
               where ($1::job_status is null or status = $1)
                 and ($2::uuid is null or dataset_id = $2)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $5::text = 'newest' and ($3::uuid is null or id < $3) order by id desc limit $4)
               union all
               (select id, row_number() over (order by id) from chosen
                where $5 = 'oldest' and ($3::uuid is null or id > $3) order by id limit $4))
           select id as "id!: CleaningJobId", dataset_id as "dataset_id!: DatasetId", checks,
               tags as "tags: Json<TagSettings>",
               thresholds as "thresholds: Json<BTreeMap<String, f64>>",
               keeper as "keeper: Keeper", dry_run, budget_usd,
               status as "status: JobStatus", planned_at,
               reference_tags as "reference_tags: Json<Vec<ReferenceTags>>",
               tag_weights as "tag_weights: Json<Vec<TagWeight>>", total, done,
               tally as "tally: Json<Tally>", tagger_calls, cost_usd, error_code, error, undone_at,
               created_at, started_at, finished_at, phrases, size_quartiles
           from page join cleaning_jobs using (id) order by place"#,
        filter.status as Option<JobStatus>,
        filter.dataset as Option<DatasetId>,
        filter.after as Option<CleaningJobId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(CleaningJob::from).collect())
}
