//! What a picture may be called: the phrases of a dataset, and contrasts to them.

use std::collections::HashSet;

use crate::db::Sha256;
use crate::tag::{TaggerName, short};

/// Things that stand beside the wanted ones on the web.
const CONTRASTS: &str = include_str!("contrasts.txt");

/// What a phrase stands in, as `SigLIP` was published with, spelt as [`plain`] spells.
const PROMPT: &str = "this is a photo of ";

/// A phrase of a dataset, and a contrast, as the categories of a label.
const KINDS: [&str; 2] = ["class phrase", "contrast"];

/// Something that a picture may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    /// As it was written.
    pub(super) text: String,
    /// Which of [`KINDS`].
    pub(super) kind: &'static str,
}

/// Phrases of which a picture gets the fitting ones; the same for the same set in any order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vocabulary {
    /// No two of them read the same.
    pub(super) phrases: Vec<Phrase>,
    /// Of all that the answers depend on here.
    pub(super) digest: Sha256,
}

impl Vocabulary {
    /// The `phrases` of a dataset, and the contrasts that are not among them.
    pub(super) fn of(phrases: &[String]) -> Self {
        let contrasts = CONTRASTS.lines().filter(|line| !line.starts_with('#'));
        let mut own: Vec<&str> = phrases.iter().map(String::as_str).collect();
        own.sort_unstable();
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for (kind, texts) in KINDS.into_iter().zip([own, contrasts.collect()]) {
            for text in texts {
                let read = plain(text);
                if !read.is_empty() && seen.insert(without_article(&read).to_owned()) {
                    all.push(Phrase { text: text.trim().to_owned(), kind });
                }
            }
        }
        let lines = all.iter().map(|phrase| format!("{}\t{}\n", phrase.kind, phrase.text));
        let digest = Sha256::of((PROMPT.to_owned() + &lines.collect::<String>()).as_bytes());
        Self { phrases: all, digest }
    }

    /// The sentences that the network reads, in the order of the phrases.
    pub(super) fn sentences(&self) -> Vec<String> {
        self.phrases.iter().map(|phrase| PROMPT.to_owned() + &plain(&phrase.text)).collect()
    }

    /// The digest as label models name it.
    pub(super) fn name(&self) -> String {
        short(self.digest)
    }

    /// The name under which the answers about it are kept.
    pub(super) fn kept_as(&self) -> String {
        format!("{} {}", TaggerName::ZeroShot.name(), self.name())
    }
}

/// How `SigLIP` was taught to read: small letters, no punctuation of ASCII, single blanks.
fn plain(text: &str) -> String {
    let small = text.to_lowercase();
    let kept: String = small.chars().filter(|letter| !letter.is_ascii_punctuation()).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// "car" and "a car" call the same thing.
fn without_article(plain: &str) -> &str {
    let rest = ["a ", "an ", "the "].iter().find_map(|article| plain.strip_prefix(article));
    rest.unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(phrases: &[&str]) -> Vocabulary {
        Vocabulary::of(&phrases.iter().map(|&phrase| phrase.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn contrasts_are_as_many_as_they_are_different() {
        let written = CONTRASTS.lines().filter(|line| !line.starts_with('#')).count();
        let contrasts = of(&[]);
        assert_eq!(contrasts.phrases.len(), written);
        assert!((60..=100).contains(&written), "{written}");
        assert!(contrasts.phrases.iter().all(|phrase| phrase.kind == "contrast"));
    }

    #[test]
    fn a_phrase_of_the_dataset_takes_the_place_of_its_contrast() {
        let vocabulary =
            of(&["Zumwalt-class destroyer", "Car", "car", "?!", "  zumwaltclass  destroyer"]);
        let own: Vec<&str> = vocabulary
            .phrases
            .iter()
            .filter(|phrase| phrase.kind == "class phrase")
            .map(|phrase| phrase.text.as_str())
            .collect();
        assert_eq!(own, ["zumwaltclass  destroyer", "Car"]);
        assert!(vocabulary.phrases.iter().all(|phrase| phrase.text != "a car"));
        let sentences = vocabulary.sentences();
        assert_eq!(
            sentences[..2],
            ["this is a photo of zumwaltclass destroyer", "this is a photo of car"]
        );
        assert_eq!(sentences.last().unwrap(), "this is a photo of a statue");
    }

    #[test]
    fn another_set_of_phrases_has_another_digest_and_another_order_has_not() {
        assert_eq!(of(&["ship", "ox"]), of(&["ox", "ship"]));
        assert_ne!(of(&["ship", "ox"]).digest, of(&["ship"]).digest);
        // A contrast that became a class's name is called otherwise in the labels.
        assert_ne!(of(&["a car"]).digest, of(&[]).digest);
    }
}
