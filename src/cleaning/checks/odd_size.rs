//! `odd_size`: a picture far larger or smaller than most of its dataset, by the quartiles of its images' sizes.
//!
//! The size is the square root of the area. The score falls from 1 in the middle of the range of usual sizes, three
//! interquartile ranges to each side of the quartiles, to 0.5 at its ends and 0 a whole range from the middle.

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene, scored};
use crate::cleaning::job;

const CHECK: &str = "odd_size";
/// Where the range of usual sizes ends.
const THRESHOLD: f64 = 0.5;
/// Interquartile ranges beside the quartiles that are still usual.
const RANGES: f64 = 3.0;

pub(super) struct OddSize;

impl Check for OddSize {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn about(&self) -> &'static str {
        "far larger or smaller than the other pictures of the dataset"
    }

    fn threshold(&self) -> Option<f64> {
        Some(THRESHOLD)
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let quartiles = match scene.job.size_quartiles {
                Some(quartiles) => quartiles,
                None => job::freeze_sizes(scene.pool, scene.job.id).await?,
            };
            let (width, height) = (scene.image.width, scene.image.height);
            Ok(of(width, height, quartiles, scene.threshold(self)))
        })
    }
}

fn of(width: i32, height: i32, quartiles: (f64, f64), threshold: f64) -> Finding {
    let size = (f64::from(width) * f64::from(height)).sqrt();
    let (lower, upper) = quartiles;
    let range = upper - lower;
    let (low, high) = (lower - RANGES * range, upper + RANGES * range);
    let middle = f64::midpoint(low, high);
    // Where half of the images have one size there is no range: every other size is odd.
    let (unit, threshold) = if high > low {
        (high - low, threshold)
    } else {
        (middle, if threshold < THRESHOLD { threshold } else { 1.0 })
    };
    let score = 1.0 - ((size - middle).abs() / unit).clamp(0.0, 1.0);
    let evidence = json!({
        "width": width, "height": height, "size": size, "usual": { "from": low, "to": high },
    });
    scored::finding(CHECK, score, threshold, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn three_interquartile_ranges_beside_the_quartiles_are_usual() {
        // Usual: 70 to 140.
        let judge = |side| of(side, side, (100.0, 110.0), THRESHOLD);
        assert_eq!(judge(105).score, Some(1.0));
        assert_eq!((judge(71).outcome, judge(69).outcome), (Outcome::Passed, Outcome::Flagged));
        assert_eq!((judge(139).outcome, judge(141).outcome), (Outcome::Passed, Outcome::Flagged));
        assert_eq!(judge(1000).score, Some(0.0));
    }

    #[test]
    fn where_most_have_one_size_every_other_one_is_odd() {
        let judge = |side| of(side, side, (100.0, 100.0), THRESHOLD);
        assert_eq!((judge(100).outcome, judge(101).outcome), (Outcome::Passed, Outcome::Flagged));
    }
}
