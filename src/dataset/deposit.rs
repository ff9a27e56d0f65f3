//! The turn at an address: bytes are stored, admitted and taken back by one transaction at a time.
//!
//! Bytes lie in the blob store before the row that points to them commits. Whoever stores some, and whoever removes
//! them because nothing points to them, holds their address until the end of its transaction; so neither removes what
//! the other is about to point to.

use sqlx::{PgConnection, PgExecutor, query, query_scalar};

use super::image;
use crate::blobs::{Blobs, Key};
use crate::db::{DatasetId, Sha256};

/// Waits for the turn at an address and keeps it until the end of the transaction. The first lock of the transaction:
/// before the task's fence and every row.
pub async fn lock_address(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<()> {
    let first = sha256.0.first_chunk().expect("a digest has 32 bytes");
    let address = i64::from_be_bytes(*first);
    query!("select pg_advisory_xact_lock($1)", address).execute(executor).await?;
    Ok(())
}

/// Removes the bytes and the thumbnail of a picture that became no image. The caller holds its address.
pub async fn take_back(
    connection: &mut PgConnection,
    blobs: &Blobs,
    dataset: DatasetId,
    sha256: Sha256,
) -> anyhow::Result<()> {
    if !image::exists(&mut *connection, dataset, sha256).await? {
        blobs.delete(&Key::Image(dataset, sha256)).await?;
    }
    if !is_shown(&mut *connection, sha256).await? {
        blobs.delete(&Key::Thumbnail(sha256)).await?;
    }
    Ok(())
}

/// Whether an image of any dataset, or a reference, has this picture.
async fn is_shown(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from images where sha256 = $1 and state <> 'deleted')
               or exists (select from class_references where sha256 = $1) as "exists!""#,
        sha256 as Sha256,
    )
    .fetch_one(executor)
    .await
}
