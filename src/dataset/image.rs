//! Images: a picture in one dataset, with one class and one state.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::blobs::Key;
use crate::db::{ClassId, DatasetId, ImageId, Named as _, Order, Sha256};

/// What the dataset thinks of an image; unchecked images are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "image_state", rename_all = "snake_case")]
pub enum ImageState {
    /// In use.
    Accepted,
    /// Held back by a check, until a person decides.
    Flagged,
    /// Turned down by a person.
    Rejected,
    /// Taken out of the dataset.
    Deleted,
}

/// A picture in one dataset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Image {
    /// Sorts by time of arrival.
    pub id: ImageId,
    /// The dataset that holds it.
    pub dataset_id: DatasetId,
    /// SHA-256 of the original bytes.
    pub sha256: Sha256,
    /// Id of its class.
    pub class_id: ClassId,
    /// Name of its class.
    pub class: String,
    /// What the dataset thinks of it.
    pub state: ImageState,
    /// Whether the bytes lie in quarantine.
    pub quarantined: bool,
    /// Pixels across, upright.
    pub width: i32,
    /// Pixels down, upright.
    pub height: i32,
    /// Length of the original bytes.
    pub bytes: i64,
    /// When the dataset first got it.
    pub created_at: DateTime<Utc>,
}

impl Image {
    /// Where the bytes lie, as far as this row knows.
    pub fn key(&self) -> Key {
        Key::of_image(self.dataset_id, self.sha256, self.quarantined)
    }
}

/// Which images to list.
#[derive(Debug, Clone, Default)]
pub struct ImageFilter {
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// Of this class, by name.
    pub class: Option<String>,
    /// In this state.
    pub state: Option<ImageState>,
    /// Whose newest verdict of this check flagged it, and no person called that no problem.
    pub check: Option<String>,
    /// Behind this one.
    pub after: Option<ImageId>,
    /// In this order.
    pub sort: Order,
}

/// The image, if there is one.
pub async fn find(executor: impl PgExecutor<'_>, id: ImageId) -> sqlx::Result<Option<Image>> {
    Ok(by_id(executor, &[id]).await?.pop())
}

/// Those of the images that exist, ordered by id.
pub async fn by_id(executor: impl PgExecutor<'_>, ids: &[ImageId]) -> sqlx::Result<Vec<Image>> {
    query_as!(
        Image,
        r#"select i.id as "id: ImageId", i.dataset_id as "dataset_id: DatasetId",
               i.sha256 as "sha256: Sha256", i.class_id as "class_id: ClassId", c.name as class,
               i.state as "state: ImageState", i.quarantined, p.width, p.height, p.bytes,
               i.created_at
           from images i join pictures p using (sha256) join classes c on c.id = i.class_id
           where i.id = any($1) order by i.id"#,
        ids as &[ImageId],
    )
    .fetch_all(executor)
    .await
}

/// Up to `limit` images in the filter's order. Deleted ones are listed only when asked for by state.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &ImageFilter,
    limit: i64,
) -> sqlx::Result<Vec<Image>> {
    query_as!(
        Image,
        r#"with chosen as not materialized (
               select i.id from images i join classes c on c.id = i.class_id
               where ($1::uuid is null or i.dataset_id = $1)
                 and ($2::text is null or c.name = $2)
                 and (i.state = $3 or $3 is null and i.state <> 'deleted')
                 and ($4::text is null or exists (
                     select from current_verdicts v
                     where v.image_id = i.id and v."check" = $4 and v.outcome = 'flagged'
                       and not v.dismissed))),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $7::text = 'newest' and ($5::uuid is null or id < $5) order by id desc limit $6)
               union all
               (select id, row_number() over (order by id) from chosen
                where $7 = 'oldest' and ($5::uuid is null or id > $5) order by id limit $6))
           select i.id as "id: ImageId", i.dataset_id as "dataset_id: DatasetId",
               i.sha256 as "sha256: Sha256", i.class_id as "class_id: ClassId", c.name as class,
               i.state as "state: ImageState", i.quarantined, p.width, p.height, p.bytes,
               i.created_at
           from page join images i using (id) join pictures p using (sha256)
           join classes c on c.id = i.class_id
           order by place"#,
        filter.dataset as Option<DatasetId>,
        filter.class,
        filter.state as Option<ImageState>,
        filter.check,
        filter.after as Option<ImageId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await
}

