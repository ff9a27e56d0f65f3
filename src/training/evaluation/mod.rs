//! What the stored predictions of a run say of its network: class by class, and how far its
//! probabilities can be believed.

mod calibration;
mod per_class;
#[cfg(test)]
mod tests;

pub use calibration::{BINS, Calibration, ReliabilityBin};
pub use per_class::{ClassReport, ClassScore, Scores};
