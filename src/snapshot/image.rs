//! The images of a snapshot: what is frozen, and where the bytes lie now.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use super::Split;
use crate::blobs::Key;
use crate::db::{DatasetId, ImageId, Sha256, SnapshotId};

/// An image of a snapshot, for training.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its place in the snapshot.
    pub position: i32,
    /// The image; none once it is gone from the dataset.
    pub image: Option<ImageId>,
    /// Its picture.
    pub sha256: Sha256,
    /// Index into the snapshot's classes.
    pub label: usize,
    /// Its side; meaningless before the split is made.
    pub split: Split,
    /// Where the bytes lay when this was read.
    pub key: Key,
}

/// An image of a snapshot, as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SnapshotImage {
    /// Order of the images: the same for the same content and seed.
    pub position: i32,
    /// The image; null once it is gone from the dataset.
    pub image_id: Option<ImageId>,
    /// SHA-256 of the original bytes.
    pub sha256: Sha256,
    /// Its class, as frozen.
    pub class: String,
    /// Its side.
    pub split: Split,
}

/// An image before it is a member.
#[derive(Debug, Clone)]
pub struct Found<C> {
    /// The dataset that it is of.
    pub dataset: DatasetId,
    /// The image.
    pub image: ImageId,
    /// Its picture.
    pub sha256: Sha256,
    /// Whether the bytes lie in quarantine.
    pub quarantined: bool,
    /// Its class.
    pub class: C,
}

/// Numbers images and their classes in this order, in which those of a class stand together.
pub fn numbered<C: PartialEq>(found: impl IntoIterator<Item = Found<C>>) -> (Vec<C>, Vec<Member>) {
    let (mut classes, mut members) = (Vec::new(), Vec::new());
    for Found { dataset, image, sha256, quarantined, class } in found {
        if classes.last() != Some(&class) {
            classes.push(class);
        }
        members.push(Member {
            position: members.len() as i32,
            image: Some(image),
            sha256,
            label: classes.len() - 1,
            split: Split::Train,
            key: Key::of_image(dataset, sha256, quarantined),
        });
    }
    (classes, members)
}

/// The accepted images of a dataset, and the names of their classes in label order.
pub(super) async fn accepted(
    connection: &mut PgConnection,
    dataset: DatasetId,
) -> sqlx::Result<(Vec<String>, Vec<Member>)> {
    let rows = query!(
        r#"select i.id as "id: ImageId", i.sha256 as "sha256: Sha256", i.quarantined, c.name
           from images i join classes c on c.id = i.class_id join pictures p using (sha256)
           where i.dataset_id = $1 and i.state = 'accepted' and p.erased_at is null
           order by c.position, c.id, i.sha256"#,
        dataset as DatasetId,
    )
    .fetch_all(connection)
    .await?;
    let found = rows.into_iter().map(|row| Found {
        dataset,
        image: row.id,
        sha256: row.sha256,
        quarantined: row.quarantined,
        class: row.name,
    });
    Ok(numbered(found))
}

/// The near-duplicates among `members`, as positions.
pub async fn near_duplicates(
    connection: &mut PgConnection,
    dataset: DatasetId,
    members: &[Member],
) -> sqlx::Result<Vec<(usize, usize)>> {
    let rows = query!(
        r#"select n.a as "a: Sha256", n.b as "b: Sha256"
           from near_duplicates n
           join images x on x.sha256 = n.a and x.dataset_id = $1
           join images y on y.sha256 = n.b and y.dataset_id = $1"#,
        dataset as DatasetId,
    )
    .fetch_all(connection)
    .await?;
    let position: HashMap<Sha256, usize> =
        members.iter().enumerate().map(|(position, member)| (member.sha256, position)).collect();
    let both = |a, b| Some((*position.get(a)?, *position.get(b)?));
    Ok(rows.iter().filter_map(|row| both(&row.a, &row.b)).collect())
}

