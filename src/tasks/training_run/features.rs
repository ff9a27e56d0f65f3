//! What a run trains on: pixels, or the features of a pretrained network, which the next run on the same pictures
//! finds still there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::{MissedTickBehavior, interval};

use super::{Job, TICK, TrainingRun, unloadable};
use crate::db::{Sha256, SnapshotId};
use crate::nn::backbone::{Backbone, FEATURES};
use crate::queue::{Context, TaskError};
use crate::training::pictures::{self, Source};
use crate::training::{ImageSet, Recipe, features};

/// Pictures to train on and to test on.
pub(super) type Sets = Arc<(ImageSet, ImageSet)>;

/// A pretrained network, and the checksum of the file that its weights came from.
pub(super) type Pretrained = (Arc<Backbone>, Sha256);

/// Larger features are not kept for the next run.
const MAX_KEPT_BYTES: usize = 512 << 20;

/// What features depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    snapshot: SnapshotId,
    /// How many of its pictures: a smaller share is part of a larger one.
    pictures: usize,
    image_size: u32,
    backbone: Sha256,
}

/// The features of the last run: the runs of an experiment mostly share them.
#[derive(Debug, Default)]
pub(super) struct LastFeatures(Mutex<Option<(Origin, Sets)>>);

impl LastFeatures {
    fn of(&self, origin: Origin) -> Option<Sets> {
        let kept = self.0.lock().expect("no holder panics");
        kept.as_ref().filter(|(kept, _)| *kept == origin).map(|(_, sets)| Arc::clone(sets))
    }

    fn keep(&self, origin: Origin, sets: &Sets) {
        let bytes = (sets.0.len() + sets.1.len()) * FEATURES * size_of::<f32>();
        let kept = (bytes <= MAX_KEPT_BYTES).then(|| (origin, Arc::clone(sets)));
        *self.0.lock().expect("no holder panics") = kept;
    }
}

impl TrainingRun {
    /// The pretrained network that the recipe builds on, if it does.
    pub(super) async fn pretrained(
        &self,
        recipe: &Recipe,
    ) -> Result<Option<Pretrained>, TaskError> {
        if !recipe.family.is_over_pretrained() {
            return Ok(None);
        }
        let loaded = self.app.pretrained.load().await;
        loaded.map(Some).map_err(|error| {
            let code = error.code().into();
            TaskError::Fail { code, error: error.into() }
        })
    }

    /// What the run trains on.
    pub(super) async fn sets(&self, context: &Context, job: &Job) -> Result<Sets, TaskError> {
        let (pool, blobs) = (&self.app.pool, &self.app.blobs);
        let source = Source { pool, blobs, dataset: job.snapshot.dataset_id };
        let image_size = job.setup.recipe.image_size;
        let Some((backbone, sha256)) = &job.pretrained else {
            let sets = pictures::load(source, &job.members, image_size).await;
            return sets.map(Arc::new).map_err(unloadable);
        };
        let (snapshot, pictures) = (job.snapshot.id, job.members.len());
        let origin = Origin { snapshot, pictures, image_size, backbone: *sha256 };
        if let Some(sets) = self.last_features.of(origin) {
            return Ok(sets);
        }
        let seen = AtomicU64::new(0);
        let features = features::load(source, &job.members, image_size, backbone, &seen);
        let mut features = std::pin::pin!(features);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sets = loop {
            tokio::select! {
                sets = &mut features => break Arc::new(sets.map_err(unloadable)?),
                _ = ticks.tick(), if job.checkpoint.is_none() => {
                    self.advance(context, job.id, seen.load(Ordering::Relaxed)).await?;
                }
                () = context.stopping().cancelled() => return Err(TaskError::GiveBack),
            }
        };
        self.last_features.keep(origin, &sets);
        Ok(sets)
    }
}
