//! `/cleaning-jobs`: start, watch, stop and take back passes of checks over a dataset.

mod audit;
mod comparison;
mod creation;
mod ledger;
mod replay;
mod steering;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{Sse, sse::Event};
use futures::Stream;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Path, Query};
use super::jobs::{self, Job};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::{CleaningJob, JobFilter, Outcome, Verdict, VerdictFilter, job, verdict};
use crate::db::{CleaningJobId, DatasetId, Order, VerdictId};
use crate::queue::JobStatus;

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(audit::routes())
        .merge(comparison::routes())
        .merge(creation::routes())
        .merge(ledger::routes())
        .merge(replay::routes())
        .merge(steering::routes())
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(list_verdicts))
}

impl Job for CleaningJob {
    fn status(&self) -> JobStatus {
        self.status
    }
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Jobs in this status.
    #[garde(skip)]
    status: Option<JobStatus>,
    /// Jobs of this dataset.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    dataset_id: Option<DatasetId>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
    /// The order; `newest` without it.
    #[garde(skip)]
    #[param(inline)]
    sort: Option<Order>,
}

/// The cleaning jobs.
#[utoipa::path(
    get, path = "/cleaning-jobs", tag = "cleaning jobs", operation_id = "list_cleaning_jobs",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of cleaning jobs", body = Page<CleaningJob>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<CleaningJob>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let filter = JobFilter {
        status: query.status,
        dataset: query.dataset_id,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
    };
    let rows = job::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |job| job.id)))
}

async fn load(app: &App, id: CleaningJobId) -> Result<CleaningJob, Problem> {
    job::find(&app.pool, id).await?.ok_or(Problem::NotFound("cleaning job"))
}

/// Refuses a check that the job does not make.
fn made(job: &CleaningJob, check: &str) -> Result<(), Problem> {
    if job.asks_for(check) {
        return Ok(());
    }
    let checks = job.checks.join(", ");
    Err(Problem::invalid("check", format!("is none of the job's: {checks}")))
}

/// A cleaning job.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}", tag = "cleaning jobs", operation_id = "get_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job")),
    responses(
        (status = 200, description = "The cleaning job", body = CleaningJob),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
) -> Result<axum::Json<CleaningJob>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// Watch a cleaning job: an event each time it changes, until it has ended.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}/events", tag = "cleaning jobs",
    operation_id = "watch_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job")),
    responses(
        (status = 200, description = "The job, as events", body = String,
         content_type = "text/event-stream"),
        Failures,
    )
)]
async fn watch(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    jobs::watch(move || {
        let app = app.clone();
        async move { load(&app, id).await }
    })
    .await
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerdictQuery {
    /// Verdicts of this check.
    #[garde(skip)]
    check: Option<String>,
    /// Verdicts that say this.
    #[garde(skip)]
    outcome: Option<Outcome>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    cursor: Option<VerdictId>,
}

/// What the job said of each image, newest first.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}/verdicts", tag = "cleaning jobs", operation_id = "list_verdicts",
    params(("id" = CleaningJobId, Path, description = "The cleaning job"), VerdictQuery),
    responses(
        (status = 200, description = "A page of verdicts", body = Page<Verdict>),
        Failures,
    )
)]
async fn list_verdicts(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Query(query): Query<VerdictQuery>,
) -> Result<axum::Json<Page<Verdict>>, Problem> {
    let job = load(&app, id).await?;
    query.check.as_deref().map_or(Ok(()), |check| made(&job, check))?;
    let filter = VerdictFilter { check: query.check, outcome: query.outcome, after: query.cursor };
    let rows = verdict::list(&app.pool, id, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |verdict| verdict.id.0)))
}
