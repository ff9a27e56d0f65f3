//! Which recipe to take by a named rule, why, and which others cannot be told apart from it.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::gap::{accuracy, gaps};
use super::interval::Interval;
use super::paired::{Difference, accuracy_difference, gap_difference};
use super::sample::Sample;
use super::verdict::{Finding, Verdict};
use super::words::{limits, listed, points};

/// Differences with a corrected p below this are told apart.
const TOLD_APART: f64 = 0.05;

/// A recipe with its runs (one per seed) on one snapshot.
#[derive(Debug, Clone)]
pub struct Contender {
    pub(super) name: String,
    pub(super) train: Sample,
    pub(super) test: Sample,
}

impl Contender {
    /// A recipe by what people call it, with the answers of its runs to the training and to the test
    /// pictures, both in evaluation mode and by the same runs in the same order.
    ///
    /// # Errors
    /// When the two sides are of different numbers of runs.
    pub fn new(name: String, train: Sample, test: Sample) -> Result<Self> {
        let (runs, others) = (train.runs().len(), test.runs().len());
        ensure!(runs == others, "{name} has {runs} training and {others} test results");
        Ok(Self { name, train, test })
    }
}

/// How to choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The best test accuracy.
    BestTest,
    /// The gap nearest to 0, among those that do not underfit: who learnt nothing has no gap.
    SmallestGap,
    /// The best test accuracy among those whose gap is at most `limit`.
    BestWithinGap {
        /// A fraction: 0.03 for 3 points.
        limit: f64,
    },
}

/// A rule without its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SelectionRule)]
pub enum RuleName {
    /// The best test accuracy.
    #[default]
    BestTest,
    /// The gap nearest to 0, among those that do not underfit.
    SmallestGap,
    /// The best test accuracy among those whose gap is at most `limit`.
    BestWithinGap,
}

impl Rule {
    /// Its name, and its limit if it has one.
    pub fn parts(self) -> (RuleName, Option<f64>) {
        match self {
            Self::BestTest => (RuleName::BestTest, None),
            Self::SmallestGap => (RuleName::SmallestGap, None),
            Self::BestWithinGap { limit } => (RuleName::BestWithinGap, Some(limit)),
        }
    }
}

/// Where a contender stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Standing {
    /// Its place among the contenders that were given.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its runs.
    pub runs: usize,
    /// Training accuracy.
    pub train: Interval,
    /// Test accuracy.
    pub test: Interval,
    /// Training minus test accuracy.
    pub gap: Interval,
    /// The test accuracy of each run.
    pub test_of_runs: Vec<f64>,
    /// The gap of each run.
    pub gap_of_runs: Vec<f64>,
    /// What its gap says.
    pub verdict: Verdict,
    /// Whether the rule could pick it.
    pub eligible: bool,
    /// The pick's figure minus its own (test accuracy, or gap under `smallest_gap`); null for the
    /// pick.
    pub behind_pick: Option<Difference>,
    /// The p-value after Holm's correction for the comparisons with the pick.
    pub corrected_p: Option<f64>,
    /// Whether it cannot be told apart from the pick.
    pub tied: bool,
}

/// The choice.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Selection {
    /// The rule.
    pub rule: RuleName,
    /// Largest gap of `best_within_gap`, a fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The pick; null when the rule admits none.
    pub pick: Option<String>,
    /// Why it, and what is tied with it, for people.
    pub why: String,
    /// What makes the figures look better, or surer, than they are, for people.
    pub caveats: Vec<String>,
    /// All contenders: the pick, then by the rule's order, then those that it does not admit.
    pub standings: Vec<Standing>,
}

/// Chooses among `contenders`, all on one snapshot; `baseline` is the share of the most frequent
/// class among the training pictures.
///
/// Ties are decided on the same test pictures (see [`accuracy_difference`]) with Holm's correction
/// (1979) for the comparisons with the pick. The pick was chosen by these pictures, so its own test
/// accuracy flatters a little, and the more contenders, the more; for the same reason one of four
/// equal recipes is wrongly told apart in 6.5 % of experiments, not 5 % (`tests/coverage.rs`).
///
/// # Errors
/// Without contenders, or when they did not answer the same pictures.
pub fn select(contenders: &[Contender], rule: Rule, baseline: f64) -> Result<Selection> {
    ensure!(!contenders.is_empty(), "there is nothing to choose from");
    let (name, limit) = rule.parts();
    let stand = |(index, contender)| standing(index, contender, rule, baseline);
    let mut standings: Vec<Standing> = contenders.iter().enumerate().map(stand).collect();
    standings.sort_by(|a, b| {
        let by_rule = key(rule, a).total_cmp(&key(rule, b));
        b.eligible.cmp(&a.eligible).then(by_rule).then(b.test.estimate.total_cmp(&a.test.estimate))
    });
    if !standings[0].eligible {
        let why = nothing_fits(rule, &standings);
        return Ok(Selection {
            rule: name,
            limit,
            pick: None,
            why,
            caveats: Vec::new(),
            standings,
        });
    }
    compare_with_first(contenders, rule, &mut standings)?;
    let (pick, why) = (Some(standings[0].name.clone()), reason(rule, &standings));
    let caveats = caveats(&standings);
    Ok(Selection { rule: name, limit, pick, why, caveats, standings })
}

