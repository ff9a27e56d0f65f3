//! A tagger on this machine that knows no classes: `SigLIP` tells which of a dataset's phrases fit a picture.
//!
//! The network is google/siglip-base-patch16-224: among the published pairs of a picture's and a text's network it is
//! small, its files are safetensors with a `tokenizer.json`, and candle has it. A picture is compared with the sentence
//! "This is a photo of …" about each phrase of the dataset's classes and about each of some hundred contrasts.
//!
//! A label's confidence is the softmax over the vocabulary of the scaled likenesses. `SigLIP` was taught to answer each
//! sentence by itself with a sigmoid, but such an answer is small for all but literal captions, and means another thing for
//! each phrase; the first labels of a softmax are the phrases that fit better than the rest, which is what rules about the
//! top labels ask. Phrases that mean the same share what one of them alone would have, so thresholds are lower here than for
//! other taggers.

mod files;
mod network;
mod tokens;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use candle_core::Tensor;
use tokio::sync::{OnceCell, Semaphore};

use self::files::Read;
pub use self::files::SiglipFiles;
use self::network::Network;
use self::vocabulary::Vocabulary;
use super::confidence::{percent, softmax};
use super::{Label, Labels, TagError, generous, on_a_thread, short, unscannable, weightless};
use crate::db::Sha256;
use crate::model::pretrained::PretrainedError;
use crate::picture;

/// Labels below this confidence, in percent, are not kept.
const FLOOR: f64 = 1.0;

/// Vocabularies whose directions are kept: a third of a megabyte each.
const KEPT: usize = 16;

/// What to do where there are no files.
const HINT: &str = "set SHIPSHAPE_ZERO_SHOT_WEIGHTS to a local folder with model.safetensors, tokenizer.json and \
                    config.json of google/siglip-base-patch16-224, or HF_ENDPOINT to a model hub that this machine \
                    reaches";

/// The zero-shot tagger. Cheap to clone; the files are read when the first picture needs them, once.
#[derive(Debug, Clone)]
pub struct ZeroShot {
    shared: Arc<Shared>,
    vocabulary: Arc<Vocabulary>,
}

/// What the taggers of all vocabularies have in common.
#[derive(Debug)]
struct Shared {
    files: SiglipFiles,
    loaded: OnceCell<Arc<Loaded>>,
    /// Directions of the latest vocabularies' sentences.
    directions: Mutex<VecDeque<(Sha256, Tensor)>>,
    /// One picture at a time is looked at, on all processors: others wait as the bytes that they are.
    turn: Arc<Semaphore>,
}

#[derive(Debug)]
struct Loaded {
    network: Arc<Network>,
    /// Names the files.
    version: String,
}

impl ZeroShot {
    /// A tagger with these files, which knows only the contrasts.
    pub fn new(files: SiglipFiles) -> Self {
        let shared = Shared {
            files,
            loaded: OnceCell::new(),
            directions: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        };
        Self { shared: Arc::new(shared), vocabulary: Arc::new(Vocabulary::of(&[])) }
    }

    /// The same network, asked about these phrases.
    #[must_use]
    pub fn among(&self, phrases: &[String]) -> Self {
        let vocabulary = Arc::new(Vocabulary::of(phrases));
        Self { shared: Arc::clone(&self.shared), vocabulary }
    }

    /// The name under which its answers are kept.
    pub(super) fn kept_as(&self) -> String {
        self.vocabulary.kept_as()
    }

    /// Why the files that are named on this machine cannot be used; a hub is not asked.
    pub async fn fault(&self) -> Option<TagError> {
        if self.shared.files.are_here() { self.shared.load().await.err() } else { None }
    }

    /// The labels of the picture in `bytes`.
    pub async fn labels(&self, bytes: &[u8]) -> Result<Labels, TagError> {
        let loaded = self.shared.load().await?;
        let turn = Arc::clone(&self.shared.turn).acquire_owned().await.expect("it is never closed");
        let (this, bytes) = (self.clone(), bytes.to_vec());
        on_a_thread(move || {
            let _turn = turn;
            this.see(&loaded, &bytes)
        })
        .await
    }

    /// Holds the turn: of two pictures with a new vocabulary the first one embeds it.
    fn see(&self, loaded: &Loaded, bytes: &[u8]) -> Result<Labels, TagError> {
        let pixels = picture::decode(bytes, &generous()).map_err(|why| unscannable(&why))?;
        let fits = || {
            let sentences = self.directions(&loaded.network)?;
            let picture = loaded.network.direction(&pixels)?;
            loaded.network.fits(&picture, &sentences)
        };
        // A picture is a picture by now: what fails are the files, which do not fit together.
        let fits = fits().map_err(|error| weightless(&PretrainedError::Invalid(error), HINT))?;
        let version = format!("{} vocabulary {}", loaded.version, self.vocabulary.name());
        Ok(Labels::new(version, labels(&self.vocabulary, &softmax(&fits))))
    }

    /// The directions of the vocabulary's sentences, computed once while few others are asked for.
    fn directions(&self, network: &Network) -> anyhow::Result<Tensor> {
        let known = || self.shared.directions.lock().expect("no holder panics");
        let digest = self.vocabulary.digest;
        if let Some((_, directions)) = known().iter().find(|(of, _)| *of == digest) {
            return Ok(directions.clone());
        }
        let directions = network.directions(&self.vocabulary.sentences())?;
        let mut known = known();
        if known.len() == KEPT {
            known.pop_front();
        }
        known.push_back((digest, directions.clone()));
        Ok(directions)
    }
}

impl Shared {
    async fn load(&self) -> Result<Arc<Loaded>, TagError> {
        let load = async || {
            let read = self.files.read().await.map_err(|error| weightless(&error, HINT))?;
            let Read { network, weights, rest } = read;
            let version = format!("siglip {} with {}", short(weights), short(rest));
            Ok(Arc::new(Loaded { network, version }))
        };
        self.loaded.get_or_try_init(load).await.cloned()
    }
}

/// The name under which the answers about these phrases are kept.
pub(super) fn kept_as(phrases: &[String]) -> String {
    Vocabulary::of(phrases).kept_as()
}

/// Everything of at least [`FLOOR`] percent.
fn labels(vocabulary: &Vocabulary, probabilities: &[f64]) -> Vec<Label> {
    let sure = probabilities.iter().map(|probability| percent(*probability));
    vocabulary
        .phrases
        .iter()
        .zip(sure)
        .filter(|(_, confidence)| *confidence >= FLOOR)
        .map(|(phrase, confidence)| Label {
            name: phrase.text.clone(),
            confidence: confidence as f32,
            parents: Vec::new(),
            aliases: Vec::new(),
            categories: vec![phrase.kind.to_owned()],
        })
        .collect()
}
