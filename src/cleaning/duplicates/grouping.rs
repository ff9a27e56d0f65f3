//! How alike images must be to count as duplicates, and by which rule one of them is kept.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{PgExecutor, query};

use super::Keeper;
use crate::cleaning::checks::{self, NearDuplicate};
use crate::db::CleaningJobId;
use crate::picture::{MAX_DHASH_DISTANCE, MAX_PHASH_DISTANCE};

/// The threshold under which the score of all recorded pairs lies.
pub(in crate::cleaning) const USUAL: f64 = 0.5;

/// How a dataset is grouped into clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cleaning) struct Grouping {
    /// Which image of a cluster is kept.
    pub(in crate::cleaning) keeper: Keeper,
    /// Pairs under this score are duplicates.
    pub(in crate::cleaning) threshold: f64,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { keeper: Keeper::default(), threshold: USUAL }
    }
}

impl Grouping {
    /// By a job's settings.
    pub(in crate::cleaning) fn new(keeper: Keeper, thresholds: &BTreeMap<String, f64>) -> Self {
        Self { keeper, threshold: checks::threshold(&NearDuplicate, thresholds) }
    }

    /// Of the job that gave a verdict.
    pub(in crate::cleaning) async fn of_job(
        executor: impl PgExecutor<'_>,
        job: CleaningJobId,
    ) -> sqlx::Result<Self> {
        let job = query!(
            r#"select keeper as "keeper: Keeper", thresholds as "thresholds: Json<BTreeMap<String, f64>>"
               from cleaning_jobs where id = $1"#,
            job as CleaningJobId,
        )
        .fetch_one(executor)
        .await?;
        Ok(Self::new(job.keeper, &job.thresholds))
    }

    /// The fewest differing bits with which two pictures are no duplicates.
    pub(in crate::cleaning) fn too_many_bits(self) -> i16 {
        let near = (0..=MAX_DHASH_DISTANCE + MAX_PHASH_DISTANCE)
            .take_while(|&bits| score(bits) < self.threshold);
        near.count() as i16
    }
}

/// The score of a pair whose two perceptual hashes differ in so many bits together: 0 for none, under [`USUAL`] for the most.
pub(in crate::cleaning) fn score(bits: u32) -> f64 {
    USUAL * f64::from(bits) / f64::from(MAX_DHASH_DISTANCE + MAX_PHASH_DISTANCE + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_of_bits() {
        let bits = |threshold| Grouping { threshold, ..Grouping::default() }.too_many_bits();
        assert_eq!((bits(0.0), bits(1e-9), bits(0.25), bits(USUAL)), (0, 1, 7, 13));
        assert!(score(6) < 0.25 && score(7) >= 0.25);
    }
}
