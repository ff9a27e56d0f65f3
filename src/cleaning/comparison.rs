//! What two cleaning jobs say differently of the same images.

use serde::Serialize;
use sqlx::{PgExecutor, query_as};
use utoipa::ToSchema;

use super::verdict::Outcome;
use crate::db::{CleaningJobId, ImageId};

/// An image of which two jobs say something different.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobDifference {
    /// The image.
    pub image_id: ImageId,
    /// Name of the check.
    pub check: String,
    /// What the other job said; null when it did not judge the image.
    pub before: Option<Outcome>,
    /// The same in words.
    pub reason_before: Option<String>,
    /// What this job says; null when it did not judge the image.
    pub after: Option<Outcome>,
    /// The same in words.
    pub reason_after: Option<String>,
}

/// Up to `limit` differences between what `after` and what `before` said, in the checks that both made, in the order of
/// images and checks, behind that place.
pub async fn differences(
    executor: impl PgExecutor<'_>,
    (before, after): (CleaningJobId, CleaningJobId),
    behind: Option<&(ImageId, String)>,
    limit: i64,
) -> sqlx::Result<Vec<JobDifference>> {
    query_as!(
        JobDifference,
        r#"with made as (
               select distinct unnest(a.checks) as "check" from cleaning_jobs a where a.id = $1
               intersect
               select unnest(b.checks) from cleaning_jobs b where b.id = $2
           ), x as (
               select image_id, "check", outcome, reason from verdicts join made using ("check")
               where job_id = $1 and outcome <> 'withdrawn' and not reopened
           ), y as (
               select image_id, "check", outcome, reason from verdicts join made using ("check")
               where job_id = $2 and outcome <> 'withdrawn' and not reopened
           )
           select image_id as "image_id!: ImageId", "check" as "check!",
               x.outcome as "before?: Outcome", x.reason as "reason_before?",
               y.outcome as "after?: Outcome", y.reason as "reason_after?"
           from x full join y using (image_id, "check")
           where x.outcome is distinct from y.outcome
             and ($3::uuid is null or (image_id, "check") > ($3, $4))
           order by image_id, "check" limit $5"#,
        before as CleaningJobId,
        after as CleaningJobId,
        behind.map(|(image, _)| image.0),
        behind.map(|(_, check)| check.as_str()),
        limit,
    )
    .fetch_all(executor)
    .await
}
