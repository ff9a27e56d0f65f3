//! Features of a snapshot's pictures under a pretrained network: computed once for each picture, a chunk at a time,
//! so that their pixels are never in memory together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ImageSet;
use super::pictures::{self, LoadError, Source};
use crate::nn::backbone::Backbone;
use crate::snapshot::Member;

/// Pictures whose pixels are in memory at once.
const CHUNK: usize = 256;

/// The features of `members`, squared to `size` pixels: those of each side in the snapshot's order. `seen` counts the
/// pictures that are done.
pub async fn load(
    source: Source<'_>,
    members: &[Member],
    size: u32,
    backbone: &Arc<Backbone>,
    seen: &AtomicU64,
) -> Result<(ImageSet, ImageSet), LoadError> {
    let (mut train, mut test) = pictures::load(source, &[], size).await?;
    for chunk in members.chunks(CHUNK) {
        let (trained, tested) = pictures::load(source, chunk, size).await?;
        let backbone = Arc::clone(backbone);
        let features = move || (trained.into_features(&backbone), tested.into_features(&backbone));
        let computed = tokio::task::spawn_blocking(features).await.map_err(anyhow::Error::from)?;
        train.append(computed.0);
        test.append(computed.1);
        seen.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    Ok((train, test))
}
