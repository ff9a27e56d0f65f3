//! A snapshot's pictures, from the blob store to memory: each is decoded once, whatever the number of epochs.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rayon::prelude::*;
use sqlx::PgPool;

use super::ImageSet;
use crate::blobs::Blobs;
use crate::db::{DatasetId, Sha256};
use crate::picture::{self, Limits, tensor};
use crate::snapshot::{self, Member, Split};

/// Pictures that are read before they are decoded together.
const CHUNK: usize = 128;
/// Reads at a time.
const READS: usize = 16;

/// Most bytes of pixels: above it, the run is refused before it takes the machine's memory.
const MAX_BYTES: u64 = 16 << 30;

/// Why a snapshot's pictures did not come into memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are gone.
    #[error("the picture {0} is gone")]
    Missing(Sha256),
    /// The bytes are there and are no longer the picture that they were.
    #[error("the picture {0} cannot be read: {1}")]
    Unreadable(Sha256, String),
    /// They would not fit into memory.
    #[error(
        "{0} pictures of this size take more than 16 GiB of memory: choose a smaller image_size"
    )]
    TooMany(usize),
    /// The blob store or the database does not answer.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Where pictures are.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// To look a moved picture up.
    pub pool: &'a PgPool,
    /// The bytes.
    pub blobs: &'a Blobs,
    /// The dataset that the snapshot was made of.
    pub dataset: DatasetId,
}

/// Reads and decodes `members` to squares of `size` pixels: those of each side in the snapshot's order.
pub async fn load(
    source: Source<'_>,
    members: &[Member],
    size: u32,
) -> Result<(ImageSet, ImageSet), LoadError> {
    if members.len() as u64 * u64::from(size).pow(2) * 3 > MAX_BYTES {
        return Err(LoadError::TooMany(members.len()));
    }
    let (mut train, mut test) = (Collected::default(), Collected::default());
    for chunk in members.chunks(CHUNK) {
        let reads: Vec<_> = chunk.iter().map(|member| read(source, member)).collect();
        let pictures: Vec<(Sha256, Bytes)> =
            stream::iter(reads).buffered(READS).try_collect().await?;
        let decoded = tokio::task::spawn_blocking(move || decode(&pictures, size)).await;
        let decoded = decoded.map_err(anyhow::Error::from)??;
        for (member, levels) in chunk.iter().zip(decoded) {
            let side = if member.split == Split::Train { &mut train } else { &mut test };
            side.pixels.extend_from_slice(&levels);
            side.labels.push(member.label as u32);
        }
    }
    Ok((train.into_set(size)?, test.into_set(size)?))
}

#[derive(Default)]
struct Collected {
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

impl Collected {
    fn into_set(self, size: u32) -> anyhow::Result<ImageSet> {
        Ok(ImageSet::new(size as usize, self.pixels, self.labels)?)
    }
}

async fn read(source: Source<'_>, member: &Member) -> Result<(Sha256, Bytes), LoadError> {
    let sha256 = member.sha256;
    if let Some(bytes) = source.blobs.get(&member.key).await? {
        return Ok((sha256, bytes));
    }
    // A cleaning job or a review may have moved it since its row was read.
    let moved = snapshot::locate(source.pool, source.dataset, sha256).await;
    let key = moved.map_err(anyhow::Error::from)?.ok_or(LoadError::Missing(sha256))?;
    let bytes = source.blobs.get(&key).await?.ok_or(LoadError::Missing(sha256))?;
    Ok((sha256, bytes))
}

fn decode(pictures: &[(Sha256, Bytes)], size: u32) -> Result<Vec<Vec<u8>>, LoadError> {
    let square = |(sha256, bytes): &(Sha256, Bytes)| {
        let unreadable = |why: String| LoadError::Unreadable(*sha256, why);
        if Sha256::of(bytes) != *sha256 {
            return Err(unreadable("its bytes have changed".into()));
        }
        let pixels = picture::decode(bytes, &Limits::default());
        pixels
            .map(|pixels| tensor::square(&pixels, size))
            .map_err(|why| unreadable(why.to_string()))
    };
    pictures.par_iter().map(square).collect()
}
