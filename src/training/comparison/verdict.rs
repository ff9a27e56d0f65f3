//! What the gap of a run or recipe says about overfitting, as a kind and in plain words.

use serde::Serialize;
use utoipa::ToSchema;

use super::distribution::quantile;
use super::gap::gap;
use super::interval::{Interval, LEVEL, wilson};
use super::sample::Sample;
use super::words::{limits, points};

/// A network that closed less than this part of the way from the baseline to 1 has hardly learnt.
const LEARNT: f64 = 0.25;
/// A certain gap below this is called slight.
const SLIGHT: f64 = 0.03;
/// Where the interval reaches beyond this, "no evidence" says little.
const WIDE: f64 = 0.05;

/// What the gap says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The training accuracy is near what always naming the most frequent class gives; its gap
    /// means nothing.
    Underfits,
    /// The interval of the gap holds 0.
    NoEvidence,
    /// The interval lies above 0, the gap below 3 points.
    OverfitsSlightly,
    /// The interval lies above 0, the gap at 3 points or more.
    Overfits,
    /// The interval lies below 0: better on pictures that it never saw.
    BetterOnTest,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Nothing against overfitting.
    Keep,
    /// Learn more of the training pictures.
    LearnMore,
    /// Learn less of the training pictures by heart.
    Regularize,
    /// Narrow the interval.
    MeasureMore,
    /// Look whether the test pictures are easier.
    CheckSplit,
}

/// A finding with its figures, its sentence and its advice.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = GapVerdict)]
pub struct Verdict {
    /// The kind.
    pub finding: Finding,
    /// Training minus test accuracy, a fraction.
    pub gap: Interval,
    /// Runs (seeds) behind it; one run speaks of one network, several of their recipe.
    pub runs: usize,
    /// For people: "overfits: 5.6 points, 95 % interval 4.1–7.1".
    pub sentence: String,
    /// The kind of the advice.
    pub next_step: NextStep,
    /// The advice for people.
    pub advice: String,
}

impl Verdict {
    /// Judges the runs of a recipe on their training and test pictures; `baseline` is the share of
    /// the most frequent class among the training pictures (see [`super::baseline`]).
    pub fn of(train: &Sample, test: &Sample, baseline: f64) -> Self {
        let gap = gap(train, test);
        let finding = finding(train, &gap, baseline);
        let runs = test.runs().len();
        let next_step = match finding {
            Finding::Underfits => NextStep::LearnMore,
            Finding::NoEvidence if gap.high > WIDE => NextStep::MeasureMore,
            Finding::NoEvidence => NextStep::Keep,
            Finding::OverfitsSlightly | Finding::Overfits => NextStep::Regularize,
            Finding::BetterOnTest => NextStep::CheckSplit,
        };
        let over = if runs > 1 { format!(", over {runs} seeds") } else { String::new() };
        let sentence = sentence(finding, &gap, train.accuracy(), baseline) + &over;
        Self { finding, gap, runs, sentence, next_step, advice: advice(next_step, &gap, runs) }
    }
}

fn finding(train: &Sample, gap: &Interval, baseline: f64) -> Finding {
    let learnt = (train.accuracy() - baseline) / (1.0 - baseline).max(f64::EPSILON);
    let normal = quantile(LEVEL, f64::INFINITY);
    let surely = wilson(train.accuracy(), train.effective_pictures(), normal).low;
    if learnt < LEARNT || surely <= baseline {
        Finding::Underfits
    } else if gap.holds_zero() {
        Finding::NoEvidence
    } else if gap.estimate < 0.0 {
        Finding::BetterOnTest
    } else if gap.estimate < SLIGHT {
        Finding::OverfitsSlightly
    } else {
        Finding::Overfits
    }
}

fn sentence(finding: Finding, gap: &Interval, train: f64, baseline: f64) -> String {
    let (size, interval) = (points(gap.estimate), limits(gap));
    match finding {
        Finding::Underfits => format!(
            "underfits: {} % of the training pictures are named right, and always naming the most \
             frequent class gives {} %",
            points(train),
            points(baseline),
        ),
        Finding::NoEvidence => {
            format!("no evidence of overfitting (gap {size} points, 95 % interval {interval})")
        }
        Finding::OverfitsSlightly => {
            format!("overfits slightly: {size} points, 95 % interval {interval}")
        }
        Finding::Overfits => format!("overfits: {size} points, 95 % interval {interval}"),
        Finding::BetterOnTest => {
            format!("better on the test pictures (gap {size} points, 95 % interval {interval})")
        }
    }
}

fn advice(step: NextStep, gap: &Interval, runs: usize) -> String {
    match step {
        NextStep::Keep => {
            "Nothing to do about overfitting; a larger network or longer training may \
                           still raise both accuracies."
                .to_owned()
        }
        NextStep::LearnMore => "Train longer, change the learning rate, use a larger network, or \
                                weaken dropout and augmentation."
            .to_owned(),
        NextStep::Regularize => {
            "More training pictures help most; then stronger augmentation, more \
                                 dropout, a smaller network or an earlier stop."
                .to_owned()
        }
        NextStep::MeasureMore => {
            let seeds = if runs == 1 { "runs with other seeds" } else { "more seeds" };
            format!(
                "The interval is wide: a gap of {} points cannot be ruled out. More test \
                 pictures and {seeds} narrow it.",
                points(gap.high)
            )
        }
        NextStep::CheckSplit => {
            "The test pictures seem easier than the training pictures: look at \
                                 the split, at the class shares on both sides and at label errors."
                .to_owned()
        }
    }
}
