//! Datasets, classes, references and images, and their counts.

pub mod archive;
mod class;
mod deposit;
mod image;
pub mod import;
mod ingest;
mod order;
mod reference;
mod sighting;

pub use class::{Class, Counts, NewClass};
pub use image::{Image, ImageFilter, ImageState};
pub use ingest::{Admission, Arrival, Origin};
pub use order::{DatasetCursor, DatasetOrder};

pub use self::class::{NameTaken, printable, update as update_class};
pub use self::class::{
    add as add_class, find as find_class, merge as merge_class, remove as remove_class,
};
pub use self::deposit::{REMOVE, Removal, lock_address, removal_task, remove_unless_wanted};
pub use self::image::{
    by_id as images_by_id, delete as delete_image, delete_everywhere, find as find_image,
    list as list_images, set_class, set_quarantined, set_state,
};
pub use self::ingest::{admit, store};
pub use self::reference::{
    Reference, erase as erase_references, list as list_references, replace as replace_references,
};
pub use self::sighting::{Sighting, list as list_sightings};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::db::{DatasetId, Named as _};

/// A living collection: named classes with their images.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Dataset {
    /// Sorts by time of creation.
    pub id: DatasetId,
    /// Unique, chosen by the user.
    pub name: String,
    /// Its classes, in the order in which they were added.
    pub classes: Vec<Class>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

struct Row {
    id: DatasetId,
    name: String,
    created_at: DateTime<Utc>,
}

impl Row {
    fn with(self, classes: Vec<Class>) -> Dataset {
        Dataset { id: self.id, name: self.name, classes, created_at: self.created_at }
    }
}

/// Creates a dataset with its classes; `Err(NameTaken)` inside when another one has the name.
pub async fn insert(
    connection: &mut PgConnection,
    name: &str,
    classes: &[NewClass],
) -> sqlx::Result<Result<Dataset, NameTaken>> {
    let inserted = query_as!(
        Row,
        r#"insert into datasets (name) values ($1) on conflict (name) do nothing
           returning id as "id: DatasetId", name, created_at"#,
        name,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = inserted else {
        return Ok(Err(NameTaken));
    };
    for class in classes {
        if let Err(taken) = add_class(connection, row.id, class).await? {
            return Ok(Err(taken));
        }
    }
    let classes = class::list(connection, &[row.id]).await?;
    Ok(Ok(row.with(classes.into_iter().map(|(_, class)| class).collect())))
}

/// The dataset, if there is one.
pub async fn find(connection: &mut PgConnection, id: DatasetId) -> sqlx::Result<Option<Dataset>> {
    let row = query_as!(
        Row,
        r#"select id as "id: DatasetId", name, created_at from datasets where id = $1"#,
        id as DatasetId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let classes = class::list(connection, &[id]).await?;
    Ok(Some(row.with(classes.into_iter().map(|(_, class)| class).collect())))
}

/// Up to `limit` datasets in the order, those after the cursor.
pub async fn list(
    connection: &mut PgConnection,
    sort: DatasetOrder,
    after: &DatasetCursor,
    limit: i64,
) -> sqlx::Result<Vec<Dataset>> {
    let rows = query_as!(
        Row,
        r#"with page as (
               (select id, row_number() over (order by id desc) as place from datasets
                where $3::text = 'newest' and ($1::uuid is null or id < $1)
                order by id desc limit $2)
               union all
               (select id, row_number() over (order by id) from datasets
                where $3 = 'oldest' and ($1::uuid is null or id > $1) order by id limit $2)
               union all
               (select id, row_number() over (order by name) from datasets
                where $3 = 'name' and ($4::text is null or name > $4) order by name limit $2))
           select id as "id!: DatasetId", name, created_at
           from page join datasets using (id) order by place"#,
        after.id() as Option<DatasetId>,
        limit,
        sort.name(),
        after.name(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<DatasetId> = rows.iter().map(|row| row.id).collect();
    let mut classes = class::list(connection, &ids).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let of_row = |(dataset, _): &mut (DatasetId, Class)| *dataset == row.id;
            let own = classes.extract_if(.., of_row).map(|(_, class)| class).collect();
            row.with(own)
        })
        .collect())
}

/// Gives the dataset another name; false when there is no such dataset.
pub async fn rename(
    executor: impl PgExecutor<'_>,
    id: DatasetId,
    name: &str,
) -> sqlx::Result<Result<bool, NameTaken>> {
    let renamed = query!("update datasets set name = $2 where id = $1", id as DatasetId, name)
        .execute(executor)
        .await;
    match renamed {
        Ok(done) => Ok(Ok(done.rows_affected() == 1)),
        Err(sqlx::Error::Database(e)) if e.is_unique_violation() => Ok(Err(NameTaken)),
        Err(error) => Err(error),
    }
}

/// Whether anything frozen (a snapshot or a model) rests on the dataset.
pub async fn has_snapshots(executor: impl PgExecutor<'_>, id: DatasetId) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from snapshots where dataset_id = $1) as "exists!""#,
        id as DatasetId,
    )
    .fetch_one(executor)
    .await
}

/// Deletes the dataset's rows with all that belongs to it alone; false when there is no such dataset.
pub async fn delete(executor: impl PgExecutor<'_>, id: DatasetId) -> sqlx::Result<bool> {
    let deleted =
        query!("delete from datasets where id = $1", id as DatasetId).execute(executor).await?;
    Ok(deleted.rows_affected() == 1)
}
