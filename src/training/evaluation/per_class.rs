//! Precision, recall and F1 of each class.

use serde::Serialize;
use utoipa::ToSchema;

use crate::training::csv::Csv;
use crate::training::prediction::Prediction;

/// Three scores, 0 to 1; 0 where nothing is there to divide by, as scikit-learn's
/// `zero_division=0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Scores {
    /// Of what was given this class, the part that is of it.
    pub precision: f64,
    /// Of what is of this class, the part that was given it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// The scores of one class.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClassScore {
    /// The class.
    pub class: String,
    /// Its scores.
    #[serde(flatten)]
    pub scores: Scores,
    /// Pictures of the class.
    pub support: u32,
    /// Pictures that were given the class.
    pub predicted: u32,
}

/// The scores of all classes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClassReport {
    /// Fraction of right answers.
    pub accuracy: f64,
    /// Means over the classes, each class counting the same.
    pub macro_average: Scores,
    /// Means over the classes, each counting as many times as it has pictures.
    pub weighted_average: Scores,
    /// One entry per class, in the order of the snapshot.
    pub classes: Vec<ClassScore>,
}

impl ClassReport {
    /// Scores `predictions`, whose labels number `classes`; others are not counted.
    pub fn of(classes: &[String], predictions: &[Prediction]) -> Self {
        let mut counts = vec![(0_u32, 0_u32, 0_u32); classes.len()];
        for Prediction { label, predicted, .. } in predictions {
            let (label, predicted) = (*label as usize, *predicted as usize);
            if label.max(predicted) < classes.len() {
                counts[label].0 += u32::from(label == predicted);
                counts[label].1 += 1;
                counts[predicted].2 += 1;
            }
        }
        let score = |(class, &(right, support, predicted)): (&String, &(u32, u32, u32))| {
            let scores = Scores {
                precision: ratio(right, predicted),
                recall: ratio(right, support),
                f1: ratio(2 * right, support + predicted),
            };
            ClassScore { class: class.clone(), scores, support, predicted }
        };
        let classes: Vec<ClassScore> = classes.iter().zip(&counts).map(score).collect();
        let right = counts.iter().map(|count| count.0).sum();
        let all = counts.iter().map(|count| count.1).sum();
        Self {
            accuracy: ratio(right, all),
            macro_average: average(&classes, |_| 1.0),
            weighted_average: average(&classes, |class| f64::from(class.support)),
            classes,
        }
    }

    /// A row per class and one per average.
    pub fn csv(&self) -> String {
        let mut csv = Csv::new(&["class", "precision", "recall", "f1", "support", "predicted"]);
        let all: u32 = self.classes.iter().map(|class| class.support).sum();
        let average = |name: &str, scores| ClassScore {
            class: name.into(),
            scores,
            support: all,
            predicted: all,
        };
        let averages = [
            average("macro average", self.macro_average),
            average("weighted average", self.weighted_average),
        ];
        for ClassScore { class, scores, support, predicted } in self.classes.iter().chain(&averages)
        {
            let Scores { precision, recall, f1 } = scores;
            csv.row(&[class, precision, recall, f1, support, predicted]);
        }
        csv.finish()
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

fn average(classes: &[ClassScore], weight: impl Fn(&ClassScore) -> f64) -> Scores {
    let total: f64 = classes.iter().map(&weight).sum();
    let mean = |value: fn(&Scores) -> f64| {
        let sum: f64 = classes.iter().map(|class| weight(class) * value(&class.scores)).sum();
        if total > 0.0 { sum / total } else { 0.0 }
    };
    Scores { precision: mean(|s| s.precision), recall: mean(|s| s.recall), f1: mean(|s| s.f1) }
}
