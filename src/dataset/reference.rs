//! References: the validation pictures of a class, whose tags the tag check trusts.

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as};
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

/// Makes these pictures the references of the class, in place of all earlier ones.
pub async fn replace(
    connection: &mut PgConnection,
    class: ClassId,
    pictures: &[Sha256],
) -> sqlx::Result<()> {
    query!("delete from class_references where class_id = $1", class as ClassId)
        .execute(&mut *connection)
        .await?;
    query!(
        "insert into class_references (class_id, sha256)
         select $1, sha256 from unnest($2::bytea[]) as given (sha256) on conflict do nothing",
        class as ClassId,
        pictures as &[Sha256],
    )
    .execute(connection)
    .await?;
    Ok(())
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
