//! Pictures of runs as SVG and PNG: learning curves, comparison, confusion, reliability.
//!
//! Every picture has its own background, so that it reads on any page, and Okabe and Ito's colours,
//! which colour-blind readers tell apart; each line or mark also differs in shape or dashes.

mod axes;
mod canvas;
mod comparison;
mod confusion;
mod curve;
mod multiples;
mod png;
mod reliability;
#[cfg(test)]
mod tests;
mod text;

pub use comparison::{csv as comparison_csv, svg as comparison_svg};
pub use confusion::{csv as confusion_csv, svg as confusion_svg};
pub use curve::{Curve, csv as curve_csv, csv_of_runs as curves_csv, svg as curve_svg};
pub use multiples::svg as curves_svg;
pub use png::png;
pub use reliability::svg as reliability_svg;
