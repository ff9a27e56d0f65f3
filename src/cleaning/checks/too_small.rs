//! `too_small`: a side so short that there is nothing to learn from.

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene};

/// Shortest side that passes, in pixels.
const MIN_SIDE: i32 = 32;

pub(super) struct TooSmall;

impl Check for TooSmall {
    fn name(&self) -> &'static str {
        "too_small"
    }

    fn about(&self) -> &'static str {
        "a side of under 32 pixels"
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async { Ok(of(scene.image.width, scene.image.height)) })
    }
}

fn of(width: i32, height: i32) -> Finding {
    let evidence = json!({ "width": width, "height": height, "min_side": MIN_SIDE });
    let size = format!("{width} × {height} pixels");
    if width.min(height) < MIN_SIDE {
        return Finding::flagged(format!("{size}: a side is under {MIN_SIDE}"), evidence);
    }
    Finding::passed(size, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn the_shorter_side_decides() {
        assert_eq!(of(4000, 31).outcome, Outcome::Flagged);
        assert_eq!(of(32, 32).outcome, Outcome::Passed);
    }
}
