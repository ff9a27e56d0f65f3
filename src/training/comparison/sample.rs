//! Which pictures of one side of a split a recipe's runs named right.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::training::prediction::Prediction;

/// Right and wrong answers of the runs of one recipe (one run per seed) on the same pictures.
///
/// Holds the share of runs that named each picture right and the accuracy of each run: all that the
/// two-way analysis of variance, runs × pictures, needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pictures: usize,
    shares: Vec<f64>,
    runs: Vec<f64>,
}

impl Sample {
    /// From whether each run (outer) named each picture (inner, in the same order) right.
    ///
    /// # Errors
    /// Without runs or pictures, or when the runs answered different numbers of pictures.
    pub fn of_runs(right: &[Vec<bool>]) -> Result<Self> {
        let pictures = right.first().map_or(0, Vec::len);
        ensure!(pictures > 0, "there is no answer to compare");
        ensure!(
            right.iter().all(|run| run.len() == pictures),
            "the runs did not answer the same pictures"
        );
        let mut counts = vec![0_u32; pictures];
        for run in right {
            for (count, &right) in counts.iter_mut().zip(run) {
                *count += u32::from(right);
            }
        }
        let accuracy = |run: &Vec<bool>| run.iter().filter(|&&right| right).count() as f64;
        Ok(Self {
            pictures,
            shares: counts.iter().map(|&n| f64::from(n) / right.len() as f64).collect(),
            runs: right.iter().map(|run| accuracy(run) / pictures as f64).collect(),
        })
    }

    /// From the stored predictions of each run, in the order of the snapshot.
    ///
    /// # Errors
    /// As [`Sample::of_runs`].
    pub fn of_predictions(runs: &[&[Prediction]]) -> Result<Self> {
        let right = |run: &&[Prediction]| run.iter().map(|p| p.label == p.predicted).collect();
        Self::of_runs(&runs.iter().map(right).collect::<Vec<_>>())
    }

    /// From one run of which only the count of right answers is known, such as a published one;
    /// it is never compared picture by picture.
    ///
    /// # Errors
    /// Without pictures, or with more right answers than pictures.
    pub fn of_count(right: usize, pictures: usize) -> Result<Self> {
        ensure!(pictures > 0 && right <= pictures, "{right} right answers of {pictures} pictures");
        Ok(Self { pictures, shares: Vec::new(), runs: vec![right as f64 / pictures as f64] })
    }

    /// Pictures on this side of the split.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// The accuracy of each run.
    pub fn runs(&self) -> &[f64] {
        &self.runs
    }

    /// The accuracy, averaged over the runs.
    pub fn accuracy(&self) -> f64 {
        mean(&self.runs)
    }

    /// Whether it is known which pictures were named right.
    pub(super) fn is_itemised(&self) -> bool {
        !self.shares.is_empty()
    }

    /// The share of runs that named each picture right.
    pub(super) fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Variance of the accuracy from the draw of the pictures, which more runs do not shrink.
    pub(super) fn picture_variance(&self) -> f64 {
        let accuracy = self.accuracy();
        if !self.is_itemised() {
            return accuracy * (1.0 - accuracy) / self.pictures as f64;
        }
        variance_of_mean(&self.shares)
    }

    /// The number of independent pictures that would leave the same doubt as these do.
    pub(super) fn effective_pictures(&self) -> f64 {
        let (accuracy, pictures) = (self.accuracy(), self.pictures as f64);
        let variance = self.picture_variance();
        let effective = accuracy * (1.0 - accuracy) / variance;
        // All right or all wrong: there is no variance to divide by.
        if variance > 0.0 {
            effective.clamp(pictures, pictures * self.runs.len() as f64)
        } else {
            pictures
        }
    }

    /// Variance of the accuracy from the interaction of runs and pictures (the residual mean square
    /// of the two-way table, over its cells), which the variance over the runs also contains.
    pub(super) fn interaction_variance(&self) -> f64 {
        let (runs, pictures) = (self.runs.len() as f64, self.pictures as f64);
        if !self.is_itemised() || runs < 2.0 || pictures < 2.0 {
            return 0.0;
        }
        let accuracy = self.accuracy();
        let square = |values: &[f64]| values.iter().map(|v| (v - accuracy).powi(2)).sum::<f64>();
        let total = runs * pictures * accuracy * (1.0 - accuracy);
        let residual = total - runs * square(&self.shares) - pictures * square(&self.runs);
        residual.max(0.0) / ((runs - 1.0) * (pictures - 1.0)) / (runs * pictures)
    }
}

/// The share of the most frequent class: the accuracy of always naming it. 0 of no pictures.
pub fn baseline(predictions: &[Prediction]) -> f64 {
    let mut counts = BTreeMap::new();
    for prediction in predictions {
        *counts.entry(prediction.label).or_insert(0_u32) += 1;
    }
    let most = counts.values().max().copied().unwrap_or(0);
    f64::from(most) / predictions.len().max(1) as f64
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean squared deviation over the count: for shares of 0 and 1 the variance of a proportion.
pub(super) fn variance_of_mean(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
    squares / (values.len() as f64).powi(2)
}
