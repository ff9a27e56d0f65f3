//! The registry of checks: a new one is one file and one line in [`ALL`].

mod exact_duplicate;
mod label_error;
mod near_duplicate;
mod odd_aspect_ratio;
mod odd_size;
mod outlier;
mod quality;
mod scored;
mod tags;
mod too_small;
mod undecodable;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use sqlx::PgPool;

pub use label_error::CHECK as LABEL_ERROR;
pub(super) use near_duplicate::judge as judge_duplicate;
pub use outlier::CHECK as OUTLIER;
pub use tags::CHECK as TAGS;

pub(super) use near_duplicate::{CHECK as NEAR_DUPLICATE, NearDuplicate};

use super::halt::Halt;
use super::job::CleaningJob;
use super::labeller::Labeller;
use super::original::Original;
use super::verdict::Finding;
use crate::blobs::Blobs;
use crate::dataset::Image;

/// What a check may look at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The database.
    pub pool: &'a PgPool,
    /// The pictures of references.
    pub blobs: &'a Blobs,
    /// The job, with its settings and frozen references.
    pub job: &'a CleaningJob,
    /// The image to judge.
    pub image: &'a Image,
    /// Its bytes, read when a check asks for them.
    pub original: &'a Original<'a>,
    /// Gives labels.
    pub labeller: &'a Labeller<'a>,
}

impl Scene<'_> {
    /// The threshold of the check in this job.
    fn threshold(&self, check: &dyn Check) -> f64 {
        threshold(check, &self.job.thresholds)
    }
}

/// One check.
pub trait Check: Send + Sync {
    /// The name by which jobs ask for it.
    fn name(&self) -> &'static str;

    /// What is wrong with a picture that it flags.
    fn about(&self) -> &'static str;

    /// The score, of 0 to 1, under which it flags when the job does not say; `None` for a check without a threshold.
    fn threshold(&self) -> Option<f64> {
        None
    }

    /// The highest threshold that a job may ask for.
    fn highest_threshold(&self) -> f64 {
        1.0
    }

    /// What is to be said of the image; what cannot be checked is `unscannable`, never `passed`.
    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>>;
}

/// Every check, the cheap ones first.
pub const ALL: [&dyn Check; 14] = [
    &too_small::TooSmall,
    &odd_aspect_ratio::OddAspectRatio,
    &odd_size::OddSize,
    &quality::BLURRY,
    &quality::DARK,
    &quality::LIGHT,
    &quality::LOW_INFORMATION,
    &quality::GRAYSCALE,
    &exact_duplicate::ExactDuplicate,
    &near_duplicate::NearDuplicate,
    &undecodable::Undecodable,
    &tags::Tags,
    &label_error::LabelError,
    &outlier::Outlier,
];

/// The check of that name.
pub fn named(name: &str) -> Option<&'static dyn Check> {
    ALL.into_iter().find(|check| check.name() == name)
}

/// The names of all checks.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|check| check.name()).collect()
}

/// Whether one of the checks of these names needs networks that are trained on the dataset itself.
pub fn learn(names: &[String]) -> bool {
    names.iter().any(|name| name == LABEL_ERROR || name == OUTLIER)
}

/// The checks with a threshold: the one that each has when a job does not say, and the highest.
pub fn thresholds() -> impl Iterator<Item = (&'static str, (f64, f64))> {
    ALL.iter()
        .filter_map(|check| Some((check.name(), (check.threshold()?, check.highest_threshold()))))
}

/// The threshold of the check in a job that asked for these.
pub(super) fn threshold(check: &dyn Check, asked: &BTreeMap<String, f64>) -> f64 {
    asked.get(check.name()).copied().or_else(|| check.threshold()).unwrap_or_default()
}

/// Judges an image by the checks of the job.
pub async fn judge(scene: &Scene<'_>) -> Result<Vec<(&'static str, Finding)>, Halt> {
    let mut findings = Vec::with_capacity(scene.job.checks.len());
    for check in ALL {
        if scene.job.checks.iter().any(|wanted| wanted == check.name()) {
            findings.push((check.name(), check.judge(scene).await?));
        }
    }
    Ok(findings)
}
