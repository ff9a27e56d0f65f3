//! Scrape jobs and their candidates: from a phrase to downloaded bytes.

pub mod fetch;
mod outcome;
pub mod source;

pub use outcome::OutcomeKind;
