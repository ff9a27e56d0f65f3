//! Cancelling, retrying and undoing a cleaning job.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::load;
use crate::api::extract::{NoBody, Path, Query};
use crate::api::jobs;
use crate::api::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::{self, CleaningJob, job};
use crate::db::CleaningJobId;
use crate::queue;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(cancel)).routes(routes!(retry)).routes(routes!(undo))
}

/// Cancel a cleaning job; what it said so far stays, and undo takes it back.
#[utoipa::path(
    post, path = "/cleaning-jobs/{id}/cancel", tag = "cleaning jobs",
    operation_id = "cancel_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job")),
    responses(
        (status = 200, description = "The cancelled job", body = CleaningJob),
        Failures,
    )
)]
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    _: NoBody,
) -> Result<axum::Json<CleaningJob>, Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if job::cancel(&mut *transaction, id).await? {
        transaction.commit().await?;
    }
    jobs::cancelled(load(&app, id).await?)
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RetryQuery {
    /// Another budget in place of the old one, in dollars, counted from the start of the job.
    #[garde(inner(range(min = 0.0)))]
    #[param(minimum = 0)]
    budget_usd: Option<f64>,
}

/// Go on with a failed or cancelled cleaning job where it stopped.
#[utoipa::path(
    post, path = "/cleaning-jobs/{id}/retry", tag = "cleaning jobs",
    operation_id = "retry_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job"), RetryQuery),
    responses(
        (status = 202, description = "The job, queued again", body = CleaningJob),
        Failures,
    )
)]
async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Query(query): Query<RetryQuery>,
    _: NoBody,
) -> Result<(StatusCode, axum::Json<CleaningJob>), Problem> {
    if query.budget_usd.is_some_and(|budget| !budget.is_finite()) {
        return Err(Problem::invalid("budget_usd", "must be a finite number"));
    }
    let mut transaction = app.pool.begin().await?;
    // Tasks of another attempt that are still there would do its work twice.
    queue::cancel(&mut *transaction, id.0).await?;
    let requeued = job::retry(&mut *transaction, id, query.budget_usd).await?;
    if requeued {
        queue::enqueue(&mut *transaction, job::plan_task(id)).await?;
        transaction.commit().await?;
    }
    let job = load(&app, id).await?;
    if !requeued && job.undone_at.is_some() {
        let detail = "the job was undone; start another one with its settings";
        return Err(Problem::Conflict("job_not_retryable", detail.into()));
    }
    jobs::retried(requeued, job)
}

/// Take back all that a finished cleaning job said: its verdicts are withdrawn, and the files that it moved come back.
#[utoipa::path(
    post, path = "/cleaning-jobs/{id}/undo", tag = "cleaning jobs", operation_id = "undo_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job")),
    responses(
        (status = 200, description = "The undone job; files come back within moments",
         body = CleaningJob),
        Failures,
    )
)]
async fn undo(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    _: NoBody,
) -> Result<axum::Json<CleaningJob>, Problem> {
    let job = load(&app, id).await?;
    if job.dry_run {
        let detail = "a dry run changed nothing that could be taken back";
        return Err(Problem::Conflict("nothing_to_undo", detail.into()));
    }
    if !job.status.is_finished() {
        let detail = "the job is still under way: cancel it or wait for its end";
        return Err(Problem::Conflict("job_not_finished", detail.into()));
    }
    let mut transaction = app.pool.begin().await?;
    // A second undo finds the work done, and answers as the first one did.
    if cleaning::undo(&mut transaction, &job).await? {
        transaction.commit().await?;
    }
    load(&app, id).await.map(axum::Json)
}
