//! What the checks with a score and a threshold share: a score below the threshold flags.

use serde_json::Value;

use super::Finding;

/// The finding of a check for a score of 0 (worst) to 1; `evidence` is an object.
pub(super) fn finding(check: &str, score: f64, threshold: f64, mut evidence: Value) -> Finding {
    evidence["threshold"] = threshold.into();
    evidence["score"] = score.into();
    let flagged = score < threshold;
    let score_in_words = in_words(score, threshold);
    let below = if flagged { "below" } else { "not below" };
    let reason = format!("{check}: {score_in_words}, {below} {threshold}");
    Finding::judged(flagged, reason, evidence).with_score(score)
}

/// Two digits, or as many as it takes to tell the score from the threshold.
fn in_words(score: f64, threshold: f64) -> String {
    let rounded = |digits: usize| format!("{score:.digits$}");
    let tells = |text: &String| {
        let shown: f64 = text.parse().unwrap_or(score);
        (shown < threshold) == (score < threshold)
    };
    (2..8).map(rounded).find(tells).unwrap_or_else(|| score.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn a_score_below_the_threshold_is_flagged_and_one_at_it_is_not() {
        let low = finding("blurry", 0.1234, 0.29, json!({}));
        assert_eq!(
            (low.outcome, low.reason.as_str()),
            (Outcome::Flagged, "blurry: 0.12, below 0.29")
        );
        assert_eq!(low.score, Some(0.1234));
        let at = finding("blurry", 0.29, 0.29, json!({}));
        assert_eq!(
            (at.outcome, at.reason.as_str()),
            (Outcome::Passed, "blurry: 0.29, not below 0.29")
        );
    }

    #[test]
    fn the_words_never_contradict_the_outcome() {
        assert_eq!(finding("dark", 0.3199, 0.32, json!({})).reason, "dark: 0.3199, below 0.32");
    }
}
