//! Accuracy, loss and confusion of a network on a set of pictures.

use serde::Serialize;
use utoipa::ToSchema;

use super::image_set::ImageSet;
use crate::model::network::Network;
use crate::nn::loss;

/// How a network did on a set, in evaluation mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Fraction of right answers, 0 to 1.
    pub accuracy: f64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// The class given to each picture.
    pub predictions: Vec<u32>,
    /// The probability of each class for each picture, `[n, classes]`.
    pub probabilities: Vec<f32>,
}

/// Pictures whose intermediate results are in memory at once.
const BATCH: usize = 64;

impl Evaluation {
    /// Evaluates `network` on every picture of `set`, which must not be empty.
    pub fn of(network: &Network, set: &ImageSet) -> Self {
        let classes = network.architecture().classes;
        let (mut sum, mut predictions) = (0.0, Vec::with_capacity(set.len()));
        let mut probabilities = Vec::with_capacity(set.len() * classes);
        for start in (0..set.len()).step_by(BATCH) {
            let labels = &set.labels()[start..set.len().min(start + BATCH)];
            let fill = |index: usize, target: &mut [f32]| set.fill(start + index, target);
            let mut logits = network.logits(labels.len(), fill);
            for (row, label) in logits.chunks_exact(classes).zip(labels) {
                sum += loss::cross_entropy_of(row, *label);
                predictions.push(loss::best_class(row));
            }
            loss::softmax(&mut logits, classes);
            probabilities.extend_from_slice(&logits);
        }
        let accuracy = accuracy(&predictions, set.labels());
        Self { accuracy, loss: sum / set.len() as f64, predictions, probabilities }
    }
}

/// Fraction of predictions that equal their label; 0 of none.
pub fn accuracy(predictions: &[u32], labels: &[u32]) -> f64 {
    let right = predictions.iter().zip(labels).filter(|(a, b)| a == b).count();
    right as f64 / labels.len().max(1) as f64
}

/// Counts of (true class, predicted class).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfusionMatrix {
    /// One row per true class, one column per predicted class.
    pub counts: Vec<Vec<u32>>,
}

impl ConfusionMatrix {
    /// Counts the pairs; numbers outside `classes` are not counted.
    pub fn new(classes: usize, labels: &[u32], predictions: &[u32]) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (label, prediction) in labels.iter().zip(predictions) {
            let row = counts.get_mut(*label as usize);
            if let Some(count) = row.and_then(|row| row.get_mut(*prediction as usize)) {
                *count += 1;
            }
        }
        Self { counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::init::Initializer;
    use crate::training::recipe::Recipe;

    #[test]
    fn confusion_has_true_classes_in_rows() {
        let matrix = ConfusionMatrix::new(3, &[0, 0, 1, 2], &[0, 2, 1, 2]);
        assert_eq!(matrix.counts, [[1, 0, 1], [0, 1, 0], [0, 0, 1]]);
        assert!((accuracy(&[0, 2, 1, 2], &[0, 0, 1, 2]) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn an_evaluation_agrees_with_itself() {
        let recipe = Recipe { image_size: 8, conv: vec![4], dense: vec![], ..Recipe::default() };
        let network = Network::new(&recipe.architecture(2), Initializer::GlorotUniform, 1);
        let pixels = (0..70 * 192).map(|i| (i * 7 % 256) as u8).collect();
        let set = ImageSet::new(8, pixels, (0..70).map(|i| i % 2).collect()).unwrap();
        let evaluation = Evaluation::of(&network, &set);
        let probability = |i: usize| evaluation.probabilities[2 * i + set.labels()[i] as usize];
        let loss = (0..70).map(|i| -f64::from(probability(i)).ln()).sum::<f64>() / 70.0;
        assert!((loss - evaluation.loss).abs() < 1e-5);
        let right = accuracy(&evaluation.predictions, set.labels());
        assert!((evaluation.accuracy - right).abs() < 1e-12);
    }
}
