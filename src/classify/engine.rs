//! The engine: finds the model that a photo is for, bounds how many photos are in work, and keeps the models fresh.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytes::Bytes;
use metrics::counter;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::slots::{Found, Slot, Slots};
use super::{Answer, ClassifyError, Served};
use crate::blobs::{Blobs, Key};
use crate::db::ModelId;
use crate::model::{self, Listing};

/// How often the database is asked which models are active.
const REFRESH: Duration = Duration::from_secs(2);
/// Active models that are loaded before anyone asks for them, the newest activations first.
const LOADED_AHEAD: usize = 8;
/// Other models that stay loaded after they were asked for.
const KEPT: usize = 4;

/// How much work is let in.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Photos in work at once.
    pub running: usize,
    /// Photos that wait for their turn; further ones are refused at once.
    pub waiting: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { running: cores, waiting: 32 }
    }
}

/// Which model a photo is for.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The one that was activated last.
    Default,
    /// The active one of the dataset with this name or id.
    Dataset(&'a str),
    /// This one, active or not.
    Model(ModelId),
}

/// Answers for photos.
pub struct Classifier {
    pool: PgPool,
    blobs: Blobs,
    slots: ArcSwap<Slots>,
    /// Models that were asked for by id, or are about to be activated; the one used last is at the back.
    kept: Mutex<VecDeque<(ModelId, Arc<Served>)>>,
    /// Held while a model is loaded, so that no two requests load the same one.
    loading: tokio::sync::Mutex<()>,
    /// Held while the slots are renewed; the models that could not be loaded, each logged once.
    renewing: tokio::sync::Mutex<HashSet<ModelId>>,
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// Apart from the threads that train: an answer does not queue behind a batch.
    threads: Arc<rayon::ThreadPool>,
}

impl Classifier {
    /// An engine without models; [`Self::refresh`] brings them.
    pub fn new(pool: PgPool, blobs: Blobs, settings: Settings) -> anyhow::Result<Self> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(settings.running)
            .thread_name(|number| format!("classify-{number}"))
            .build()
            .context("the threads that classify cannot be started")?;
        Ok(Self {
            pool,
            blobs,
            slots: ArcSwap::default(),
            kept: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            admitted: Arc::new(Semaphore::new(settings.running + settings.waiting)),
            running: Arc::new(Semaphore::new(settings.running)),
            threads: Arc::new(threads),
        })
    }

    /// Whether another photo would be refused just now.
    pub fn is_full(&self) -> bool {
        self.admitted.available_permits() == 0
    }

    /// Answers for a photo. Dropped while it waits, it costs nothing more.
    pub async fn classify(
        &self,
        photo: Bytes,
        target: Target<'_>,
        top_k: usize,
    ) -> Result<Answer, ClassifyError> {
        let begun = Instant::now();
        let admitted =
            Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| ClassifyError::Busy)?;
        let slot = self.find(&target).await?;
        let mut waiting = Waiting { over: false };
        let turn = Arc::clone(&self.running).acquire_owned().await.context("never closed")?;
        waiting.over = true;
        let threads = Arc::clone(&self.threads);
        let answer = tokio::task::spawn_blocking(move || {
            // The place is taken until the work is done, even when the client has gone.
            let _held = (admitted, turn);
            threads.install(|| slot.served.answer(&slot.listing, (&photo, top_k), begun))
        })
        .await
        .context("the photo's thread ended early")??;
        counter!("classify_answers_total").increment(1);
        Ok(answer)
    }

    async fn find(&self, target: &Target<'_>) -> Result<Slot, ClassifyError> {
        let found = self.slots.load().find(target);
        let listing = match (found, target) {
            (Found::Ready(slot), _) => return Ok(slot),
            (Found::Listed(listing), _) => listing,
            (Found::Missing, Target::Model(id)) => {
                let listing = model::listing(&self.pool, *id).await?;
                listing.ok_or(ClassifyError::UnknownModel)?
            }
            (Found::Missing, _) => return Err(ClassifyError::NoActiveModel),
        };
        Ok(Slot { served: self.load(&listing).await?, listing })
    }

    /// The loaded model, loading and verifying it when it is not in memory.
    async fn load(&self, listing: &Listing) -> Result<Arc<Served>, ClassifyError> {
        if let Some(served) = self.in_memory(listing.id) {
            return Ok(served);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(served) = self.in_memory(listing.id) {
            return Ok(served);
        }
        let bytes = self.blobs.get(&Key::Model(listing.sha256)).await?;
        let missing = || ClassifyError::Unusable(anyhow::anyhow!("its file is gone"));
        let bytes = bytes.ok_or_else(missing)?;
        let own = listing.clone();
        let loaded = tokio::task::spawn_blocking(move || Served::load(&own, &bytes)).await;
        let served = loaded.context("the loading thread ended early")?;
        let served = Arc::new(served.map_err(ClassifyError::Unusable)?);
        let mut kept = self.kept.lock().expect("no holder panics");
        kept.push_back((listing.id, Arc::clone(&served)));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(served)
    }

    fn in_memory(&self, id: ModelId) -> Option<Arc<Served>> {
        if let Some(served) = self.slots.load().served(id) {
            return Some(served);
        }
        let mut kept = self.kept.lock().expect("no holder panics");
        let at = kept.iter().position(|(known, _)| *known == id)?;
        let entry = kept.remove(at)?;
        let served = Arc::clone(&entry.1);
        kept.push_back(entry);
        Some(served)
    }

    /// Loads and verifies a model that is about to be activated.
    pub async fn prepare(&self, id: ModelId) -> Result<(), ClassifyError> {
        let listing = model::listing(&self.pool, id).await?.ok_or(ClassifyError::UnknownModel)?;
        self.load(&listing).await?;
        Ok(())
    }

    /// Brings the slots to what the database says. A model that cannot be loaded leaves its dataset's old one in
    /// place; a database that is away leaves all.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        let mut refused = self.renewing.lock().await;
        let listings = model::active(&self.pool).await?;
        let old = self.slots.load_full();
        let mut slots = Slots::default();
        for (rank, listing) in listings.into_iter().enumerate() {
            let before = old.of_same_dataset(&listing);
            if rank >= LOADED_AHEAD && before.is_none() {
                slots.others.push(listing);
                continue;
            }
            match self.load(&listing).await {
                Ok(served) => slots.loaded.push(Slot { listing, served }),
                Err(error) => {
                    if refused.insert(listing.id) {
                        tracing::error!(model = %listing.id, %error, "an active model is unusable");
                    }
                    slots.loaded.extend(before.cloned());
                }
            }
        }
        self.slots.store(Arc::new(slots));
        Ok(())
    }

    /// Refreshes again and again until `shutdown`, so that what another process activates is served here soon.
    pub async fn keep_fresh(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(REFRESH)).await.is_some() {
            if let Err(error) = self.refresh().await {
                tracing::debug!(error = format!("{error:#}"), "the models were not refreshed");
            }
        }
    }
}

/// Counts the photos whose client left before their turn came.
struct Waiting {
    over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            counter!("classify_dropped_total").increment(1);
        }
    }
}
