//! The review queue: what waits for a person, the most suspicious first, over all checks.

use sqlx::{PgExecutor, query_as};

use crate::db::{DatasetId, ImageId};

/// An image that checks hold back, and how much speaks against it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// The image.
    pub image: ImageId,
    /// 0 to 1: one minus the product of the scores of the checks that flagged it, so that several reasons count for more
    /// than one of them.
    pub suspicion: f64,
}

/// Which suspects to list.
#[derive(Debug, Clone)]
pub struct SuspectFilter {
    /// Of this dataset.
    pub dataset: DatasetId,
    /// That this check flagged or could not scan.
    pub check: Option<String>,
    /// Of the class of this name.
    pub class: Option<String>,
    /// Behind this one.
    pub after: Option<Suspect>,
}

/// Up to `limit` flagged images with their suspicion, the largest first. A verdict without a score counts as 0.1, and as
/// 0.5 where the check could not be made; 0.001 is the least that a score counts, so that no single check outweighs all.
pub async fn suspects(
    executor: impl PgExecutor<'_>,
    filter: &SuspectFilter,
    limit: i64,
) -> sqlx::Result<Vec<Suspect>> {
    query_as!(
        Suspect,
        r#"with suspects as (
               select i.id, reasons.suspicion
               from images i cross join lateral (
                   select bool_or($2::text is null or v."check" = $2) as asked,
                       1 - exp(sum(ln(greatest(0.001, coalesce(
                           v.score, case v.outcome when 'flagged' then 0.1 else 0.5 end)))))::float8
                       as suspicion
                   from current_verdicts v
                   where v.image_id = i.id and v.outcome in ('flagged', 'unscannable')
                     and not v.dismissed) reasons
               where i.dataset_id = $1 and i.state = 'flagged' and reasons.asked
                 and ($6::text is null or exists (
                     select from classes c where c.id = i.class_id and c.name = $6)))
           select id as "image!: ImageId", suspicion as "suspicion!" from suspects
           where $3::float8 is null or (-suspicion, id) > (-$3, $4::uuid)
           order by -suspicion, id limit $5"#,
        filter.dataset as DatasetId,
        filter.check,
        filter.after.map(|after| after.suspicion),
        filter.after.map(|after| after.image.0),
        limit,
        filter.class,
    )
    .fetch_all(executor)
    .await
}
