//! The network, its words and its pictures against transformers and `SentencePiece`; labels of whole pictures.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _, RgbImage};
use serde::Deserialize;

use super::*;
use crate::nn::backbone::tests::formula;
use crate::picture::crop::tests::picture as photo;
use crate::picture::squash;
use crate::tag::TaggerName;

#[path = "../../../tests/it/support/siglip.rs"]
mod small;

/// What `scripts/siglip-fixtures` wrote.
#[derive(Deserialize)]
struct Fixture {
    phrases: Vec<String>,
    ids: Vec<Vec<u32>>,
    texts: Vec<Vec<f32>>,
    picture: Vec<f32>,
    fits: Vec<f32>,
    sizes: Vec<(u32, u32)>,
    step: u32,
    pillow: Vec<String>,
    torchvision: Vec<String>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/siglip.json")).unwrap()
}

fn weights() -> Vec<u8> {
    small::weights(|name, len| formula(name, len).collect())
}

fn network() -> Network {
    let config = serde_json::from_slice(small::CONFIG).unwrap();
    let tokens = Arc::new(tokens::Tokens::read(small::TOKENIZER).unwrap());
    Network::read(&config, tokens, &weights()).unwrap()
}

/// The sentences about the fixture's phrases, in its order.
fn sentences(phrases: &[String]) -> Vec<String> {
    let about =
        |phrase: &String| Vocabulary::of(std::slice::from_ref(phrase)).sentences().remove(0);
    phrases.iter().map(about).collect()
}

/// The largest difference, in units of the largest expected number.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0f32, |worst, (found, expected)| worst.max((found - expected).abs())) / largest
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn sentences_are_cut_and_filled_up_as_by_the_tokenizer_of_transformers() {
    let Fixture { phrases, ids, .. } = fixture();
    let tokens = tokens::Tokens::read(small::TOKENIZER).unwrap();
    for (sentence, expected) in sentences(&phrases).iter().zip(ids) {
        assert_eq!(tokens.of(sentence, expected.len()).unwrap(), expected, "{sentence}");
    }
}

#[test]
fn directions_and_fits_are_those_of_transformers() {
    let expected = fixture();
    let network = network();
    let texts = network.directions(&sentences(&expected.phrases)).unwrap();
    let picture = network.direction(&photo(32, 32)).unwrap();
    let fits = network.fits(&picture, &texts).unwrap();
    for (what, found, expected) in [
        ("texts", numbers(&texts), expected.texts.concat()),
        ("picture", numbers(&picture), expected.picture),
        ("fits", fits, expected.fits),
    ] {
        let worst = difference(&found, &expected);
        println!("{what}: {worst:e}");
        assert!(worst < 1e-4, "{what}: {worst}");
    }
}

#[test]
fn squares_are_those_of_transformers() {
    let Fixture { sizes, step, pillow, torchvision, .. } = fixture();
    for ((width, height), (pillow, torchvision)) in
        sizes.into_iter().zip(pillow.iter().zip(&torchvision))
    {
        let square = squash(&photo(width, height), 224);
        let kept = |at: u32| at.is_multiple_of(step);
        let found = square.enumerate_pixels().filter(|(x, y, _)| kept(*x) && kept(*y));
        let found: Vec<u8> = found.flat_map(|(_, _, pixel)| pixel.0).collect();
        let worst = |expected: &str| {
            let expected = hex::decode(expected).unwrap();
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).map(|(found, expected)| found.abs_diff(expected)).max()
        };
        let worst = (worst(pillow), worst(torchvision));
        println!("{width}×{height}: {worst:?} levels from Pillow and torchvision");
        assert!(worst.0 <= Some(1) && worst.1 <= Some(1), "{width}×{height}: {worst:?}");
    }
}

