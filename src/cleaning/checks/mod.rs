//! The registry of checks: a new one is one file and one line in [`ALL`].

mod exact_duplicate;
mod label_error;
mod near_duplicate;
mod outlier;
mod tags;
mod too_small;
mod undecodable;

use futures::future::BoxFuture;
use sqlx::PgPool;

pub use label_error::CHECK as LABEL_ERROR;
pub(super) use near_duplicate::{cluster, judge as judge_duplicate};
pub use outlier::CHECK as OUTLIER;
pub use tags::CHECK as TAGS;

pub(super) use near_duplicate::CHECK as NEAR_DUPLICATE;

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

/// One check.
pub trait Check: Send + Sync {
    /// The name by which jobs ask for it.
    fn name(&self) -> &'static str;

    /// What is to be said of the image; what cannot be checked is `unscannable`, never `passed`.
    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>>;
}

/// Every check, the cheap ones first.
pub const ALL: [&dyn Check; 7] = [
    &too_small::TooSmall,
    &exact_duplicate::ExactDuplicate,
    &near_duplicate::NearDuplicate,
    &undecodable::Undecodable,
    &tags::Tags,
    &label_error::LabelError,
    &outlier::Outlier,
];

/// The names of all checks.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|check| check.name()).collect()
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
