//! How far the probability of an answer can be believed.

use serde::Serialize;
use utoipa::ToSchema;

use crate::training::comparison::{Interval, wilson_95};
use crate::training::csv::Csv;
use crate::training::prediction::Prediction;

/// Bins of the reliability curve, of equal width; as many as Guo et al. use.
pub const BINS: usize = 15;

/// The answers whose probability lies in one bin.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ReliabilityBin {
    /// Probabilities above this (the first bin: from 0) …
    pub low: f64,
    /// … up to and with this.
    pub high: f64,
    /// Answers in the bin.
    pub count: u32,
    /// Their mean probability; null for none.
    pub confidence: Option<f64>,
    /// The part of them that is right, with its interval; null for none.
    pub accuracy: Option<Interval>,
}

/// Reliability curve and calibration errors of the named classes' probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Calibration {
    /// Answers in all.
    pub count: u32,
    /// Fraction of right answers.
    pub accuracy: f64,
    /// Mean probability of the answers; above the accuracy is overconfident.
    pub confidence: f64,
    /// Expected calibration error: mean distance of accuracy and confidence over the answers' bins
    /// (Guo et al. 2017, On Calibration of Modern Neural Networks, with 15 bins). It is above 0 even
    /// for a perfect network, the more so the fewer the answers.
    pub expected_error: f64,
    /// The largest distance of any bin.
    pub maximum_error: f64,
    /// Brier score of the named class: mean of (probability − right)²; 0 is perfect. For two classes
    /// it is half of the score over all classes.
    pub brier: f64,
    /// The curve.
    pub bins: Vec<ReliabilityBin>,
}

impl Calibration {
    /// Compares the probabilities of `predictions` with how often they are right; all zeros of none.
    pub fn of(predictions: &[Prediction]) -> Self {
        let mut sums = [(0_u32, 0_u32, 0.0_f64); BINS];
        let mut squares = 0.0;
        for Prediction { label, predicted, probability } in predictions {
            let (sure, right) = (f64::from(*probability).clamp(0.0, 1.0), label == predicted);
            let bin = ((sure * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            sums[bin].0 += 1;
            sums[bin].1 += u32::from(right);
            sums[bin].2 += sure;
            squares += (sure - f64::from(u8::from(right))).powi(2);
        }
        let count = predictions.len() as u32;
        let total = f64::from(count.max(1));
        let distance = |&(n, right, sure): &(u32, u32, f64)| {
            (f64::from(right) - sure).abs() / f64::from(n.max(1))
        };
        Self {
            count,
            accuracy: sums.iter().map(|sum| f64::from(sum.1)).sum::<f64>() / total,
            confidence: sums.iter().map(|sum| sum.2).sum::<f64>() / total,
            expected_error: sums.iter().map(|sum| distance(sum) * f64::from(sum.0) / total).sum(),
            maximum_error: sums.iter().map(distance).fold(0.0, f64::max),
            brier: squares / total,
            bins: sums.iter().enumerate().map(|(index, sum)| bin(index, *sum)).collect(),
        }
    }

    /// A row per bin.
    pub fn csv(&self) -> String {
        let columns =
            ["low", "high", "count", "confidence", "accuracy", "accuracy_low", "accuracy_high"];
        let mut csv = Csv::new(&columns);
        let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        for bin in &self.bins {
            let limit = |of: fn(&Interval) -> f64| text(bin.accuracy.as_ref().map(of));
            csv.row(&[
                &bin.low,
                &bin.high,
                &bin.count,
                &text(bin.confidence),
                &limit(|a| a.estimate),
                &limit(|a| a.low),
                &limit(|a| a.high),
            ]);
        }
        csv.finish()
    }
}

fn bin(index: usize, (count, right, sure): (u32, u32, f64)) -> ReliabilityBin {
    let trials = f64::from(count);
    let some = count > 0;
    ReliabilityBin {
        low: index as f64 / BINS as f64,
        high: (index + 1) as f64 / BINS as f64,
        count,
        confidence: some.then(|| sure / trials),
        accuracy: some.then(|| wilson_95(f64::from(right) / trials, trials)),
    }
}
