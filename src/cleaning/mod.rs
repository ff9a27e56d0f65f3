//! Cleaning: jobs that judge the images of a dataset, their verdicts, the quarantine and the reviews.

mod audit;
pub mod checks;
mod comparison;
pub mod duplicates;
mod estimate;
mod halt;
pub mod job;
mod labeller;
pub mod learning;
mod ledger;
mod original;
pub mod quarantine;
mod refusal;
mod reopening;
mod replay;
pub mod review;
mod settings;
mod state;
mod suspicion;
pub mod tag_rule;
mod tally;
pub mod verdict;
mod weighing;

pub use audit::{Audit, AuditedImage, Stratum, audit};
pub use comparison::{
    DifferenceFilter, DifferenceTotal, JobDifference, difference_totals, differences,
};
pub use duplicates::Keeper;
pub use estimate::{Estimate, estimate};
pub use halt::Halt;
pub use job::{CleaningJob, JobFilter, NewJob};
pub use labeller::{Labeller, Terms, Unlabelled};
pub use ledger::{CallFilter, CallOutcome, TaggerCall, calls};
pub use original::Original;
pub use reopening::reopen;
pub use replay::{Replay, ReplayedImage, replay};
pub use review::{NewReview, Review, ReviewFilter};
pub use settings::{ReferenceTags, Rule, TagSettings};
pub use suspicion::{Suspect, SuspectFilter, suspects};
pub use tally::{Outcomes, Tally};
pub use verdict::{Finding, Outcome, Verdict, VerdictFilter, newest as newest_verdicts};
pub use weighing::weigh_tags;

use sqlx::{PgConnection, PgExecutor, query_as};

use crate::db::{ClassId, CleaningJobId, DatasetId, ImageId, Sha256};
use crate::queue::{self, JobError};
use verdict::NewVerdict;

/// What a job found of one image.
#[derive(Debug)]
pub struct Judged {
    /// The image.
    pub image: ImageId,
    /// Its picture.
    pub sha256: Sha256,
    /// What each check found.
    pub findings: Vec<(&'static str, Finding)>,
}

/// Records a batch in the caller's transaction: verdicts, counts, states, and the moves that follow. `gone` images of
/// the batch were rejected or deleted meanwhile.
pub async fn record(
    connection: &mut PgConnection,
    job: &CleaningJob,
    mut judged: Vec<Judged>,
    gone: usize,
) -> sqlx::Result<()> {
    if !job.dry_run {
        state::lock(connection, &[job.dataset_id]).await?;
        for judged in &mut judged {
            refresh(connection, job, judged).await?;
        }
    }
    let mut tally = Tally::default();
    let images: Vec<ImageId> = judged.iter().map(|judged| judged.image).collect();
    let settled = judged.len() + gone;
    let mut verdicts = Vec::new();
    for Judged { image, findings, .. } in judged {
        tally.count(&findings);
        verdicts.extend(findings.into_iter().map(|(check, finding)| NewVerdict {
            job: job.id,
            image,
            check: check.to_owned(),
            finding,
            dry_run: job.dry_run,
            reopened: false,
        }));
    }
    job::record(connection, job.id, settled as i32, &tally).await?;
    verdict::insert(&mut *connection, &verdicts).await?;
    if !job.dry_run {
        state::settle(connection, job.dataset_id, &images, Some(job.id)).await?;
    }
    Ok(())
}

/// Decides anew on a duplicate now that no state can change any more: its keeper may have been rejected since.
async fn refresh(
    connection: &mut PgConnection,
    job: &CleaningJob,
    judged: &mut Judged,
) -> sqlx::Result<()> {
    let (dataset, grouping) = (job.dataset_id, job.grouping());
    for (check, finding) in &mut judged.findings {
        if *check == checks::NEAR_DUPLICATE && finding.outcome == Outcome::Flagged {
            let cluster =
                duplicates::cluster(&mut *connection, dataset, judged.sha256, grouping).await?;
            *finding = checks::judge_duplicate(judged.image, &cluster, grouping);
        }
    }
    Ok(())
}

/// Takes back all that a finished job said, in the caller's transaction: its verdicts are withdrawn, the states follow
/// from what is left, and files move back. False when there is nothing to take back.
pub async fn undo(connection: &mut PgConnection, job: &CleaningJob) -> sqlx::Result<bool> {
    if !job::mark_undone(&mut *connection, job.id).await? {
        return Ok(false);
    }
    state::lock(connection, &[job.dataset_id]).await?;
    let mut images = verdict::withdraw(&mut *connection, job.id).await?;
    images.sort_unstable();
    state::settle(connection, job.dataset_id, &images, None).await?;
    Ok(true)
}

/// Ends a job `failed` with all its tasks, in the transaction that ends one of them.
pub async fn abort(
    connection: &mut PgConnection,
    job: CleaningJobId,
    error: &JobError,
) -> sqlx::Result<()> {
    queue::cancel(&mut *connection, job.0).await?;
    job::fail(connection, job, error).await
}

/// The images that a job has still to check: accepted or flagged, there when the job was planned (now, if it was not),
/// and not judged by it yet; in the order of arrival.
pub async fn remaining(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
) -> sqlx::Result<Vec<(ImageId, Sha256)>> {
    struct Row {
        id: ImageId,
        sha256: Sha256,
    }
    let rows = query_as!(
        Row,
        r#"select i.id as "id: ImageId", i.sha256 as "sha256: Sha256"
           from cleaning_jobs j join images i on i.dataset_id = j.dataset_id
           where j.id = $1 and i.state in ('accepted', 'flagged')
             and i.created_at <= coalesce(j.planned_at, now())
             and not exists (select from verdicts v where v.job_id = j.id and v.image_id = i.id)
           order by i.id"#,
        job as CleaningJobId,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.sha256)).collect())
}

/// Which of the images the job has judged already.
pub async fn judged(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    images: &[ImageId],
) -> sqlx::Result<Vec<ImageId>> {
    verdict::judged(executor, job, images).await
}

/// A class that holds images to check.
#[derive(Debug, Clone)]
pub struct ClassInUse {
    /// The class.
    pub id: ClassId,
    /// Its name.
    pub name: String,
    /// Whether it has a reference.
    pub referenced: bool,
}

/// The classes of the dataset that hold accepted or flagged images.
pub async fn classes_in_use(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> sqlx::Result<Vec<ClassInUse>> {
    query_as!(
        ClassInUse,
        r#"select c.id as "id: ClassId", c.name,
               exists (select from class_references r where r.class_id = c.id) as "referenced!"
           from classes c
           where c.dataset_id = $1
             and exists (select from image_counts n
                         where n.class_id = c.id and n.state in ('accepted', 'flagged')
                           and n.count > 0)
           order by c.position, c.id"#,
        dataset as DatasetId,
    )
    .fetch_all(executor)
    .await
}

/// The names of those among them that have no reference.
pub async fn unreferenced_classes(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> sqlx::Result<Vec<String>> {
    let classes = classes_in_use(executor, dataset).await?;
    let missing = classes.into_iter().filter(|class| !class.referenced);
    Ok(missing.map(|class| class.name).collect())
}
