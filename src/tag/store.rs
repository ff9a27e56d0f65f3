//! Labels in the database: every answer of a tagger is kept for ever, so that the next job costs nothing.

use std::collections::HashMap;

use sqlx::types::Json;
use sqlx::{PgExecutor, query, query_as, query_scalar};

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

/// Those of the pictures that `tagger` has never labelled, in their order.
pub async fn unlabelled(
    executor: impl PgExecutor<'_>,
    tagger: &str,
    pictures: &[Sha256],
) -> sqlx::Result<Vec<Sha256>> {
    query_scalar!(
        r#"select given.sha256 as "sha256!: Sha256"
           from unnest($2::bytea[]) with ordinality as given (sha256, position)
           where not exists (
               select from picture_labels l where l.sha256 = given.sha256 and l.tagger = $1)
           order by position"#,
        tagger,
        pictures as &[Sha256],
    )
    .fetch_all(executor)
    .await
}

/// The answers of one label model for the pictures; nothing for those that it has not labelled.
pub async fn of_model(
    executor: impl PgExecutor<'_>,
    tagger: &str,
    model_version: &str,
    pictures: &[Sha256],
) -> sqlx::Result<HashMap<Sha256, Labels>> {
    let rows = query_as!(
        Row,
        r#"select sha256 as "sha256: Sha256", model_version,
               labels as "labels: Json<Vec<Label>>"
           from picture_labels where tagger = $1 and model_version = $2 and sha256 = any($3)"#,
        tagger,
        model_version,
        pictures as &[Sha256],
    )
    .fetch_all(executor)
    .await?;
    let labels = |row: Row| (row.sha256, Labels::new(row.model_version, row.labels.0));
    Ok(rows.into_iter().map(labels).collect())
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