fn caveats(standings: &[Standing]) -> Vec<String> {
    let (mut caveats, others) = (Vec::new(), standings.len() - 1);
    if others > 0 {
        caveats.push(format!(
            "the pick was chosen among {} by these test pictures, so that on others it is likely to be a little worse",
            standings.len()
        ));
    }
    if others > 0 && standings.iter().any(|standing| standing.runs == 1) {
        caveats.push(
            "with one seed a network is compared and not its recipe: another seed may turn the order; train several"
                .to_owned(),
        );
    }
    caveats
}

fn standing(index: usize, contender: &Contender, rule: Rule, baseline: f64) -> Standing {
    let Contender { name, train, test } = contender;
    let verdict = Verdict::of(train, test, baseline);
    let eligible = match rule {
        Rule::BestTest => true,
        Rule::SmallestGap => verdict.finding != Finding::Underfits,
        Rule::BestWithinGap { limit } => verdict.gap.estimate <= limit,
    };
    Standing {
        index,
        name: name.clone(),
        runs: test.runs().len(),
        train: accuracy(train),
        test: accuracy(test),
        gap: verdict.gap,
        test_of_runs: test.runs().to_vec(),
        gap_of_runs: gaps(train, test),
        verdict,
        eligible,
        behind_pick: None,
        corrected_p: None,
        tied: false,
    }
}

/// Less is better.
fn key(rule: Rule, standing: &Standing) -> f64 {
    match rule {
        Rule::SmallestGap => standing.gap.estimate.abs(),
        Rule::BestTest | Rule::BestWithinGap { .. } => -standing.test.estimate,
    }
}

fn compare_with_first(all: &[Contender], rule: Rule, standings: &mut [Standing]) -> Result<()> {
    let (first, others) = standings.split_first_mut().expect("a pick");
    let pick = &all[first.index];
    for other in others.iter_mut() {
        let its = &all[other.index];
        other.behind_pick = Some(match rule {
            Rule::SmallestGap => {
                gap_difference((&pick.train, &pick.test), (&its.train, &its.test))?
            }
            Rule::BestTest | Rule::BestWithinGap { .. } => {
                accuracy_difference(&pick.test, &its.test)?
            }
        });
    }
    let p_values: Vec<f64> =
        others.iter().filter_map(|o| o.behind_pick).map(|difference| difference.p_value).collect();
    for (other, p) in others.iter_mut().zip(holm(&p_values)) {
        other.corrected_p = Some(p);
        other.tied = p > TOLD_APART;
    }
    Ok(())
}

/// Holm's step-down correction (1979, Scandinavian Journal of Statistics 6: 65–70).
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let (mut corrected, mut largest) = (vec![0.0; p_values.len()], 0.0_f64);
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[index]).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

fn nothing_fits(rule: Rule, standings: &[Standing]) -> String {
    match rule {
        Rule::BestWithinGap { limit } => {
            let gaps = standings.iter().map(|standing| standing.gap.estimate);
            let smallest = gaps.fold(f64::INFINITY, f64::min);
            let (limit, smallest) = (points(limit), points(smallest));
            format!("no gap is within {limit} points; the smallest is {smallest}")
        }
        _ => "all underfit".to_owned(),
    }
}

fn reason(rule: Rule, standings: &[Standing]) -> String {
    let (pick, others) = standings.split_first().expect("a pick");
    let accuracy = format!("{} % ({})", points(pick.test.estimate), limits(&pick.test));
    let gap = format!("{} points ({})", points(pick.gap.estimate), limits(&pick.gap));
    let merit = match rule {
        Rule::BestTest => format!("has the best test accuracy, {accuracy}; its gap is {gap}"),
        Rule::SmallestGap => {
            format!("has the gap nearest to 0, {gap}; its test accuracy is {accuracy}")
        }
        Rule::BestWithinGap { limit } => {
            let sure = if pick.gap.high <= limit { "" } else { ", which may be larger in truth" };
            let limit = points(limit);
            format!(
                "has the best test accuracy, {accuracy}, of those with a gap within {limit} \
                 points; its own is {gap}{sure}"
            )
        }
    };
    let named = |tied: bool| -> Vec<String> {
        others.iter().filter(|other| other.tied == tied).map(|other| other.name.clone()).collect()
    };
    let group = |before: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(" {before}: {}.", listed(names)),
    };
    let tied = group("Cannot be told apart from it", &named(true));
    format!("{} {merit}.{tied}{}", pick.name, group("Told apart", &named(false)))
}