/// The side that each of `members` had in an earlier snapshot; none of what was not in it.
pub(super) async fn sides(
    connection: &mut PgConnection,
    earlier: Option<SnapshotId>,
    members: &[Member],
) -> sqlx::Result<Vec<Option<Split>>> {
    let rows = query!(
        r#"select sha256 as "sha256: Sha256", split as "split: Split"
           from snapshot_images where snapshot_id = $1"#,
        earlier as Option<SnapshotId>,
    )
    .fetch_all(connection)
    .await?;
    let side: HashMap<Sha256, Split> =
        rows.into_iter().map(|row| (row.sha256, row.split)).collect();
    Ok(members.iter().map(|member| side.get(&member.sha256).copied()).collect())
}

/// Freezes the members in their order.
pub(super) async fn insert(
    connection: &mut PgConnection,
    snapshot: SnapshotId,
    members: &[Member],
    splits: &[Split],
) -> sqlx::Result<()> {
    let images: Vec<Option<ImageId>> = members.iter().map(|member| member.image).collect();
    let pictures: Vec<Sha256> = members.iter().map(|member| member.sha256).collect();
    let labels: Vec<i32> = members.iter().map(|member| member.label as i32).collect();
    let held_out: Vec<bool> = splits.iter().map(|split| *split == Split::Test).collect();
    query!(
        "insert into snapshot_images (snapshot_id, position, image_id, sha256, label, split)
         select $1, n - 1, i.id, m.sha256, label,
                case when held_out then 'test'::split else 'train' end
         from unnest($2::uuid[], $3::bytea[], $4::int[], $5::bool[]) with ordinality
             as m (image_id, sha256, label, held_out, n)
         left join images i on i.id = m.image_id",
        snapshot as SnapshotId,
        &images as &[Option<ImageId>],
        &pictures as &[Sha256],
        &labels,
        &held_out,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// All images of a snapshot in their order, and where their bytes lie.
pub async fn members(
    executor: impl PgExecutor<'_>,
    snapshot: SnapshotId,
) -> sqlx::Result<Vec<Member>> {
    let rows = query!(
        r#"select m.position, m.image_id as "image: ImageId", m.sha256 as "sha256: Sha256", m.label,
               m.split as "split: Split", s.dataset_id as "dataset: DatasetId",
               coalesce(i.quarantined, false) as "quarantined!"
           from snapshot_images m join snapshots s on s.id = m.snapshot_id
           left join images i on i.id = m.image_id
           where m.snapshot_id = $1 order by m.position"#,
        snapshot as SnapshotId,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Member {
            position: row.position,
            image: row.image,
            sha256: row.sha256,
            label: row.label as usize,
            split: row.split,
            key: Key::of_image(row.dataset, row.sha256, row.quarantined),
        })
        .collect())
}

/// Where the bytes of an image lie now; none when it is gone.
pub async fn locate(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    sha256: Sha256,
) -> sqlx::Result<Option<Key>> {
    let quarantined = query_scalar!(
        "select quarantined from images
         where dataset_id = $1 and sha256 = $2 and state <> 'deleted'",
        dataset as DatasetId,
        sha256 as Sha256,
    )
    .fetch_optional(executor)
    .await?;
    Ok(quarantined.map(|quarantined| Key::of_image(dataset, sha256, quarantined)))
}

/// Which images of a snapshot to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageFilter {
    /// On this side.
    pub split: Option<Split>,
    /// Behind this position.
    pub after: Option<i32>,
}

/// Up to `limit` images of a snapshot in their order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    snapshot: SnapshotId,
    filter: ImageFilter,
    limit: i64,
) -> sqlx::Result<Vec<SnapshotImage>> {
    query_as!(
        SnapshotImage,
        r#"select m.position, m.image_id as "image_id: ImageId", m.sha256 as "sha256: Sha256",
               s.classes[m.label + 1] as "class!", m.split as "split: Split"
           from snapshot_images m join snapshots s on s.id = m.snapshot_id
           where m.snapshot_id = $1 and ($2::split is null or m.split = $2) and m.position > $3
           order by m.position limit $4"#,
        snapshot as SnapshotId,
        filter.split as Option<Split>,
        filter.after.unwrap_or(-1),
        limit,
    )
    .fetch_all(executor)
    .await
}
