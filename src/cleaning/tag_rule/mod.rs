//! The rules of the `tags` check: plain functions of labels, so that stored labels can be judged again at any setting.

mod any_of_top_k;
mod specific;

use serde_json::{Value, json};

pub use self::specific::{Frequencies, TagWeight, weights};
use super::settings::{Rule, TagSettings};
use super::verdict::Finding;
use crate::db::{ClassId, Sha256};
use crate::tag::{Label, Labels};

/// A reference picture of a class with its labels.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The class that it stands for.
    pub class: ClassId,
    /// The picture.
    pub sha256: Sha256,
    /// What the tagger sees in it.
    pub labels: Labels,
}

/// What an image's class asks of it.
#[derive(Debug, Clone, Copy)]
pub struct Standard<'a> {
    /// The rule and its numbers.
    pub settings: &'a TagSettings,
    /// References of the class.
    pub references: &'a [Reference],
    /// What the tags of the class count, for [`Rule::Specific`].
    pub weights: &'a [TagWeight],
}

/// Judges an image by its labels, given by the same label model as the references'.
pub fn judge(standard: Standard<'_>, image: &Labels) -> Finding {
    match standard.settings.rule {
        Rule::AnyOfTopK => any_of_top_k::judge(standard, image),
        Rule::Specific => specific::judge(standard, image),
    }
}

/// What every verdict of the check gives as data, whichever rule it is of.
fn evidence(standard: Standard<'_>, image: &Labels, own: &[Label], matched: &[Value]) -> Value {
    let settings = standard.settings;
    let name = |label: &Label| json!({ "name": label.name, "confidence": label.confidence });
    let references: Vec<Value> = standard
        .references
        .iter()
        .map(|Reference { sha256, labels, .. }| {
            let top = labels.top_k(settings.k as usize, settings.min_confidence);
            json!({ "sha256": sha256, "top": top.iter().map(name).collect::<Vec<_>>() })
        })
        .collect();
    json!({
        "matched": matched,
        "references": references,
        "labels": own.iter().map(name).collect::<Vec<_>>(),
        "rule": settings.rule,
        "k": settings.k,
        "min_confidence": settings.min_confidence,
        "tie_break": "confidence down, number of parents down, name up",
        "tagger": settings.tagger,
        "label_model_version": image.model_version,
    })
}

/// Labels of an image that a reason lists.
const LISTED: usize = 12;

/// An image's labels in words.
fn listed(own: &[Label]) -> String {
    let mut names: Vec<&str> = own.iter().take(LISTED).map(|label| label.name.as_str()).collect();
    if own.len() > LISTED {
        names.push("…");
    }
    names.join(", ")
}
