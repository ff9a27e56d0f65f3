//! What accuracies can and cannot tell: gaps with intervals, verdicts, differences, selection.
//!
//! Pure functions of right and wrong answers. All intervals are 95 % intervals; nothing is random.
//! Two kinds of chance are kept apart: which pictures were drawn, and which seed. With one run only
//! the first is seen, and a result speaks of that one trained network; with several, of its recipe.

mod contrast;
mod distribution;
mod gap;
mod interval;
mod paired;
mod sample;
mod selection;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

pub use gap::{accuracy, gap};
pub use interval::{Interval, LEVEL, proportion};
pub use paired::{Difference, Method, accuracy_difference, gap_difference};
pub use sample::{Sample, baseline};
pub use selection::{Contender, Rule, RuleName, Selection, Standing, select};
pub use verdict::{Finding, NextStep, Verdict};

pub(super) use interval::wilson_95;
pub(super) use words::{limits, points};
