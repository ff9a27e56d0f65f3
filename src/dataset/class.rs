//! Classes: the labels of a dataset.

use garde::Validate;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, query, query_scalar};
use utoipa::ToSchema;

use super::{image, import, reference, sighting};
use crate::db::{ClassId, DatasetId};

/// One label of a dataset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Class {
    /// Sorts by time of creation.
    pub id: ClassId,
    /// Unique in the dataset; what `/classify` answers.
    pub name: String,
    /// Search phrases that find pictures of it.
    pub phrases: Vec<String>,
    /// How many reference pictures it has.
    pub references: i64,
    /// Images per state.
    pub counts: Counts,
}

/// Images per state.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Counts {
    /// In use.
    pub accepted: i64,
    /// Held back by a check, until a person decides.
    pub flagged: i64,
    /// Turned down by a person.
    pub rejected: i64,
}

/// A class to create.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClass {
    /// Unique in the dataset.
    #[garde(length(chars, min = 1, max = 100), custom(printable))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Search phrases that find pictures of it.
    #[serde(default)]
    #[garde(length(max = 100), inner(length(chars, min = 1, max = 500)))]
    #[schema(max_items = 100)]
    pub phrases: Vec<String>,
}

/// Rule for names: visible text, without control characters or surrounding blanks.
pub fn printable(name: &str, (): &()) -> garde::Result {
    if name.trim() == name && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(garde::Error::new("may not hold control characters or begin or end with a blank"))
}

/// Another thing has this name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameTaken;

/// Adds a class behind the others.
pub async fn add(
    connection: &mut PgConnection,
    dataset: DatasetId,
    class: &NewClass,
) -> sqlx::Result<Result<ClassId, NameTaken>> {
    let added = query_scalar!(
        r#"insert into classes (dataset_id, name, phrases, position)
           values ($1, $2, $3,
                   (select coalesce(max(position) + 1, 0) from classes where dataset_id = $1))
           on conflict (dataset_id, name) do nothing
           returning id as "id: ClassId""#,
        dataset as DatasetId,
        class.name,
        &class.phrases,
    )
    .fetch_optional(connection)
    .await?;
    Ok(added.ok_or(NameTaken))
}

/// The id of a class by its name.
pub async fn find(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    name: &str,
) -> sqlx::Result<Option<ClassId>> {
    query_scalar!(
        r#"select id as "id: ClassId" from classes where dataset_id = $1 and name = $2"#,
        dataset as DatasetId,
        name,
    )
    .fetch_optional(executor)
    .await
}

/// Renames a class or replaces its phrases; false when there is no such class.
pub async fn update(
    executor: impl PgExecutor<'_>,
    id: ClassId,
    name: Option<&str>,
    phrases: Option<&[String]>,
) -> sqlx::Result<Result<bool, NameTaken>> {
    let updated = query!(
        "update classes set name = coalesce($2, name), phrases = coalesce($3, phrases)
         where id = $1",
        id as ClassId,
        name,
        phrases,
    )
    .execute(executor)
    .await;
    match updated {
        Ok(done) => Ok(Ok(done.rows_affected() == 1)),
        Err(sqlx::Error::Database(e)) if e.is_unique_violation() => Ok(Err(NameTaken)),
        Err(error) => Err(error),
    }
}

/// Gives another class of the dataset all that this one has: images, sightings, references, archives, phrases.
pub async fn merge(
    connection: &mut PgConnection,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    image::move_class(&mut *connection, from, into).await?;
    sighting::move_class(&mut *connection, from, into).await?;
    reference::move_class(&mut *connection, from, into).await?;
    import::move_class(&mut *connection, from, into).await?;
    query!(
        "update classes c set phrases = array(
             select distinct p from unnest(c.phrases || o.phrases) as p order by p)
         from classes o where c.id = $2 and o.id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a class that nothing names; false when images, sightings, searches, archives or reviews do: with the class
/// would go where its pictures came from and what people decided.
pub async fn remove(connection: &mut PgConnection, id: ClassId) -> sqlx::Result<bool> {
    // Whoever is about to name the class waits for this lock, and then finds no class.
    query!("select 1 as one from classes where id = $1 for update", id as ClassId)
        .fetch_optional(&mut *connection)
        .await?;
    let removed = query!(
        "delete from classes where id = $1
             and not exists (select from images where class_id = $1)
             and not exists (select from sightings where class_id = $1)
             and not exists (select from scrape_jobs where class_id = $1)
             and not exists (select from import_jobs where class_id = $1)
             and not exists (select from reviews where class_id = $1)
             and not exists (select from review_images where previous_class_id = $1)",
        id as ClassId,
    )
    .execute(connection)
    .await?;
    Ok(removed.rows_affected() == 1)
}

/// The classes of the datasets, in their order.
pub(super) async fn list(
    connection: &mut PgConnection,
    datasets: &[DatasetId],
) -> sqlx::Result<Vec<(DatasetId, Class)>> {
    let rows = query!(
        r#"select c.id as "id: ClassId", c.dataset_id as "dataset_id: DatasetId", c.name, c.phrases,
               (select count(*) from class_references r where r.class_id = c.id) as "references!",
               coalesce(sum(n.count) filter (where n.state = 'accepted'), 0)::bigint as "accepted!",
               coalesce(sum(n.count) filter (where n.state = 'flagged'), 0)::bigint as "flagged!",
               coalesce(sum(n.count) filter (where n.state = 'rejected'), 0)::bigint as "rejected!"
           from classes c left join image_counts n on n.class_id = c.id
           where c.dataset_id = any($1)
           group by c.id order by c.dataset_id, c.position, c.id"#,
        datasets as &[DatasetId],
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let counts =
                Counts { accepted: row.accepted, flagged: row.flagged, rejected: row.rejected };
            let class = Class {
                id: row.id,
                name: row.name,
                phrases: row.phrases,
                references: row.references,
                counts,
            };
            (row.dataset_id, class)
        })
        .collect())
}
