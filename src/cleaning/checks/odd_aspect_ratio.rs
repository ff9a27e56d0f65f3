//! `odd_aspect_ratio`: the shorter side over the longer one.

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene, scored};

const CHECK: &str = "odd_aspect_ratio";

pub(super) struct OddAspectRatio;

impl Check for OddAspectRatio {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn about(&self) -> &'static str {
        "far wider than high, or far higher than wide"
    }

    fn threshold(&self) -> Option<f64> {
        Some(0.35)
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let (width, height) = (scene.image.width, scene.image.height);
            Ok(of(width, height, scene.threshold(self)))
        })
    }
}

fn of(width: i32, height: i32, threshold: f64) -> Finding {
    let score = f64::from(width.min(height)) / f64::from(width.max(height));
    scored::finding(CHECK, score, threshold, json!({ "width": width, "height": height }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn a_banner_is_flagged_whichever_way_it_stands() {
        assert_eq!(of(1000, 349, 0.35).outcome, Outcome::Flagged);
        assert_eq!(of(349, 1000, 0.35).outcome, Outcome::Flagged);
        assert_eq!(of(1000, 350, 0.35).outcome, Outcome::Passed);
    }
}
