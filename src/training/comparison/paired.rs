//! Whether two networks or recipes differ, picture by picture where that is known.

use anyhow::{Result, ensure};
use serde::Serialize;
use utoipa::ToSchema;

use super::contrast::Contrast;
use super::distribution::{fair_coins_at_most, quantile, two_sided};
use super::gap::{gap_contrast, gaps, hybrid};
use super::interval::{Interval, LEVEL, wilson};
use super::sample::{Sample, variance_of_mean};

/// How a difference was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One run against one on the same pictures: Tango's score interval, exact `McNemar` test. It
    /// speaks of these two networks, not of their recipes.
    PairedRuns,
    /// Runs of several seeds on the same pictures: t interval and test over pictures and seeds.
    PairedRecipes,
    /// It is not known who was right about which picture: Newcombe's interval and the score test.
    Unpaired,
}

/// The first minus the second, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// As a fraction, not in points.
    pub interval: Interval,
    /// The probability of a difference this large where there is none.
    pub p_value: f64,
    /// How it was found.
    pub method: Method,
}

/// The difference of the test accuracies of `a` and `b`, both on the same test pictures.
///
/// # Errors
/// When the two answered different numbers of pictures one by one.
pub fn accuracy_difference(a: &Sample, b: &Sample) -> Result<Difference> {
    if !(a.is_itemised() && b.is_itemised()) {
        return Ok(unpaired(a, b));
    }
    let picture = paired_variance(a, b)?;
    if a.runs().len() == 1 && b.runs().len() == 1 {
        let only = |one: &Sample, other: &Sample| {
            one.shares().iter().zip(other.shares()).filter(|(a, b)| a > b).count() as u32
        };
        let (first, second) = (only(a, b), only(b, a));
        return Ok(Difference {
            interval: tango(first, second, a.pictures()),
            p_value: mcnemar(first, second),
            method: Method::PairedRuns,
        });
    }
    let mut doubt = Contrast::new(a.accuracy() - b.accuracy(), picture);
    for side in [a, b] {
        doubt.add_seeds(side.runs(), side.interaction_variance());
    }
    Ok(Difference {
        interval: doubt.interval(1.0),
        p_value: doubt.p_value(),
        method: Method::PairedRecipes,
    })
}

/// The difference of the gaps of `a` and `b`, each (training, test) on the same pictures; with one
/// run each, the interval takes the two networks as they are. Where one was trained on a share of the
/// pictures, the training sides are taken as independent.
///
/// # Errors
/// When the two answered different numbers of test pictures one by one.
pub fn gap_difference(a: (&Sample, &Sample), b: (&Sample, &Sample)) -> Result<Difference> {
    let itemised = [a.0, a.1, b.0, b.1].iter().all(|sample| sample.is_itemised());
    let (picture, method) = match (itemised, a.0.runs().len().max(b.0.runs().len())) {
        (true, 1) => (trained(a.0, b.0)? + paired_variance(a.1, b.1)?, Method::PairedRuns),
        (true, _) => (trained(a.0, b.0)? + paired_variance(a.1, b.1)?, Method::PairedRecipes),
        (false, _) => {
            let both = [a.0, a.1, b.0, b.1];
            (both.iter().map(|sample| sample.picture_variance()).sum(), Method::Unpaired)
        }
    };
    let estimate = gap_contrast(a.0, a.1).estimate - gap_contrast(b.0, b.1).estimate;
    let mut doubt = Contrast::new(estimate, picture);
    for (train, test) in [a, b] {
        let interaction = train.interaction_variance() + test.interaction_variance();
        doubt.add_seeds(&gaps(train, test), interaction);
    }
    Ok(Difference { interval: doubt.interval(2.0), p_value: doubt.p_value(), method })
}

/// Variance of the difference of two training accuracies from the draw of the pictures.
fn trained(a: &Sample, b: &Sample) -> Result<f64> {
    if a.pictures() == b.pictures() {
        return paired_variance(a, b);
    }
    Ok(a.picture_variance() + b.picture_variance())
}

/// Variance of the mean difference from the draw of the pictures.
fn paired_variance(a: &Sample, b: &Sample) -> Result<f64> {
    ensure!(a.pictures() == b.pictures(), "the runs did not answer the same pictures");
    let differences: Vec<f64> = a.shares().iter().zip(b.shares()).map(|(a, b)| a - b).collect();
    Ok(variance_of_mean(&differences))
}

fn unpaired(a: &Sample, b: &Sample) -> Difference {
    let normal = quantile(LEVEL, f64::INFINITY);
    let side = |sample: &Sample| wilson(sample.accuracy(), sample.effective_pictures(), normal);
    let (n, m) = (a.effective_pictures(), b.effective_pictures());
    let pooled = (a.accuracy() * n + b.accuracy() * m) / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let interval = hybrid(&side(a), &side(b), 0.0);
    let p_value =
        if error > 0.0 { two_sided(interval.estimate / error, f64::INFINITY) } else { 1.0 };
    Difference { interval, p_value, method: Method::Unpaired }
}

/// The exact two-sided test (`McNemar` 1947) that a picture on which only one is right is as often
/// the `first`'s as the `second`'s.
fn mcnemar(first: u32, second: u32) -> f64 {
    (2.0 * fair_coins_at_most(first.min(second), first + second)).min(1.0)
}

/// Tango's score interval (1998, Statistics in Medicine 17: 891–908) of the difference of two
/// proportions on the same `pictures`, of which `first` and `second` only one was right about.
fn tango(first: u32, second: u32, pictures: usize) -> Interval {
    let (first, second, n) = (f64::from(first), f64::from(second), pictures as f64);
    let normal = quantile(LEVEL, f64::INFINITY);
    // The score statistic of a true difference of `delta`; it falls as `delta` grows.
    let score = |delta: f64| {
        let linear = (2.0 * n - first + second) * delta - first - second;
        let constant = -second * delta * (1.0 - delta);
        let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
        let only_second = (root - linear) / (4.0 * n);
        let variance = n * (2.0 * only_second + delta * (1.0 - delta));
        (first - second - n * delta) / variance.max(1e-300).sqrt()
    };
    let crossing = |target: f64, mut low: f64, mut high: f64| {
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if score(middle) > target {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    let estimate = (first - second) / n;
    Interval {
        estimate,
        low: crossing(normal, -1.0, estimate),
        high: crossing(-normal, estimate, 1.0),
    }
}
