//! `outlier`: an image that lies far from everything that networks trained on the dataset's other pictures know.

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene};
use crate::cleaning::learning::{self, FAR, LearntOpinion};

/// The name of the check.
pub const CHECK: &str = "outlier";

pub(super) struct Outlier;

impl Check for Outlier {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn about(&self) -> &'static str {
        "looks like nothing else in the dataset to networks that are trained on it"
    }

    /// The score of a picture that lies [`FAR`] away.
    fn threshold(&self) -> Option<f64> {
        Some(0.5)
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let opinion = learning::find(scene.pool, scene.job.id, scene.image.id).await?;
            Ok(match opinion {
                Some(opinion) => of(&opinion, scene.threshold(self)),
                None => Finding::unscannable("not_learnt", "it was not among the learnt images"),
            })
        })
    }
}

fn of(opinion: &LearntOpinion, threshold: f64) -> Finding {
    let LearntOpinion { distance, deviation, .. } = opinion;
    let far = f64::from(FAR);
    // 1 at the usual distance, a half where it is usually too far.
    let score = far / (far + f64::from(deviation.max(0.0)));
    // Infinite for a threshold of 0, under which nothing is.
    let limit = far * (1.0 - threshold) / threshold.abs();
    let is_far = score < threshold;
    let evidence = json!({ "distance": distance, "deviation": deviation, "threshold": limit });
    let reason = format!(
        "{deviation:.1} standard deviations farther than usual from the pictures most like it, \
         {} {limit:.1}",
        if is_far { "above" } else { "within" },
    );
    Finding::judged(is_far, reason, evidence).with_score(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;
    use crate::cleaning::learning::tests::opinion;

    #[test]
    fn who_is_far_is_flagged_with_the_distance() {
        let opinion = LearntOpinion { deviation: FAR + 1.0, ..opinion() };
        assert_eq!(of(&opinion, 0.5).outcome, Outcome::Flagged);
        assert_eq!(of(&opinion, 0.25).outcome, Outcome::Passed);
        assert_eq!(of(&opinion, 0.25).evidence["threshold"], json!(3.0 * f64::from(FAR)));
        let near = LearntOpinion { deviation: -1.0, ..opinion };
        assert_eq!(of(&near, 0.5).outcome, Outcome::Passed);
        assert_eq!(of(&near, 0.0).outcome, Outcome::Passed);
    }
}
