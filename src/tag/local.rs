//! A tagger on this machine: `MobileNetV4` with its `ImageNet` classifier, and `WordNet`'s broader names.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::confidence::{percent, softmax};
use super::imagenet::{self, TABLE, THINGS};
use super::{Label, Labels, TagError, generous, on_a_thread, short, unscannable, weightless};
use crate::db::Sha256;
use crate::model::pretrained::Pretrained;
use crate::nn::backbone::{Classifier, SIZE};
use crate::picture::{self, crop};

/// Labels below this confidence, in percent, are not kept.
pub(super) const FLOOR: f64 = 5.0;

/// Length of the short side before the centre is cut out: timm evaluates these weights on 0.875 of it.
const SHORT_SIDE: u32 = 256;

/// What to do where there are no weights.
const HINT: &str = "set SHIPSHAPE_TAGGER_WEIGHTS to a local model.safetensors of mobilenetv4_conv_small, or \
                    HF_ENDPOINT to a model hub that this machine reaches";

/// The local tagger. Cheap to clone; the weights are read when the first picture needs them, once.
#[derive(Debug, Clone)]
pub struct Local {
    source: Pretrained,
    loaded: Arc<OnceCell<Loaded>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    network: Arc<Classifier>,
    model_version: String,
}

impl Local {
    /// A tagger with these weights.
    pub fn new(source: Pretrained) -> Self {
        Self { source, loaded: Arc::default() }
    }

    /// Why the weights that are named on this machine cannot be used; a hub is not asked.
    pub async fn fault(&self) -> Option<TagError> {
        match self.source {
            Pretrained::File { .. } => self.load().await.err(),
            Pretrained::Hub { .. } | Pretrained::Nowhere => None,
        }
    }

    /// The labels of the picture in `bytes`.
    pub async fn labels(&self, bytes: &[u8]) -> Result<Labels, TagError> {
        let Loaded { network, model_version } = self.load().await?;
        let bytes = bytes.to_vec();
        on_a_thread(move || Ok(Labels::new(model_version, see(&network, &bytes)?))).await
    }

    async fn load(&self) -> Result<Loaded, TagError> {
        let load = async || {
            let loaded = self.source.load_classifier().await;
            let (network, sha256) = loaded.map_err(|error| weightless(&error, HINT))?;
            Ok(Loaded { network, model_version: model_version(sha256) })
        };
        self.loaded.get_or_try_init(load).await.cloned()
    }
}

/// Answers differ with the weights and with the table of names.
fn model_version(weights: Sha256) -> String {
    let table = short(Sha256::of(TABLE.as_bytes()));
    format!("mobilenetv4_conv_small {} wordnet {table}", short(weights))
}

/// What the network sees in a picture.
fn see(network: &Classifier, bytes: &[u8]) -> Result<Vec<Label>, TagError> {
    let pixels = picture::decode(bytes, &generous()).map_err(|why| unscannable(&why))?;
    let crop = crop::centre(&pixels, SHORT_SIDE, SIZE as u32);
    let logits = network.logits(SIZE, 1, |_, input| {
        for (value, level) in input.iter_mut().zip(&crop) {
            *value = f32::from(*level) / 255.0;
        }
    });
    Ok(labels(&softmax(&logits)))
}

/// Everything of at least [`FLOOR`] percent: classes, and what stands above them.
fn labels(classes: &[f64]) -> Vec<Label> {
    let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let sure = imagenet::spread(classes).into_iter().map(percent);
    THINGS
        .iter()
        .zip(sure)
        .filter(|(_, confidence)| *confidence >= FLOOR)
        .map(|(thing, confidence)| Label {
            name: thing.name.to_owned(),
            confidence: confidence as f32,
            parents: thing.ancestors.iter().map(|&at| THINGS[at].name.to_owned()).collect(),
            aliases: named(&thing.aliases),
            categories: named(&[thing.category]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::backbone::CLASSES;

    #[test]
    fn an_answer_has_the_classes_and_what_stands_above_them() {
        let place = |name: &str| THINGS.iter().position(|thing| thing.name == name).unwrap();
        let mut classes = vec![0.0; CLASSES];
        classes[place("Container Ship")] = 0.6;
        classes[place("Liner")] = 0.3;
        classes[place("Tabby")] = 0.1 - 0.06;
        classes[place("Fireboat")] = 0.06;
        let labels = Labels::new("1", labels(&classes));
        let sure = |name: &str| {
            let label = labels.labels.iter().find(|label| label.name == name)?;
            Some(label.confidence.round())
        };
        let named = ["Conveyance", "Ship", "Container Ship", "Liner", "Boat", "Fireboat"];
        let confidences = [96.0, 90.0, 60.0, 30.0, 6.0, 6.0];
        assert_eq!(named.map(sure), confidences.map(Some));
        assert_eq!((sure("Tabby"), sure("Cat")), (None, None), "below the floor");
        let ship = labels.labels.iter().find(|label| label.name == "Ship").unwrap();
        assert_eq!(ship.parents, ["Vessel", "Craft", "Vehicle", "Conveyance"]);
        assert_eq!(ship.categories, ["Artifact"]);
        // Of equally sure ones the most specific comes first.
        assert_eq!(labels.labels[0].name, "Vessel");
    }

    #[tokio::test]
    async fn without_weights_the_answer_says_what_to_set() {
        let error = Local::new(Pretrained::Nowhere).labels(b"").await.unwrap_err();
        let TagError::Weights { code, message } = &error else { panic!("{error:?}") };
        assert_eq!(*code, "tagger_weights_missing");
        assert!(message.contains("SHIPSHAPE_TAGGER_WEIGHTS"), "{message}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = Pretrained::File { path: file.path().to_owned(), sha256: None };
        let fault = Local::new(source).fault().await;
        assert!(matches!(fault, Some(TagError::Weights { code: "tagger_weights_invalid", .. })));
    }
}
