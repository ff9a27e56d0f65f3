//! What training asks of the network: a row of target probabilities per picture.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::architecture::FieldError;

/// How much each class counts: `none`, `balanced`, or a list with a number for each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "`none`, `balanced` or a list with a number for each class")]
pub enum ClassWeights {
    /// By name.
    Named(NamedWeights),
    /// One number per class, in the snapshot's order.
    Each(Vec<f64>),
}

/// Class weights by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedWeights {
    /// Every picture counts once.
    None,
    /// Every class counts the same: a picture n / (classes · pictures of its class).
    Balanced,
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self::Named(NamedWeights::None)
    }
}

impl ClassWeights {
    /// Checks the numbers; their count, where the number of classes is known, with it.
    pub(super) fn check(&self, classes: Option<usize>, errors: &mut Vec<FieldError>) {
        let Self::Each(weights) = self else { return };
        if classes.is_some_and(|classes| weights.len() != classes) {
            let message =
                format!("has {} numbers for {} classes", weights.len(), classes.unwrap_or(0));
            errors.push(FieldError::new("class_weights", message));
        }
        for (at, weight) in weights.iter().enumerate() {
            if !(weight.is_finite() && *weight > 0.0 && *weight <= 1000.0) {
                let message = "must be above 0 and at most 1000";
                errors.push(FieldError::new(format!("class_weights[{at}]"), message));
            }
        }
    }

    /// The weight of each class for training pictures with these labels; `None` when all are one.
    fn of(&self, labels: &[u32], classes: usize) -> Option<Vec<f32>> {
        match self {
            Self::Named(NamedWeights::None) => None,
            Self::Named(NamedWeights::Balanced) => {
                let mut counts = vec![0usize; classes];
                for label in labels {
                    counts[*label as usize] += 1;
                }
                let share = labels.len() as f64 / classes as f64;
                Some(counts.iter().map(|count| (share / (*count).max(1) as f64) as f32).collect())
            }
            Self::Each(weights) => Some(weights.iter().map(|weight| *weight as f32).collect()),
        }
    }
}

/// Turns class probabilities into the loss's targets.
#[derive(Debug, Clone)]
pub struct Objective {
    classes: usize,
    smoothing: f32,
    weights: Option<Vec<f32>>,
}

impl Objective {
    /// For training pictures with these labels.
    pub fn new(
        classes: usize,
        smoothing: f64,
        class_weights: &ClassWeights,
        labels: &[u32],
    ) -> Self {
        let weights = class_weights.of(labels, classes);
        Self { classes, smoothing: smoothing as f32, weights }
    }

    /// Turns rows of probabilities, mixed or not, into targets: label smoothing (Szegedy et al.
    /// 2016: (1 − ε) · p + ε / classes), then the weight that the classes give the picture.
    pub fn finish(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.classes) {
            let weight = self.weights.as_ref().map(|weights| {
                row.iter()
                    .zip(weights)
                    .map(|(probability, weight)| probability * weight)
                    .sum::<f32>()
            });
            if self.smoothing > 0.0 {
                let share = self.smoothing / self.classes as f32;
                for value in row.iter_mut() {
                    *value = *value * (1.0 - self.smoothing) + share;
                }
            }
            if let Some(weight) = weight {
                for value in row {
                    *value *= weight;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(smoothing: f64, weights: &str, rows: &[f32]) -> Vec<f32> {
        let weights: ClassWeights = serde_json::from_str(weights).unwrap();
        let mut rows = rows.to_vec();
        Objective::new(2, smoothing, &weights, &[0, 0, 0, 1]).finish(&mut rows);
        rows.iter().map(|value| (value * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn smoothing_and_weights_act_on_certain_and_on_mixed_rows() {
        let rows = [1.0, 0.0, 0.25, 0.75];
        assert_eq!(targets(0.0, "\"none\"", &rows), rows);
        assert_eq!(targets(0.2, "\"none\"", &rows), [0.9, 0.1, 0.3, 0.7]);
        // Three of one class and one of the other count 2/3 and 2.
        assert_eq!(targets(0.0, "\"balanced\"", &rows), [0.667, 0.0, 0.417, 1.25]);
        assert_eq!(targets(0.2, "[2, 4]", &rows), [1.8, 0.2, 1.05, 2.45]);
    }
}
