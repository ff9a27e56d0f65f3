//! `label_error`: networks that have not seen the image, trained on the dataset's other pictures, hold its label to be
//! wrong, by confident learning.

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene};
use crate::cleaning::learning::{self, LearntOpinion};

/// The name of the check.
pub const CHECK: &str = "label_error";

pub(super) struct LabelError;

impl Check for LabelError {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn about(&self) -> &'static str {
        "looks like another class to networks that are trained on the other pictures"
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let opinion = learning::find(scene.pool, scene.job.id, scene.image.id).await?;
            Ok(match opinion {
                Some(opinion) if opinion.class_id == scene.image.class_id => of(&opinion),
                Some(_) => Finding::unscannable(
                    "class_changed",
                    "its class has changed since it was learnt",
                ),
                None => Finding::unscannable("not_learnt", "it was not among the learnt images"),
            })
        })
    }
}

fn of(opinion: &LearntOpinion) -> Finding {
    let LearntOpinion { class, suggested, self_confidence, suggested_confidence, .. } = opinion;
    let evidence = json!({
        "class": class,
        "self_confidence": self_confidence,
        "suggested": suggested,
        "suggested_confidence": suggested_confidence,
    });
    let score = f64::from(*self_confidence);
    if opinion.suspect {
        let reason = format!(
            "looks like {suggested} ({suggested_confidence:.2}) rather than {class} ({self_confidence:.2})"
        );
        return Finding::flagged(reason, evidence).with_score(score);
    }
    let reason = format!("looks like {class} ({self_confidence:.2})");
    Finding::passed(reason, evidence).with_score(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;
    use crate::cleaning::learning::tests::opinion;

    #[test]
    fn a_suspect_label_names_the_better_one() {
        let opinion = LearntOpinion { suspect: true, ..opinion() };
        let finding = of(&opinion);
        assert_eq!(finding.outcome, Outcome::Flagged);
        assert_eq!(finding.reason, "looks like dog (0.96) rather than cat (0.04)");
        let sure = LearntOpinion { suspect: false, self_confidence: 0.9, ..opinion };
        assert_eq!(of(&sure).outcome, Outcome::Passed);
    }
}