fn png(pixels: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(pixels, pixels.width(), pixels.height(), ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

#[tokio::test]
async fn labels_are_phrases_of_the_vocabulary_that_was_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    small::write(folder.path(), &weights());
    let tagger = ZeroShot::new(SiglipFiles::folder(folder.path()));
    assert_eq!(tagger.fault().await, None);
    let phrases = ["cargo ship".to_owned(), "ox".to_owned()];
    let ships = tagger.among(&phrases);
    let bytes = png(&photo(200, 150));
    let labels = ships.labels(&bytes).await.unwrap();
    assert_eq!(ships.labels(&bytes).await.unwrap(), labels);
    let sum: f32 = labels.labels.iter().map(|label| label.confidence).sum();
    assert!((1.0..=100.1).contains(&sum) && labels.labels.len() < 100, "{labels:?}");
    let kinds = ["class phrase", "contrast"];
    for Label { name, confidence, categories, parents, aliases } in &labels.labels {
        assert!(*confidence >= FLOOR as f32 && parents.is_empty() && aliases.is_empty());
        assert!(kinds.contains(&categories[0].as_str()), "{name}: {categories:?}");
        assert_eq!(categories[0] == kinds[0], phrases.contains(name));
    }
    let other = tagger.labels(&bytes).await.unwrap();
    assert_ne!(other.model_version, labels.model_version);
    assert_ne!(tagger.kept_as(), ships.kept_as());
    assert_eq!(ships.kept_as(), TaggerName::ZeroShot.kept_as(&phrases));
    let sha256 = short(Sha256::of(&weights()));
    assert!(labels.model_version.contains(&sha256), "{}", labels.model_version);
    let unread = ships.labels(b"no picture").await.unwrap_err();
    assert!(matches!(unread, TagError::Unscannable { .. }), "{unread:?}");
}

#[tokio::test]
async fn latest_vocabularies_stay_embedded() {
    let folder = tempfile::tempdir().unwrap();
    small::write(folder.path(), &weights());
    let tagger = ZeroShot::new(SiglipFiles::folder(folder.path()));
    let bytes = png(&photo(32, 32));
    for number in 0..=KEPT {
        tagger.among(&[format!("ship {number}")]).labels(&bytes).await.unwrap();
    }
    let known = tagger.shared.directions.lock().unwrap();
    let digest = |number: usize| Vocabulary::of(&[format!("ship {number}")]).digest;
    assert_eq!((known.len(), known[0].0, known[KEPT - 1].0), (KEPT, digest(1), digest(KEPT)));
}

#[tokio::test]
async fn without_its_files_the_answer_says_what_to_set() {
    let missing = |error: TagError| {
        let TagError::Weights { code, message } = error else { panic!("{error:?}") };
        assert!(message.contains("SHIPSHAPE_ZERO_SHOT_WEIGHTS"), "{message}");
        code
    };
    let nowhere = ZeroShot::new(SiglipFiles::nowhere());
    assert_eq!(nowhere.fault().await, None);
    assert_eq!(missing(nowhere.labels(b"").await.unwrap_err()), "tagger_weights_missing");
    let folder = tempfile::tempdir().unwrap();
    let files = SiglipFiles::folder(folder.path());
    let fault = async || missing(ZeroShot::new(files.clone()).fault().await.unwrap());
    assert_eq!(fault().await, "tagger_weights_missing");
    small::write(folder.path(), b"not safetensors");
    assert_eq!(fault().await, "tagger_weights_invalid");
    small::write(folder.path(), &weights());
    std::fs::write(folder.path().join("tokenizer.json"), b"{}").unwrap();
    assert_eq!(fault().await, "tagger_weights_invalid");
}

#[tokio::test]
async fn weights_that_give_no_numbers_give_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    small::write(folder.path(), &small::weights(|_, len| vec![f32::NAN; len]));
    let tagger = ZeroShot::new(SiglipFiles::folder(folder.path()));
    let error = tagger.labels(&png(&photo(32, 32))).await.unwrap_err();
    assert!(matches!(error, TagError::Weights { code: "tagger_weights_invalid", .. }), "{error:?}");
}
