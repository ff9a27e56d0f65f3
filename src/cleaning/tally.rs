//! Counts of a job: images per outcome, and verdicts per check and outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::verdict::{Finding, Outcome};

/// How many ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Outcomes {
    /// Nothing against them.
    pub passed: i64,
    /// Something against them.
    pub flagged: i64,
    /// A check could not be made, and no other one flagged them.
    pub unscannable: i64,
}

impl Outcomes {
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Flagged => self.flagged += 1,
            Outcome::Unscannable => self.unscannable += 1,
            Outcome::Withdrawn => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.flagged += other.flagged;
        self.unscannable += other.unscannable;
    }
}

/// The counts of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Images, each by the worst that a check said of it.
    pub counts: Outcomes,
    /// Verdicts of each check.
    pub by_check: BTreeMap<String, Outcomes>,
}

impl Tally {
    /// Counts one image by what each check found.
    pub fn count(&mut self, findings: &[(&'static str, Finding)]) {
        for (check, finding) in findings {
            self.by_check.entry((*check).to_owned()).or_default().count(finding.outcome);
        }
        let outcomes = || findings.iter().map(|(_, finding)| finding.outcome);
        let worst = [Outcome::Flagged, Outcome::Unscannable]
            .into_iter()
            .find(|&bad| outcomes().any(|outcome| outcome == bad));
        self.counts.count(worst.unwrap_or(Outcome::Passed));
    }

    /// Adds the counts of another part of the job.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(other.counts);
        for (check, outcomes) in &other.by_check {
            self.by_check.entry(check.clone()).or_default().add(*outcomes);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_counts_by_the_worst_of_its_verdicts() {
        let passed = || Finding::passed("fine", json!({}));
        let mut tally = Tally::default();
        tally.count(&[("a", passed()), ("b", passed())]);
        tally.count(&[("a", Finding::unscannable("missing", "gone")), ("b", passed())]);
        let mut part = Tally::default();
        part.count(&[
            ("a", Finding::unscannable("missing", "gone")),
            ("b", Finding::flagged("bad", json!({}))),
        ]);
        tally.add(&part);
        assert_eq!(tally.counts, Outcomes { passed: 1, flagged: 1, unscannable: 1 });
        assert_eq!(tally.by_check["a"], Outcomes { passed: 1, flagged: 0, unscannable: 2 });
        assert_eq!(tally.by_check["b"], Outcomes { passed: 2, flagged: 1, unscannable: 0 });
    }
}
