//! Outliers: pictures that lie far from their nearest neighbours in a network's feature space.
//!
//! The score is the mean cosine distance to the k nearest of the pictures that the network has learnt from, as in
//! Kuan and Mueller, "Back to the Basics: Revisiting Out-of-Distribution Detection Baselines" (2022).

use rayon::prelude::*;

/// Neighbours that are looked at.
const NEIGHBOURS: usize = 20;
/// Least distance: that of the same features is 0, which has no logarithm.
const LEAST: f32 = 1e-6;
/// The quartile of a normal distribution, in standard deviations.
const QUARTILE: f32 = 0.674_49;
/// What distances and deviations depend on besides the features.
pub(super) const SETTINGS: (usize, f32, f32) = (NEIGHBOURS, LEAST, QUARTILE);

/// The mean cosine distance, 0 to 2, of each row of `held_out` to its nearest rows of `known`; both are
/// `[rows, width]`.
pub(super) fn distances(held_out: &[f32], known: &[f32], width: usize) -> Vec<f32> {
    let (held_out, known) = (normalized(held_out, width), normalized(known, width));
    let one = |row: &[f32]| {
        let mut distances: Vec<f32> =
            known.chunks_exact(width).map(|other| 1.0 - dot(row, other)).collect();
        let nearest = NEIGHBOURS.min(distances.len());
        if nearest == 0 {
            return 0.0;
        }
        distances.select_nth_unstable_by(nearest - 1, f32::total_cmp);
        // Sorted, so that the sum does not depend on the selection's order.
        distances[..nearest].sort_by(f32::total_cmp);
        distances[..nearest].iter().sum::<f32>() / nearest as f32
    };
    held_out.par_chunks_exact(width).map(one).collect()
}

/// How many standard deviations the logarithm of each distance lies above the median. Distances have a long tail, and
/// their logarithms hardly one.
pub(super) fn deviations(distances: &[f32]) -> Vec<f32> {
    let logarithms: Vec<f32> = distances.iter().map(|distance| distance.max(LEAST).ln()).collect();
    standardized(&logarithms)
}

/// How many standard deviations each value lies above the median. The deviation is taken from the quarter below the
/// median, which outliers leave alone however many they are.
pub(super) fn standardized(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let Some(&median) = sorted.get(sorted.len() / 2) else { return Vec::new() };
    let spread = (median - sorted[sorted.len() / 4]) / QUARTILE;
    values.iter().map(|value| (value - median) / spread.max(f32::EPSILON)).collect()
}

fn normalized(rows: &[f32], width: usize) -> Vec<f32> {
    let mut rows = rows.to_vec();
    for row in rows.chunks_exact_mut(width) {
        let length = dot(row, row).sqrt().max(f32::MIN_POSITIVE);
        for value in row {
            *value /= length;
        }
    }
    rows
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_points_elsewhere_is_far_and_length_does_not_matter() {
        let known: Vec<f32> = (0..20).flat_map(|at| [1.0, 0.01 * at as f32]).collect();
        let far = distances(&[5.0, 0.5, 0.0, 3.0], &known, 2);
        assert!(far[0] < 0.01 && far[1] > 0.8, "{far:?}");
        assert!((distances(&[1.0, 0.0], &[2.0, 0.0], 2)[0]).abs() < 1e-6);
    }

    #[test]
    fn a_fifth_of_outliers_does_not_hide_itself() {
        let inliers = (0..80).map(|at| 1.0 + 0.001 * at as f32);
        let distances: Vec<f32> = inliers.chain((0..20).map(|_| 3.0)).collect();
        let deviations = deviations(&distances);
        assert!(deviations[..80].iter().all(|deviation| *deviation < 3.0));
        assert!(deviations[80..].iter().all(|deviation| *deviation > 10.0));
    }
}
