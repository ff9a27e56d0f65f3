//! Verdicts: what one check said of one image, and why; append-only, the newest per check counts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::db::{CleaningJobId, ImageId, VerdictId};

/// What a check says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "verdict_outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing against it.
    Passed,
    /// Something against it: a person should look.
    Flagged,
    /// The check could not be made; the image is not clean for that.
    Unscannable,
    /// An earlier verdict of the same job counts no longer.
    Withdrawn,
}

/// What one check said of one image in one job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Verdict {
    /// Sorts by time.
    pub id: VerdictId,
    /// The cleaning job that asked.
    pub job_id: CleaningJobId,
    /// The image that was judged.
    pub image_id: ImageId,
    /// Name of the check.
    pub check: String,
    /// What it said.
    pub outcome: Outcome,
    /// Code behind `unscannable`, and `label_conflict` of duplicates under several classes.
    pub code: Option<String>,
    /// 0 = most suspicious, 1 = nothing to see; null where the check has no score.
    pub score: Option<f32>,
    /// The verdict in words.
    pub reason: String,
    /// The verdict in data: matched tags, reference, distances, label model version.
    #[schema(value_type = Object)]
    pub evidence: Value,
    /// It counts for nothing.
    pub dry_run: bool,
    /// The check decided anew behind the job: an image that takes part in the decision was rejected or came back.
    pub reopened: bool,
    /// A person said that what this check finds in the picture is no problem: it counts for nothing.
    pub dismissed: bool,
    /// When it was given.
    pub created_at: DateTime<Utc>,
}

/// What a check found, before it is a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it says.
    pub outcome: Outcome,
    /// Code behind `unscannable`, and of a label conflict.
    pub code: Option<String>,
    /// 0 = most suspicious, 1 = nothing to see; none where the check has no score.
    pub score: Option<f64>,
    /// In words.
    pub reason: String,
    /// In data.
    pub evidence: Value,
}

impl Finding {
    fn new(outcome: Outcome, reason: impl Into<String>, evidence: Value) -> Self {
        Self { outcome, code: None, score: None, reason: reason.into(), evidence }
    }

    /// Nothing against the image.
    pub fn passed(reason: impl Into<String>, evidence: Value) -> Self {
        Self::new(Outcome::Passed, reason, evidence)
    }

    /// Something against the image.
    pub fn flagged(reason: impl Into<String>, evidence: Value) -> Self {
        Self::new(Outcome::Flagged, reason, evidence)
    }

    /// Something against the image where `is_flagged`, else nothing, for the same reason.
    pub fn judged(is_flagged: bool, reason: impl Into<String>, evidence: Value) -> Self {
        let outcome = if is_flagged { Outcome::Flagged } else { Outcome::Passed };
        Self::new(outcome, reason, evidence)
    }

    /// The same with a score.
    #[must_use]
    pub fn with_score(self, score: f64) -> Self {
        Self { score: Some(score), ..self }
    }

