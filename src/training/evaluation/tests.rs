//! Agreement with scikit-learn, by the fixture that `scripts/statistics-fixtures` writes.

use serde_json::Value;

use super::*;
use crate::training::prediction::Prediction;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn fixture() -> (Value, Vec<Prediction>) {
    let text = include_str!("fixtures/scikit_learn.json");
    let fixture: Value = serde_json::from_str(text).unwrap();
    let [label, predicted, probability] =
        ["label", "predicted", "probability"].map(|key| numbers(&fixture[key]));
    let prediction = |i: usize| Prediction {
        label: label[i] as i32,
        predicted: predicted[i] as i32,
        probability: probability[i] as f32,
    };
    let predictions = (0..label.len()).map(prediction).collect();
    (fixture, predictions)
}

fn assert_close(ours: &[f64], theirs: &Value) {
    let theirs = numbers(theirs);
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        // The probabilities are single precision.
        assert!((ours - theirs).abs() < 1e-7, "{ours} {theirs}");
    }
}

#[test]
fn scores_agree_with_scikit_learn() {
    let (fixture, predictions) = fixture();
    let report = ClassReport::of(&["a", "b", "c", "d", "e"].map(String::from), &predictions);
    let column =
        |value: fn(&ClassScore) -> f64| -> Vec<f64> { report.classes.iter().map(value).collect() };
    assert_close(&column(|class| class.scores.precision), &fixture["precision"]);
    assert_close(&column(|class| class.scores.recall), &fixture["recall"]);
    assert_close(&column(|class| class.scores.f1), &fixture["f1"]);
    assert_close(&column(|class| class.support.into()), &fixture["support"]);
    let averages =
        [("macro_average", report.macro_average), ("weighted_average", report.weighted_average)];
    for (key, Scores { precision, recall, f1 }) in averages {
        assert_close(&[precision, recall, f1], &fixture[key]);
    }
    assert_eq!(report.csv().lines().count(), 1 + 5 + 2);
}

#[test]
fn calibration_agrees_with_scikit_learn() {
    let (fixture, predictions) = fixture();
    let calibration = Calibration::of(&predictions);
    let bins = &calibration.bins;
    let counts: Vec<f64> = bins.iter().map(|bin| bin.count.into()).collect();
    assert_close(&counts, &fixture["counts"]);
    let accuracy: Vec<f64> =
        bins.iter().filter_map(|bin| bin.accuracy).map(|a| a.estimate).collect();
    assert_close(&accuracy, &fixture["bin_accuracy"]);
    let confidence: Vec<f64> = bins.iter().filter_map(|bin| bin.confidence).collect();
    assert_close(&confidence, &fixture["bin_confidence"]);
    assert!(
        (calibration.expected_error - fixture["expected_error"].as_f64().unwrap()).abs() < 1e-7
    );
    assert!((calibration.brier - fixture["brier"].as_f64().unwrap()).abs() < 1e-7);
}

#[test]
fn nothing_predicted_gives_zeros_and_no_nan() {
    let report = ClassReport::of(&["a".to_owned()], &[]);
    let calibration = Calibration::of(&[]);
    let text = serde_json::to_string(&(&report, &calibration)).unwrap();
    assert!(report.accuracy.abs() + calibration.expected_error.abs() < 1e-12, "{text}");
    assert!(calibration.bins.iter().all(|bin| bin.accuracy.is_none()));
}