/// Whether the dataset has the picture, in whatever state.
pub(super) async fn exists(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    sha256: Sha256,
) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from images where dataset_id = $1 and sha256 = $2) as "exists!""#,
        dataset as DatasetId,
        sha256 as Sha256,
    )
    .fetch_one(executor)
    .await
}

/// Whether the dataset has the picture and has not deleted it.
pub(super) async fn is_kept(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    sha256: Sha256,
) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from images where dataset_id = $1 and sha256 = $2
                          and state <> 'deleted') as "exists!""#,
        dataset as DatasetId,
        sha256 as Sha256,
    )
    .fetch_one(executor)
    .await
}

/// Adds an image, or finds the one that the dataset has of this picture: (id, whether it is new).
pub(super) async fn insert(
    connection: &mut PgConnection,
    dataset: DatasetId,
    class: ClassId,
    sha256: Sha256,
) -> sqlx::Result<(ImageId, bool)> {
    // The empty update locks the row and returns it; xmax is 0 only on a fresh one.
    let row = query!(
        r#"insert into images (dataset_id, sha256, class_id) values ($1, $2, $3)
           on conflict (dataset_id, sha256) do update set sha256 = excluded.sha256
           returning id as "id: ImageId", (xmax = 0) as "new!""#,
        dataset as DatasetId,
        sha256 as Sha256,
        class as ClassId,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.id, row.new))
}

/// Writes the state of images, in the transaction of what causes it.
pub async fn set_state(
    executor: impl PgExecutor<'_>,
    ids: &[ImageId],
    state: ImageState,
) -> sqlx::Result<()> {
    query!(
        "update images set state = $2 where id = any($1) and state <> $2",
        ids as &[ImageId],
        state as ImageState,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Moves images to another class of their dataset.
pub async fn set_class(
    executor: impl PgExecutor<'_>,
    ids: &[ImageId],
    class: ClassId,
) -> sqlx::Result<()> {
    query!(
        "update images set class_id = $2 where id = any($1)",
        ids as &[ImageId],
        class as ClassId,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Records where the bytes of an image lie from now on.
pub async fn set_quarantined(
    executor: impl PgExecutor<'_>,
    id: ImageId,
    quarantined: bool,
) -> sqlx::Result<()> {
    query!("update images set quarantined = $2 where id = $1", id as ImageId, quarantined)
        .execute(executor)
        .await?;
    Ok(())
}

/// Takes an image out of its dataset; the row stays, so that a later scrape does not bring it back.
pub async fn delete(executor: impl PgExecutor<'_>, id: ImageId) -> sqlx::Result<()> {
    set_state(executor, &[id], ImageState::Deleted).await
}

/// Takes a picture out of every dataset; the images that were taken out.
pub async fn delete_everywhere(
    connection: &mut PgConnection,
    sha256: Sha256,
) -> sqlx::Result<Vec<Image>> {
    let ids = query_scalar!(
        r#"update images set state = 'deleted' where sha256 = $1 returning id as "id: ImageId""#,
        sha256 as Sha256,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut images = Vec::with_capacity(ids.len());
    for id in ids {
        images.extend(find(&mut *connection, id).await?);
    }
    Ok(images)
}

/// Moves all images of a class to another one.
pub(super) async fn move_class(
    executor: impl PgExecutor<'_>,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    query!(
        "update images set class_id = $2 where class_id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(executor)
    .await?;
    Ok(())
}