    /// The same with a code.
    #[must_use]
    pub fn with_code(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    /// The check could not be made.
    pub fn unscannable(code: &str, reason: impl Into<String>) -> Self {
        let nothing = Value::Object(serde_json::Map::new());
        Self::new(Outcome::Unscannable, reason, nothing).with_code(code)
    }
}

/// A verdict to append.
#[derive(Debug, Clone)]
pub struct NewVerdict {
    /// The cleaning job that asked.
    pub job: CleaningJobId,
    /// The image that was judged.
    pub image: ImageId,
    /// Name of the check.
    pub check: String,
    /// What it found.
    pub finding: Finding,
    /// It counts for nothing.
    pub dry_run: bool,
    /// The check decided anew behind the job.
    pub reopened: bool,
}

/// Appends verdicts, in the transaction of the states that they cause.
pub(super) async fn insert(
    executor: impl PgExecutor<'_>,
    verdicts: &[NewVerdict],
) -> sqlx::Result<()> {
    let jobs: Vec<CleaningJobId> = verdicts.iter().map(|v| v.job).collect();
    let images: Vec<ImageId> = verdicts.iter().map(|v| v.image).collect();
    let checks: Vec<String> = verdicts.iter().map(|v| v.check.clone()).collect();
    let outcomes: Vec<Outcome> = verdicts.iter().map(|v| v.finding.outcome).collect();
    let codes: Vec<Option<String>> = verdicts.iter().map(|v| v.finding.code.clone()).collect();
    let reasons: Vec<String> = verdicts.iter().map(|v| v.finding.reason.clone()).collect();
    let evidence: Vec<Value> = verdicts.iter().map(|v| v.finding.evidence.clone()).collect();
    let scores: Vec<Option<f32>> =
        verdicts.iter().map(|v| v.finding.score.map(|score| score as f32)).collect();
    let dry_runs: Vec<bool> = verdicts.iter().map(|v| v.dry_run).collect();
    let reopened: Vec<bool> = verdicts.iter().map(|v| v.reopened).collect();
    query!(
        r#"insert into verdicts
               (job_id, image_id, "check", outcome, code, reason, evidence, dry_run, reopened, score)
           select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::verdict_outcome[],
                                $5::text[], $6::text[], $7::jsonb[], $8::bool[], $9::bool[],
                                $10::real[])"#,
        &jobs as &[CleaningJobId],
        &images as &[ImageId],
        &checks,
        &outcomes as &[Outcome],
        &codes as &[Option<String>],
        &reasons,
        &evidence,
        &dry_runs,
        &reopened,
        &scores as &[Option<f32>],
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Which verdicts of a job to list.
#[derive(Debug, Clone, Default)]
pub struct VerdictFilter {
    /// Of this check.
    pub check: Option<String>,
    /// Which say this.
    pub outcome: Option<Outcome>,
    /// Behind this one.
    pub after: Option<VerdictId>,
}

/// Up to `limit` verdicts of a job, newest first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    filter: &VerdictFilter,
    limit: i64,
) -> sqlx::Result<Vec<Verdict>> {
    query_as!(
        Verdict,
        r#"select id as "id: VerdictId", job_id as "job_id: CleaningJobId",
               image_id as "image_id: ImageId", "check", outcome as "outcome: Outcome", code, score,
               reason, evidence, dry_run, reopened, created_at,
               exists (select from dismissed_checks d join images i using (sha256)
                       where i.id = v.image_id and d."check" = v."check") as "dismissed!"
           from verdicts v
           where job_id = $1 and ($2::text is null or "check" = $2)
             and ($3::verdict_outcome is null or outcome = $3) and ($4::uuid is null or id < $4)
           order by id desc limit $5"#,
        job as CleaningJobId,
        filter.check,
        filter.outcome as Option<Outcome>,
        filter.after as Option<VerdictId>,
        limit,
    )
    .fetch_all(executor)
    .await
}

/// The newest verdict of each check on the images that is not of a dry run and was not withdrawn. Ordered by image and
/// check.
pub async fn newest(
    executor: impl PgExecutor<'_>,
    images: &[ImageId],
) -> sqlx::Result<Vec<Verdict>> {
    query_as!(
        Verdict,
        r#"select id as "id!: VerdictId", job_id as "job_id!: CleaningJobId",
               image_id as "image_id!: ImageId", "check" as "check!",
               outcome as "outcome!: Outcome", code, score, reason as "reason!",
               evidence as "evidence!", dry_run as "dry_run!", reopened as "reopened!",
               dismissed as "dismissed!", created_at as "created_at!"
           from current_verdicts
           where image_id = any($1) order by image_id, "check""#,
        images as &[ImageId],
    )
    .fetch_all(executor)
    .await
}

/// Appends a withdrawal to every verdict of the job; the images that it had judged.
pub(super) async fn withdraw(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
) -> sqlx::Result<Vec<ImageId>> {
    query_scalar!(
        r#"with withdrawn as (
               insert into verdicts (job_id, image_id, "check", outcome, reason, dry_run)
               select distinct job_id, image_id, "check", 'withdrawn'::verdict_outcome,
                   'the job was undone', false
               from verdicts where job_id = $1 and outcome <> 'withdrawn'
               on conflict do nothing
               returning image_id)
           select distinct image_id as "image_id!: ImageId" from withdrawn"#,
        job as CleaningJobId,
    )
    .fetch_all(executor)
    .await
}

/// Which of the images the job has judged already.
pub(super) async fn judged(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    images: &[ImageId],
) -> sqlx::Result<Vec<ImageId>> {
    query_scalar!(
        r#"select distinct image_id as "image_id: ImageId" from verdicts
           where job_id = $1 and image_id = any($2)"#,
        job as CleaningJobId,
        images as &[ImageId],
    )
    .fetch_all(executor)
    .await
}
