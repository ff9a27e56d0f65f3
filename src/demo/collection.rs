//! The pictures of a demo run with the truth about each: what is searched for, and the clutter in between.

use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use sha2::Digest as _;

use super::drawing::{ClutterKind, ShipKind, Subject, draw};
use super::labels::Label;
use super::photos;

/// Validation pictures of each class; the search never shows them.
const REFERENCES: usize = 4;
/// Drawn pictures that the search finds for each class.
const DRAWN: usize = 320;
/// Pictures of a class for each picture of clutter in its search results.
const PER_CLUTTER: usize = 4;
/// References, one picture held out, and enough left to train and test on.
const LEAST: usize = 20;

/// One picture and what a tagger says of it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Path below the collection.
    pub name: String,
    /// The file.
    pub bytes: Bytes,
    /// Of the file, as lower-case hexadecimal digits.
    pub sha256: String,
    /// Most confident first.
    pub labels: Vec<Label>,
}

impl Picture {
    /// A picture under a name; the digest is computed.
    pub fn new(name: String, bytes: Vec<u8>, labels: Vec<Label>) -> Self {
        let sha256 = hex::encode(sha2::Sha256::digest(&bytes));
        Self { name, bytes: bytes.into(), sha256, labels }
    }
}

/// The pictures of one class.
#[derive(Debug)]
pub struct ClassPictures {
    /// The class.
    pub name: String,
    /// What the search engine is asked for.
    pub phrase: String,
    /// Given to the service before the scrape.
    pub references: Vec<Picture>,
    /// Kept back for `/classify`.
    pub held_out: Picture,
    /// What the search finds.
    pub found: Vec<Picture>,
    /// What the search mixes in.
    pub clutter: Vec<Picture>,
}

/// Everything that the sample web shows.
#[derive(Debug)]
pub struct Collection {
    /// `drawn`, or the directory.
    pub origin: String,
    /// Of the labels.
    pub label_model_version: String,
    /// In the order asked for.
    pub classes: Vec<ClassPictures>,
}

/// The pictures of a class before they are divided.
pub(super) struct Stock {
    pub(super) class: String,
    pub(super) phrase: String,
    pub(super) pictures: Vec<Picture>,
}

impl Collection {
    /// Drawn pictures, or those of a directory of photographs. Errors name the directory or class that is missing.
    pub fn load(
        photos: Option<&Path>,
        classes: Option<&[String]>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        match photos {
            None => Self::drawn(classes, seed, DRAWN),
            Some(dir) => {
                let (stocks, clutter, version) = photos::read(dir, classes)?;
                Self::divided(dir.display().to_string(), version, (stocks, clutter), seed)
            }
        }
    }

    /// `count` pictures to find in each class, drawn on all cores.
    pub fn drawn(classes: Option<&[String]>, seed: u64, count: usize) -> anyhow::Result<Self> {
        let kinds = match classes {
            None => ShipKind::ALL[..2].to_vec(),
            Some(names) => {
                names.iter().map(|name| kind_named(name)).collect::<anyhow::Result<Vec<_>>>()?
            }
        };
        let stocks: Vec<Stock> = kinds
            .iter()
            .map(|kind| Stock {
                class: kind.name().to_owned(),
                phrase: format!("{} at sea", kind.name().replace('-', " ")),
                pictures: pictures(count + REFERENCES + 1, kind.name(), seed, |_| {
                    Subject::Ship(*kind)
                }),
            })
            .collect();
        let clutter = pictures(count / PER_CLUTTER * kinds.len(), "clutter", seed, |index| {
            Subject::Clutter(ClutterKind::ALL[index % ClutterKind::ALL.len()])
        });
        Self::divided("drawn".to_owned(), "3.0".to_owned(), (stocks, clutter), seed)
    }

    /// References and one held-out picture aside, then one clutter picture per four, each used once.
    fn divided(
        origin: String,
        label_model_version: String,
        (stocks, mut clutter): (Vec<Stock>, Vec<Picture>),
        seed: u64,
    ) -> anyhow::Result<Self> {
        ensure!(stocks.len() >= 2, "a classifier needs two classes or more, not {}", stocks.len());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        clutter.shuffle(&mut rng);
        let wanted: usize = stocks.iter().map(|stock| stock.pictures.len() / PER_CLUTTER).sum();
        let there = clutter.len().min(wanted);
        let mut classes = Vec::new();
        for mut stock in stocks {
            let of = stock.pictures.len();
            ensure!(of >= LEAST, "class {} has {of} pictures, the demo needs {LEAST}", stock.class);
            // Where clutter is scarce, every class gets the same share of it.
            let share = of / PER_CLUTTER * there / wanted.max(1);
            stock.pictures.shuffle(&mut rng);
            let references = stock.pictures.split_off(of - REFERENCES);
            let held_out = stock.pictures.pop().context("a class has pictures left")?;
            classes.push(ClassPictures {
                name: stock.class,
                phrase: stock.phrase,
                references,
                held_out,
                found: stock.pictures,
                clutter: clutter.split_off(clutter.len() - share.min(clutter.len())),
            });
        }
        Ok(Self { origin, label_model_version, classes })
    }
}

fn kind_named(name: &str) -> anyhow::Result<ShipKind> {
    let known = ShipKind::ALL.map(ShipKind::name).join(", ");
    ShipKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .with_context(|| format!("no drawn class is called {name}; there are: {known}"))
}

fn pictures(
    count: usize,
    folder: &str,
    seed: u64,
    subject: impl Fn(usize) -> Subject + Sync,
) -> Vec<Picture> {
    let one = |index: usize| {
        let drawing = draw(subject(index), seed, index as u64);
        Picture::new(format!("{folder}/{index:03}.jpg"), drawing.jpeg, drawing.labels)
    };
    (0..count).into_par_iter().map(one).collect()
}

/// A generator of its own for each part of a run, so that one part does not shift another's numbers.
pub(super) fn generator(seed: u64, part: &str) -> ChaCha8Rng {
    let digest = sha2::Sha256::digest(part.as_bytes());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(digest[0]) << 16 | u64::from(digest[1]) << 8 | u64::from(digest[2]));
    let _: u64 = rng.random();
    rng
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_picture_is_both_a_reference_and_a_search_hit_and_clutter_is_used_once() {
        let collection = Collection::drawn(None, 3, 24).unwrap();
        let mut seen = HashSet::new();
        for class in &collection.classes {
            assert_eq!((class.references.len(), class.found.len()), (4, 24));
            assert_eq!(class.clutter.len(), 6);
            let all = class.references.iter().chain(&class.found).chain(&class.clutter);
            for picture in all.chain([&class.held_out]) {
                assert!(seen.insert(picture.sha256.clone()), "{} twice", picture.name);
            }
        }
    }

    #[test]
    fn an_unknown_drawn_class_names_the_known_ones() {
        let error = Collection::drawn(Some(&["submarine".to_owned()]), 1, 24).unwrap_err();
        assert!(error.to_string().contains("sailing-ship"), "{error}");
    }
}
