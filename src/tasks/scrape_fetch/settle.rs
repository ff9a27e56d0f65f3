//! A candidate's outcome, written once: bytes first, then one fenced transaction.

use bytes::Bytes;
use sqlx::PgConnection;

use super::download::{Ended, Found};
use crate::app::App;
use crate::blobs::{Blobs, Key};
use crate::dataset::{self, Admission, Arrival, Origin};
use crate::db::{CandidateId, ScrapeJobId};
use crate::picture::{Examined, Facts};
use crate::queue::{Context, JobStatus, TaskError};
use crate::scrape::{self, Outcome, OutcomeKind};

/// Settles a candidate and answers how many more pictures its job wants.
pub(super) async fn settle(
    app: &App,
    context: &Context,
    job: ScrapeJobId,
    ended: Ended,
) -> Result<i32, TaskError> {
    let settlement = Settlement { context, job, candidate: ended.candidate.id };
    match &ended.found {
        Found::Later { .. } => unreachable!("what is put off has no outcome"),
        Found::Picture(bytes, examined) => settlement.store(app, bytes.clone(), examined).await,
        Found::Nothing(outcome) => {
            let mut transaction = app.pool.begin().await?;
            let record = Record::Outcome(outcome);
            let (missing, _) = settlement.record(&mut transaction, &record).await?;
            transaction.commit().await?;
            Ok(missing)
        }
    }
}

struct Settlement<'a> {
    context: &'a Context,
    job: ScrapeJobId,
    candidate: CandidateId,
}

enum Record<'a> {
    Outcome(&'a Outcome),
    Picture(&'a Blobs, &'a Facts),
}

impl Settlement<'_> {
    /// The bytes lie in their place before the row that points to them; they are taken back if no row comes to do so,
    /// since the job has ended, has enough, or was taken from this worker.
    async fn store(&self, app: &App, bytes: Bytes, examined: &Examined) -> Result<i32, TaskError> {
        let Some(dataset) = scrape::find_dataset(&app.pool, self.job).await? else {
            return Ok(0);
        };
        let sha256 = examined.facts.sha256;
        let mut transaction = app.pool.begin().await?;
        dataset::store(&mut transaction, &app.blobs, dataset, bytes, examined).await?;
        let record = Record::Picture(&app.blobs, &examined.facts);
        let recorded = self.record(&mut transaction, &record).await;
        // Behind an error of the database nothing more can be asked in this transaction; the candidate is still
        // open then, and its next worker stores the same bytes.
        if matches!(&recorded, Ok((_, None)) | Err(TaskError::LeaseLost)) {
            let key = Key::Image(dataset, sha256);
            dataset::remove_unless_wanted(&mut transaction, &app.blobs, key).await?;
        }
        let (missing, _) = recorded?;
        transaction.commit().await?;
        Ok(missing)
    }

    /// How many more pictures are wanted, and what the candidate became just now, if anything.
    ///
    /// The locked row makes the workers of one job take turns, so that the limit is never passed.
    async fn record(
        &self,
        connection: &mut PgConnection,
        record: &Record<'_>,
    ) -> Result<(i32, Option<OutcomeKind>), TaskError> {
        self.context.hold(connection).await?;
        let Some(mut job) = scrape::lock_job(&mut *connection, self.job).await? else {
            return Ok((0, None));
        };
        if job.status != JobStatus::Running || job.missing() == 0 {
            return Ok((0, None));
        }
        if !scrape::is_open(&mut *connection, self.candidate).await? {
            return Ok((job.missing(), None));
        }
        let outcome = match record {
            Record::Outcome(outcome) => (*outcome).clone(),
            Record::Picture(blobs, facts) => {
                let origin = Origin::Candidate(self.candidate);
                let (dataset, class) = (job.dataset_id, job.class_id);
                let arrival = Arrival { dataset, class, facts, origin };
                outcome_of(dataset::admit(connection, blobs, &arrival).await?)
            }
        };
        scrape::settle_candidate(&mut *connection, self.candidate, &outcome).await?;
        if outcome.kind == OutcomeKind::Stored {
            scrape::count_stored(connection, &mut job).await?;
            if job.missing() == 0 {
                scrape::skip_open(connection, self.job, "limit_reached").await?;
            }
        }
        Ok((job.missing(), Some(outcome.kind)))
    }
}

fn outcome_of(admission: Admission) -> Outcome {
    match admission {
        Admission::Stored(image) => Outcome::image(OutcomeKind::Stored, image),
        Admission::Duplicate(image) => Outcome::image(OutcomeKind::Duplicate, image),
        Admission::Deleted => Outcome::new(OutcomeKind::Skipped, "deleted"),
    }
}
