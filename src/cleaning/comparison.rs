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

/// Images of which two jobs differ in the same way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DifferenceTotal {
    /// Name of the check.
    pub check: String,
    /// What the other job said; null when it did not judge the images.
    pub before: Option<Outcome>,
    /// What this job says; null when it did not judge the images.
    pub after: Option<Outcome>,
    /// How many images.
    pub images: i64,
}

/// Which differences to list.
#[derive(Debug, Default)]
pub struct DifferenceFilter {
    /// Of this check.
    pub check: Option<String>,
    /// Behind this place.
    pub after: Option<(ImageId, String)>,
}

/// Up to `limit` differences between what `after` and what `before` said, in the checks that both made, in the order of
/// images and checks.
pub async fn differences(
    executor: impl PgExecutor<'_>,
    (before, after): (CleaningJobId, CleaningJobId),
    filter: &DifferenceFilter,
    limit: i64,
) -> sqlx::Result<Vec<JobDifference>> {
    let behind = filter.after.as_ref();
    query_as!(
        JobDifference,
        r#"select image_id as "image_id!: ImageId", "check" as "check!",
               before as "before: Outcome", reason_before, after as "after: Outcome", reason_after
           from job_differences($1, $2, $3)
           where $4::uuid is null or (image_id, "check") > ($4, $5)
           order by image_id, "check" limit $6"#,
        before as CleaningJobId,
        after as CleaningJobId,
        filter.check.as_deref(),
        behind.map(|(image, _)| image.0),
        behind.map(|(_, check)| check.as_str()),
        limit,
    )
    .fetch_all(executor)
    .await
}

/// How many differences there are of each kind, in the order of checks.
pub async fn difference_totals(
    executor: impl PgExecutor<'_>,
    (before, after): (CleaningJobId, CleaningJobId),
) -> sqlx::Result<Vec<DifferenceTotal>> {
    query_as!(
        DifferenceTotal,
        r#"select "check" as "check!", before as "before: Outcome", after as "after: Outcome",
               count(*) as "images!"
           from job_differences($1, $2, null) group by 1, 2, 3 order by 1, 2, 3"#,
        before as CleaningJobId,
        after as CleaningJobId,
    )
    .fetch_all(executor)
    .await
}
