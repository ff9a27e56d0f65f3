//! Labels in the database: every answer of a tagger is kept for ever, so that the next job costs nothing.

use sqlx::types::Json;
use sqlx::{PgExecutor, query, query_as};

use super::{Label, Labels};
use crate::db::Sha256;

struct Row {
    sha256: Sha256,
    model_version: String,
    labels: Json<Vec<Label>>,
}

/// All answers of `tagger` for the pictures, the latest answer of all first.
pub async fn find(
    executor: impl PgExecutor<'_>,
    tagger: &str,
    pictures: &[Sha256],
) -> sqlx::Result<Vec<(Sha256, Labels)>> {
    let rows = query_as!(
        Row,
        r#"select sha256 as "sha256: Sha256", model_version,
               labels as "labels: Json<Vec<Label>>"
           from picture_labels where tagger = $1 and sha256 = any($2)
           order by created_at desc, model_version desc"#,
        tagger,
        pictures as &[Sha256],
    )
    .fetch_all(executor)
    .await?;
    let labels = |row: Row| (row.sha256, Labels::new(row.model_version, row.labels.0));
    Ok(rows.into_iter().map(labels).collect())
}

/// The first of the pictures that `tagger` has never labelled.
pub async fn first_unlabelled(
    executor: impl PgExecutor<'_>,
    tagger: &str,
    pictures: &[Sha256],
) -> sqlx::Result<Option<Sha256>> {
    let row = query!(
        r#"select given.sha256 as "sha256!: Sha256"
           from unnest($2::bytea[]) with ordinality as given (sha256, position)
           where not exists (
               select from picture_labels l where l.sha256 = given.sha256 and l.tagger = $1)
           order by position limit 1"#,
        tagger,
        pictures as &[Sha256],
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| row.sha256))
}

/// Keeps an answer; the same model's later answer for a picture takes the place of the earlier one.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    tagger: &str,
    picture: Sha256,
    labels: &Labels,
) -> sqlx::Result<()> {
    query!(
        "insert into picture_labels (sha256, tagger, model_version, labels)
         values ($1, $2, $3, $4)
         on conflict (sha256, tagger, model_version)
         do update set labels = excluded.labels, created_at = now()",
        picture as Sha256,
        tagger,
        labels.model_version,
        Json(&labels.labels) as _,
    )
    .execute(executor)
    .await?;
    Ok(())
}
