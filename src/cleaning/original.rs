//! The original bytes of a picture, read at most once and only when a check asks.

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::blobs::{Blobs, Key};
use crate::db::{DatasetId, Sha256};

/// The bytes of a picture, wherever they lie at the moment.
#[derive(Debug)]
pub struct Original<'a> {
    /// Address of the bytes.
    pub sha256: Sha256,
    blobs: &'a Blobs,
    keys: Vec<Key>,
    bytes: OnceCell<Option<Bytes>>,
}

impl<'a> Original<'a> {
    fn new(blobs: &'a Blobs, sha256: Sha256, keys: Vec<Key>) -> Self {
        Self { sha256, blobs, keys, bytes: OnceCell::new() }
    }

    /// The bytes of an image, in quarantine or not.
    pub fn of_image(blobs: &'a Blobs, dataset: DatasetId, sha256: Sha256) -> Self {
        // A move copies before it deletes, so one more look at the first place finds what went back meanwhile.
        let (here, aside) = (Key::Image(dataset, sha256), Key::Flagged(dataset, sha256));
        Self::new(blobs, sha256, vec![here, aside, here])
    }

    /// The bytes of a reference of a class.
    pub fn of_reference(blobs: &'a Blobs, dataset: DatasetId, sha256: Sha256) -> Self {
        Self::new(blobs, sha256, vec![Key::Reference(dataset, sha256)])
    }

    /// The bytes; `None` when the blob store has lost them.
    pub async fn bytes(&self) -> anyhow::Result<Option<Bytes>> {
        let read = self.bytes.get_or_try_init(|| async {
            for key in &self.keys {
                if let Some(bytes) = self.blobs.get(key).await? {
                    return Ok(Some(bytes));
                }
            }
            anyhow::Ok(None)
        });
        Ok(read.await?.clone())
    }
}
