//! References: the validation pictures of a class, whose tags the tag check trusts.

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::db::{ClassId, DatasetId, Sha256};

/// A reference picture of a class.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reference {
    /// Id of the class.
    pub class_id: ClassId,
    /// Name of the class.
    pub class: String,
    /// The picture.
    pub sha256: Sha256,
}

/// Makes these pictures the references of the class, in place of all earlier ones, which it returns.
pub async fn replace(
    connection: &mut PgConnection,
    class: ClassId,
    pictures: &[Sha256],
) -> sqlx::Result<Vec<Sha256>> {
    let earlier = query_scalar!(
        r#"delete from class_references where class_id = $1 returning sha256 as "sha256: Sha256""#,
        class as ClassId,
    )
    .fetch_all(&mut *connection)
    .await?;
    query!(
        "insert into class_references (class_id, sha256)
         select $1, sha256 from unnest($2::bytea[]) as given (sha256) on conflict do nothing",
        class as ClassId,
        pictures as &[Sha256],
    )
    .execute(connection)
    .await?;
    Ok(earlier)
}

/// Makes the picture no class's reference any more; the datasets in which it was one.
pub async fn erase(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<Vec<DatasetId>> {
    query_scalar!(
        r#"delete from class_references r using classes c
           where c.id = r.class_id and r.sha256 = $1
           returning c.dataset_id as "dataset_id: DatasetId""#,
        sha256 as Sha256,
    )
    .fetch_all(executor)
    .await
}

/// Whether the picture is a reference of a class of the dataset.
pub(super) async fn exists(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    sha256: Sha256,
) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (
               select from class_references r join classes c on c.id = r.class_id
               where c.dataset_id = $1 and r.sha256 = $2) as "exists!""#,
        dataset as DatasetId,
        sha256 as Sha256,
    )
    .fetch_one(executor)
    .await
}

/// The references of all classes of a dataset.
pub async fn list(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> sqlx::Result<Vec<Reference>> {
    query_as!(
        Reference,
        r#"select r.class_id as "class_id: ClassId", c.name as class, r.sha256 as "sha256: Sha256"
           from class_references r join classes c on c.id = r.class_id
           where c.dataset_id = $1 order by c.position, r.sha256"#,
        dataset as DatasetId,
    )
    .fetch_all(executor)
    .await
}

/// Moves all references of a class to another one; what both have stays once.
pub(super) async fn move_class(
    executor: impl PgExecutor<'_>,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    query!(
        "with moved as (delete from class_references where class_id = $1 returning sha256)
         insert into class_references (class_id, sha256) select $2, sha256 from moved
         on conflict do nothing",
        from as ClassId,
        into as ClassId,
    )
    .execute(executor)
    .await?;
    Ok(())
}
