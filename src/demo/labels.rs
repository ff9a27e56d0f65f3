//! Labels in Rekognition's shape, and the demo's own reading of "shares a tag with the references".

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One label of a `DetectLabels` answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Label {
    /// What it says.
    pub name: String,
    /// 0 to 100.
    pub confidence: f64,
    /// Where each instance is; empty in the stand-in.
    #[serde(default)]
    pub instances: Vec<serde_json::Value>,
    /// Its ancestors.
    #[serde(default)]
    pub parents: Vec<Named>,
    /// Other names of the same thing.
    #[serde(default)]
    pub aliases: Vec<Named>,
    /// Where it belongs.
    #[serde(default)]
    pub categories: Vec<Named>,
}

/// A name in the shape of the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Named {
    /// The name.
    pub name: String,
}

impl Label {
    /// A label with ancestors and nothing else.
    pub fn new(name: &str, confidence: f32, parents: &[&str]) -> Self {
        let named = |name: &&str| Named { name: (*name).to_owned() };
        Self {
            name: name.to_owned(),
            confidence: (f64::from(confidence) * 1e4).round() / 1e4,
            instances: Vec::new(),
            parents: parents.iter().map(named).collect(),
            aliases: Vec::new(),
            categories: Vec::new(),
        }
    }
}

/// The top `k` names of each reference, all references together: confidence down, number of parents down, name up.
pub(super) fn top_of<'a>(
    references: impl IntoIterator<Item = &'a [Label]>,
    k: usize,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for labels in references {
        let mut order: Vec<&Label> = labels.iter().collect();
        order.sort_by(|a, b| {
            b.confidence
                .total_cmp(&a.confidence)
                .then(b.parents.len().cmp(&a.parents.len()))
                .then(a.name.cmp(&b.name))
        });
        names.extend(order.iter().take(k).map(|label| label.name.clone()));
    }
    names
}

/// Whether any label of a picture, by name or alias, is among the references' names.
pub(super) fn shares(labels: &[Label], names: &BTreeSet<String>) -> bool {
    labels.iter().any(|label| {
        names.contains(&label.name) || label.aliases.iter().any(|alias| names.contains(&alias.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_deeper_name_then_to_the_alphabet() {
        let labels = [
            Label::new("Vehicle", 99.0, &["Transportation"]),
            Label::new("Transportation", 99.0, &[]),
            Label::new("Boat", 99.0, &["Vehicle", "Transportation"]),
            Label::new("Art", 99.0, &[]),
        ];
        let top = |k| top_of([&labels[..]], k).into_iter().collect::<Vec<_>>();
        assert_eq!(top(1), ["Boat"]);
        assert_eq!(top(2), ["Boat", "Vehicle"]);
        assert_eq!(top(3), ["Art", "Boat", "Vehicle"]);
    }

    #[test]
    fn an_alias_counts_as_the_name() {
        let mut label = Label::new("Watercraft", 90.0, &[]);
        label.aliases.push(Named { name: "Vessel".into() });
        assert!(shares(&[label.clone()], &BTreeSet::from(["Vessel".to_owned()])));
        assert!(!shares(&[label], &BTreeSet::from(["Ship".to_owned()])));
    }
}
