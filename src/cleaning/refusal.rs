//! Pictures that the tagger could not read: within a job it is asked once.

use sqlx::{PgExecutor, query, query_scalar};

use crate::db::{CleaningJobId, Sha256};

/// Why the tagger could not read the picture when this job asked, if it did.
pub(super) async fn find(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    picture: Sha256,
) -> sqlx::Result<Option<String>> {
    query_scalar!(
        "select code from label_refusals where job_id = $1 and sha256 = $2",
        job as CleaningJobId,
        picture as Sha256,
    )
    .fetch_optional(executor)
    .await
}

/// Remembers why the tagger could not read the picture. A picture that is gone meanwhile is not remembered.
pub(super) async fn insert(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    picture: Sha256,
    code: &str,
) -> sqlx::Result<()> {
    query!(
        "insert into label_refusals (job_id, sha256, code)
         select $1, sha256, $3 from pictures where sha256 = $2
         on conflict do nothing",
        job as CleaningJobId,
        picture as Sha256,
        code,
    )
    .execute(executor)
    .await?;
    Ok(())
}
