//! The gap between training and test accuracy, and the accuracy itself, with intervals.

use super::contrast::Contrast;
use super::interval::{Interval, wilson};
use super::sample::Sample;

/// The 95 % interval of one side's accuracy: Wilson's for one run, with the spread over the seeds
/// for several.
pub fn accuracy(sample: &Sample) -> Interval {
    let mut doubt = Contrast::new(sample.accuracy(), sample.picture_variance());
    doubt.add_seeds(sample.runs(), sample.interaction_variance());
    let quantile = doubt.quantile();
    let own = wilson(sample.accuracy(), sample.effective_pictures(), quantile);
    let seeds = quantile * quantile * doubt.seed_variance();
    let widened = |distance: f64| (distance * distance + seeds).sqrt();
    Interval {
        estimate: own.estimate,
        low: (own.estimate - widened(own.estimate - own.low)).max(0.0),
        high: (own.estimate + widened(own.high - own.estimate)).min(1.0),
    }
}

/// Training minus test accuracy of a recipe, both in evaluation mode, with its 95 % interval; `train`
/// and `test` hold the same runs in the same order.
///
/// For one run this is Newcombe's hybrid score interval (1998, Statistics in Medicine 17: 873–890,
/// method 10): two independent sets of pictures, and a trained network taken as it is. For several
/// runs it is the same construction (MOVER: Zou and Donner 2008, Statistics in Medicine 27:
/// 1693–1702) with the picture part of each side from the pictures' own averages over the runs, and
/// the spread of the gap over the seeds as a third part: it speaks of the recipe, not of one network.
pub fn gap(train: &Sample, test: &Sample) -> Interval {
    let doubt = gap_contrast(train, test);
    let quantile = doubt.quantile();
    let seeds = quantile * quantile * doubt.seed_variance();
    let side = |sample: &Sample| wilson(sample.accuracy(), sample.effective_pictures(), quantile);
    hybrid(&side(train), &side(test), seeds)
}

/// The gap as a contrast of averages, for comparing it with another's.
pub(super) fn gap_contrast(train: &Sample, test: &Sample) -> Contrast {
    let picture = train.picture_variance() + test.picture_variance();
    let mut doubt = Contrast::new(train.accuracy() - test.accuracy(), picture);
    let interaction = train.interaction_variance() + test.interaction_variance();
    doubt.add_seeds(&gaps(train, test), interaction);
    doubt
}

/// The gap of each run.
pub(super) fn gaps(train: &Sample, test: &Sample) -> Vec<f64> {
    train.runs().iter().zip(test.runs()).map(|(train, test)| train - test).collect()
}

/// The interval of a difference from those of its parts and a squared extra half-width.
pub(super) fn hybrid(a: &Interval, b: &Interval, extra: f64) -> Interval {
    let estimate = a.estimate - b.estimate;
    let reach = |one: f64, other: f64| (one * one + other * other + extra).sqrt();
    Interval {
        estimate,
        low: (estimate - reach(a.estimate - a.low, b.high - b.estimate)).max(-1.0),
        high: (estimate + reach(a.high - a.estimate, b.estimate - b.low)).min(1.0),
    }
}
