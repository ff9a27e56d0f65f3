//! The one shape of labels, whichever tagger gave them, and their order.

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};

/// One thing that a tagger sees in a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Label {
    /// The label's name, such as "Boat".
    pub name: String,
    /// How sure the tagger is, from 0 to 100 percent.
    pub confidence: f32,
    /// Broader labels above this one, such as "Transportation".
    #[serde(default)]
    pub parents: Vec<String>,
    /// Other names of the same thing.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The tagger's own groups, such as "Vehicles and Automotive".
    #[serde(default)]
    pub categories: Vec<String>,
}

impl Label {
    /// The name and the aliases: newer label models moved names of older ones into the aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whether both labels have a name or an alias in common, whatever its case.
    pub fn same_as(&self, other: &Self) -> bool {
        self.names().any(|name| other.names().any(|theirs| name.eq_ignore_ascii_case(theirs)))
    }

    /// Confidence down, number of parents down, name up: so that which of several equally sure labels is among the
    /// first k does not depend on the order of an answer.
    fn order(&self, other: &Self) -> Ordering {
        other
            .confidence
            .total_cmp(&self.confidence)
            .then_with(|| Reverse(self.parents.len()).cmp(&Reverse(other.parents.len())))
            .then_with(|| self.name.cmp(&other.name))
    }
}

/// A tagger's answer for one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Labels {
    /// The tagger's label model; answers of two models are never compared.
    pub model_version: String,
    /// All labels, in the fixed order.
    pub labels: Vec<Label>,
}

impl Labels {
    /// Puts `labels` in the fixed order: confidence down, number of parents down, name up.
    pub fn new(model_version: impl Into<String>, mut labels: Vec<Label>) -> Self {
        labels.sort_by(Label::order);
        Self { model_version: model_version.into(), labels }
    }

    /// The first `k` labels of at least `min_confidence` percent.
    pub fn top_k(&self, k: usize, min_confidence: f32) -> &[Label] {
        let sure = self.labels.iter().take_while(|label| label.confidence >= min_confidence);
        &self.labels[..sure.take(k).count()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, confidence: f32, parents: usize) -> Label {
        Label {
            name: name.into(),
            confidence,
            parents: vec!["Vehicle".into(); parents],
            aliases: Vec::new(),
            categories: Vec::new(),
        }
    }

    #[test]
    fn ties_are_broken_by_depth_and_then_by_name() {
        let labels = Labels::new(
            "3.0",
            vec![
                label("Vehicle", 99.8, 0),
                label("Water", 97.7, 0),
                label("Transportation", 99.8, 0),
                label("Boat", 99.8, 2),
            ],
        );
        let names = |labels: &[Label]| -> Vec<String> {
            labels.iter().map(|label| label.name.clone()).collect()
        };
        assert_eq!(names(&labels.labels), ["Boat", "Transportation", "Vehicle", "Water"]);
        assert_eq!(names(labels.top_k(2, 0.0)), ["Boat", "Transportation"]);
        assert_eq!(names(labels.top_k(9, 98.0)), ["Boat", "Transportation", "Vehicle"]);
    }

    #[test]
    fn an_alias_counts_as_a_name() {
        let mut boat = label("Watercraft", 80.0, 0);
        boat.aliases.push("Vessel".into());
        assert!(boat.same_as(&label("vessel", 70.0, 1)));
        assert!(!boat.same_as(&label("Car", 70.0, 1)));
    }
}
