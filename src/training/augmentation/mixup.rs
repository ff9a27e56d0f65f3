//! Mixup: pictures and labels of a batch are blended in pairs (Zhang et al. 2018).

use std::f64::consts::TAU;

use crate::nn::rng::{Purpose, Stream};

/// How and where batches are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixup {
    /// Both parameters of the Beta distribution that shares are drawn from; 0 for no mixing.
    pub alpha: f64,
    /// Classes of the snapshot.
    pub classes: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch of the run.
    pub epoch: u64,
}

/// Mixes batch number `batch` of the epoch in place and gives its target probabilities
/// `[n, classes]`, each row of which sums to one.
///
/// `pixels` is `[n, size, size, 3]` (any length that `n` divides) and `labels` has the `n` class
/// numbers. As in the authors' code one share is drawn for the whole batch; as in timm the first
/// picture is mixed with the last, the second with the last but one, and so on, which is a random
/// choice because the order of an epoch is. In an odd batch the picture in the middle stays.
///
/// # Panics
/// When a label is not below `classes`, or `n` does not divide the pixels.
pub fn mix(mixup: &Mixup, batch: u64, pixels: &mut [f32], labels: &[u32]) -> Vec<f32> {
    let (n, classes) = (labels.len(), mixup.classes);
    let mut targets = vec![0.0; n * classes];
    if n == 0 {
        return targets;
    }
    assert_eq!(pixels.len() % n, 0, "pixels of {n} pictures");
    let share = mixup.share(batch);
    for (at, target) in targets.chunks_exact_mut(classes).enumerate() {
        let (own, other) = (labels[at] as usize, labels[n - 1 - at] as usize);
        // Of one class the shares might sum to almost one.
        if own == other {
            target[own] = 1.0;
        } else {
            (target[own], target[other]) = (share, 1.0 - share);
        }
    }
    if share < 1.0 {
        blend_pairs(pixels, pixels.len() / n, share);
    }
    targets
}

impl Mixup {
    /// The share that each picture of a batch keeps, at least a half: of a pair with shares a and
    /// 1 − a, the picture with more of itself comes first, which leaves the batch the same.
    fn share(&self, batch: u64) -> f32 {
        if self.alpha <= 0.0 {
            return 1.0;
        }
        let mut stream = Stream::new(self.seed, Purpose::Mixup, self.epoch, batch);
        let share = symmetric_beta(self.alpha, stream.unit().into(), stream.unit().into()) as f32;
        share.max(1.0 - share)
    }
}

/// A number from Beta(`alpha`, `alpha`) made of two uniform ones (Devroye 1996, "Random variate
/// generation in one line of code").
fn symmetric_beta(alpha: f64, first: f64, second: f64) -> f64 {
    let cos = (TAU * second).cos();
    let square = (first.powf(-1.0 / alpha) - 1.0) * cos * cos;
    0.5 + (0.5 / (1.0 + 1.0 / square).sqrt()).copysign(cos)
}

/// Mixes the first picture with the last, and so on inwards; pictures have `length` numbers.
fn blend_pairs(pixels: &mut [f32], length: usize, share: f32) {
    let half = pixels.len() / length / 2 * length;
    let (front, rest) = pixels.split_at_mut(half);
    let back = rest.rchunks_exact_mut(length);
    for (front, back) in front.chunks_exact_mut(length).zip(back) {
        for (a, b) in front.iter_mut().zip(back) {
            (*a, *b) = (*b + (*a - *b) * share, *a + (*b - *a) * share);
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "labels and unmixed numbers are exact")]
mod tests {
    use super::*;

    const MIXUP: Mixup = Mixup { alpha: 0.4, classes: 3, seed: 7, epoch: 2 };
    const LABELS: [u32; 5] = [0, 1, 2, 1, 2];

    /// Five pictures of 12 numbers; all numbers of picture i are i.
    fn pixels() -> Vec<f32> {
        (0..60).map(|at| (at / 12) as f32).collect()
    }

    #[test]
    fn pictures_and_labels_are_mixed_in_the_same_shares() {
        let mut mixed = pixels();
        let targets = mix(&MIXUP, 3, &mut mixed, &LABELS);
        let share = MIXUP.share(3);
        assert!(share > 0.5 && share < 1.0, "{share}");
        for (at, row) in targets.chunks_exact(3).enumerate() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
            let expected = share * at as f32 + (1.0 - share) * (4 - at) as f32;
            for number in &mixed[at * 12..][..12] {
                assert!((number - expected).abs() < 1e-6, "{number} {expected}");
            }
        }
        assert_eq!(targets[0..3], [share, 0.0, 1.0 - share]);
        assert_eq!(targets[3..6], [0.0, 1.0, 0.0]);
        assert_eq!(targets[12..15], [1.0 - share, 0.0, share]);
    }

    #[test]
    fn the_share_follows_the_address() {
        let of = |mixup: &Mixup, batch| mix(mixup, batch, &mut pixels(), &LABELS);
        assert_eq!(of(&MIXUP, 3), of(&MIXUP, 3));
        assert_ne!(of(&MIXUP, 3), of(&MIXUP, 4));
        assert_ne!(of(&MIXUP, 3), of(&Mixup { epoch: 3, ..MIXUP }, 3));
        assert_ne!(of(&MIXUP, 3), of(&Mixup { seed: 8, ..MIXUP }, 3));
    }

    #[test]
    fn without_alpha_nothing_is_mixed() {
        let mut same = pixels();
        let targets = mix(&Mixup { alpha: 0.0, ..MIXUP }, 3, &mut same, &LABELS);
        assert_eq!(same, pixels());
        for (label, row) in LABELS.iter().zip(targets.chunks_exact(3)) {
            assert_eq!(row.iter().sum::<f32>(), 1.0);
            assert_eq!(row[*label as usize], 1.0);
        }
    }

    #[test]
    fn shares_have_the_distribution_that_their_name_says() {
        // Share of Beta(α, α) below 0.1 or above 0.9, by twice scipy.stats.beta(α, α).cdf(0.1).
        for (alpha, ends) in [(0.01, 0.9784), (0.2, 0.6734), (1.0, 0.2), (4.0, 0.0055)] {
            let mixup = Mixup { alpha, ..MIXUP };
            let shares: Vec<f64> = (0..20_000).map(|at| f64::from(mixup.share(at))).collect();
            assert!(shares.iter().all(|share| (0.5..=1.0).contains(share)));
            let n = shares.len() as f64;
            let variance = shares.iter().map(|share| (share - 0.5).powi(2)).sum::<f64>() / n;
            let above = shares.iter().filter(|share| **share > 0.9).count() as f64 / n;
            // Five standard errors of a share, at most 0.0177.
            assert!((variance - 0.25 / (2.0 * alpha + 1.0)).abs() < 0.005, "{alpha}: {variance}");
            assert!((above - ends).abs() < 0.018, "{alpha}: {above} {ends}");
        }
    }

    #[test]
    fn either_picture_of_a_pair_may_weigh_more_before_they_are_ordered() {
        let draw = |first, second| symmetric_beta(0.4, first, second);
        assert!(draw(0.3, 0.1) > 0.5 && draw(0.3, 0.4) < 0.5);
        assert!((draw(0.3, 0.1) + draw(0.3, 0.4) - 1.0).abs() < 1e-9);
        assert_eq!((draw(0.0, 0.0), draw(0.0, 0.5)), (1.0, 0.0));
    }
}
