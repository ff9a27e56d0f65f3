//! Ingest: examined bytes are stored and become an image of a dataset, once.

use bytes::Bytes;
use sqlx::PgConnection;

use super::{ImageState, find_image, image, lock_address, remove_unless_wanted, sighting};
use crate::blobs::{Blobs, Key};
use crate::db::{CandidateId, ClassId, DatasetId, ImageId};
use crate::picture::{self, Examined, Facts};

/// Where a picture came from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A search hit.
    Candidate(CandidateId),
    /// An upload, with its file name.
    Upload(String),
}

/// A picture that a dataset is given.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// The dataset.
    pub dataset: DatasetId,
    /// The class that it is given for.
    pub class: ClassId,
    /// What was found in the bytes.
    pub facts: &'a Facts,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A new image of the dataset.
    Stored(ImageId),
    /// The dataset had it; under another class this is a label conflict.
    Duplicate(ImageId),
    /// It was deleted from the dataset, or erased everywhere, and stays so.
    Deleted,
}

impl Admission {
    /// The outcome as counts name it.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Duplicate(_) => "duplicate",
            Self::Deleted => "skipped:deleted",
        }
    }
}

/// Waits for the turn at the picture's address, which the transaction keeps until its end, and stores the bytes and
/// the thumbnail there, unless the dataset has the picture already (its bytes may lie in quarantine, and there is to be
/// one copy). Before the task's fence and every row lock of the transaction.
pub async fn store(
    connection: &mut PgConnection,
    blobs: &Blobs,
    dataset: DatasetId,
    bytes: Bytes,
    examined: &Examined,
) -> anyhow::Result<()> {
    let sha256 = examined.facts.sha256;
    lock_address(&mut *connection, sha256).await?;
    if image::exists(&mut *connection, dataset, sha256).await? {
        return Ok(());
    }
    let thumbnail = Bytes::from(examined.thumbnail.clone());
    blobs.put(&Key::Thumbnail(sha256), thumbnail).await?;
    blobs.put(&Key::Image(dataset, sha256), bytes).await
}

/// Admits a picture that [`store`] has stored in the same transaction, or removes the bytes of one that stays away.
pub async fn admit(
    connection: &mut PgConnection,
    blobs: &Blobs,
    arrival: &Arrival<'_>,
) -> anyhow::Result<Admission> {
    let admission = record(&mut *connection, arrival).await?;
    if admission == Admission::Deleted {
        let key = Key::Image(arrival.dataset, arrival.facts.sha256);
        remove_unless_wanted(connection, blobs, key).await?;
    }
    Ok(admission)
}

async fn record(connection: &mut PgConnection, arrival: &Arrival<'_>) -> sqlx::Result<Admission> {
    if !picture::insert(connection, arrival.facts).await? {
        return Ok(Admission::Deleted);
    }
    let (dataset, class, sha256) = (arrival.dataset, arrival.class, arrival.facts.sha256);
    let (id, new) = image::insert(connection, dataset, class, sha256).await?;
    if !new {
        let existing = find_image(&mut *connection, id).await?;
        if existing.is_some_and(|image| image.state == ImageState::Deleted) {
            return Ok(Admission::Deleted);
        }
    }
    let (candidate, name) = match &arrival.origin {
        Origin::Candidate(candidate) => (Some(*candidate), None),
        Origin::Upload(name) => (None, Some(name.as_str())),
    };
    sighting::insert(connection, id, class, candidate, name).await?;
    Ok(if new { Admission::Stored(id) } else { Admission::Duplicate(id) })
}
