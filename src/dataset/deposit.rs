//! The turn at an address: bytes are stored, admitted and taken back by one transaction at a time.
//!
//! Bytes lie in the blob store before the row that points to them commits. Whoever stores some, and whoever removes
//! them because nothing points to them, holds their address until the end of its transaction; so neither removes what
//! the other is about to point to.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{PgConnection, PgExecutor, query, query_scalar};

use super::{image, reference};
use crate::blobs::{Blobs, Key};
use crate::db::{DatasetId, Sha256};
use crate::queue::{Lane, NewTask};

/// Waits for the turn at an address and keeps it until the end of the transaction. The first lock of the transaction:
/// before the task's fence and every row.
pub async fn lock_address(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<()> {
    let first = sha256.0.first_chunk().expect("a digest has 32 bytes");
    let address = i64::from_be_bytes(*first);
    query!("select pg_advisory_xact_lock($1)", address).execute(executor).await?;
    Ok(())
}

/// Removes an original, a quarantined one or a reference unless a row points to it, and the picture's thumbnail unless
/// a row shows it; other keys are left alone. Holds the address until the end of the transaction.
pub async fn remove_unless_wanted(
    connection: &mut PgConnection,
    blobs: &Blobs,
    key: Key,
) -> anyhow::Result<()> {
    let (wanted, sha256) = match key {
        Key::Image(dataset, sha256) | Key::Flagged(dataset, sha256) => {
            lock_address(&mut *connection, sha256).await?;
            (image::is_kept(&mut *connection, dataset, sha256).await?, sha256)
        }
        Key::Reference(dataset, sha256) => {
            lock_address(&mut *connection, sha256).await?;
            (reference::exists(&mut *connection, dataset, sha256).await?, sha256)
        }
        _ => return Ok(()),
    };
    if !wanted {
        blobs.delete(&key).await?;
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

/// Kind of the task that removes bytes which nothing wants any more.
pub const REMOVE: &str = "bytes_removal";

/// What the task removes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Removal {
    /// What the paths of the objects begin with; those that a row still points to stay.
    pub prefixes: Vec<String>,
}

/// The task that removes what lies under these prefixes: enqueued with the change that makes it unwanted, it outlives
/// the request and the process.
pub fn removal_task(dataset: DatasetId, prefixes: Vec<String>) -> NewTask {
    NewTask::new(REMOVE, Lane::Cpu, dataset.0).with_payload(json!(Removal { prefixes }))
}
