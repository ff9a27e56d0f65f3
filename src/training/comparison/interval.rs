//! An estimate with its 95 % interval, and the score interval of a proportion.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distribution::quantile;

/// How often the intervals of this module cover the true value.
pub const LEVEL: f64 = 0.95;

/// An estimate with its 95 % interval; accuracies and gaps are fractions, not points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The best single value.
    pub estimate: f64,
    /// The lower limit.
    pub low: f64,
    /// The upper limit.
    pub high: f64,
}

impl Interval {
    /// Whether 0 lies inside.
    pub fn holds_zero(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }

    /// The interval of the negated quantity.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { estimate: -self.estimate, low: -self.high, high: -self.low }
    }
}

/// The score interval (Wilson 1927) of a proportion that was seen as `share` of `trials`, at
/// `quantile` standard errors. Unlike the usual ±1.96 it stays in 0 to 1 and has a width at 0 and 1.
pub(super) fn wilson(share: f64, trials: f64, quantile: f64) -> Interval {
    let square = quantile * quantile / trials;
    let centre = (share + square / 2.0) / (1.0 + square);
    let spread = share * (1.0 - share) + square / 4.0;
    let half = (square * spread).sqrt() / (1.0 + square);
    let (low, high) = ((centre - half).max(0.0), (centre + half).min(1.0));
    Interval { estimate: share, low: low.min(share), high: high.max(share) }
}

/// The score interval of a proportion that was seen as `share` of `trials`, covering with the probability `level`.
pub fn proportion(share: f64, trials: f64, level: f64) -> Interval {
    wilson(share, trials, quantile(level, f64::INFINITY))
}

/// The 95 % score interval of a proportion that was seen as `share` of `trials`.
pub(in crate::training) fn wilson_95(share: f64, trials: f64) -> Interval {
    proportion(share, trials, LEVEL)
}
