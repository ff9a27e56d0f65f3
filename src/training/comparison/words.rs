//! Numbers as the verdicts write them: accuracies in percent, gaps in points, intervals beside them.

use super::interval::Interval;

/// A fraction in points with one decimal: 0.0563 is "5.6", −0.011 is "−1.1".
pub(crate) fn points(fraction: f64) -> String {
    let tenths = (fraction * 1000.0).round();
    let sign = if tenths < 0.0 { "−" } else { "" };
    format!("{sign}{:.1}", tenths.abs() / 10.0)
}

/// The limits of an interval in points: "4.1–7.1", or "−1.1 to 3.7" where a sign would be misread.
pub(crate) fn limits(interval: &Interval) -> String {
    let (low, high) = (points(interval.low), points(interval.high));
    if low.starts_with('−') || high.starts_with('−') {
        format!("{low} to {high}")
    } else {
        format!("{low}–{high}")
    }
}

/// "a", "a and b", "a, b and c".
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
