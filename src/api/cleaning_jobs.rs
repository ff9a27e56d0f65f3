//! `/cleaning-jobs`: start, watch, stop and take back passes of checks over a dataset.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response, Sse, sse::Event};
use futures::Stream;
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::events::{self, Job};
use super::extract::{Json, Path, Query};
use super::page::{Page, default_limit};
use super::problem::{Failures, FieldError, Problem};
use crate::app::App;
use crate::cleaning::{
    self, CleaningJob, JobFilter, NewJob, Outcome, Rule, TagSettings, Verdict, VerdictFilter,
    checks, job, verdict,
};
use crate::dataset;
use crate::db::{CleaningJobId, DatasetId, VerdictId};
use crate::queue::{self, JobStatus};
use crate::tasks;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(list_verdicts))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(undo))
}

impl Job for CleaningJob {
    fn status(&self) -> JobStatus {
        self.status
    }
}

/// A cleaning job to start.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCleaningJob {
    /// The dataset to clean.
    #[garde(skip)]
    dataset_id: DatasetId,
    /// Names of checks: `undecodable`, `too_small`, `exact_duplicate`, `near_duplicate`, `tags`.
    #[garde(length(min = 1, max = 50))]
    #[schema(min_items = 1, max_items = 50)]
    checks: Vec<String>,
    /// Settings of the `tags` check; the defaults when left out.
    #[garde(dive)]
    tags: Option<TagSettings>,
    /// Show what would be flagged, and change nothing.
    #[serde(default)]
    #[garde(skip)]
    dry_run: bool,
    /// Most that the tagger may cost, in dollars; the job fails with `budget_exhausted` before it costs more.
    #[garde(inner(range(min = 0.0)))]
    #[schema(minimum = 0)]
    budget_usd: Option<f64>,
}

impl NewCleaningJob {
    /// The rules that go over several fields, or need the registry.
    fn checked(self) -> Result<NewJob, Problem> {
        let known = checks::names();
        let unknown = |(_, check): &(usize, &String)| !known.contains(&check.as_str());
        let errors: Vec<FieldError> = self
            .checks
            .iter()
            .enumerate()
            .filter(unknown)
            .map(|(at, check)| {
                let message = format!("unknown check {check:?}; known: {}", known.join(", "));
                FieldError::new(format!("checks[{at}]"), message)
            })
            .collect();
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        if self
            .tags
            .as_ref()
            .is_some_and(|tags| tags.rule == Rule::Specific)
        {
            let message = "the rule \"specific\" is not there yet; use \"any_of_top_k\"";
            return Err(Problem::invalid("tags.rule", message));
        }
        let mut checks = self.checks;
        let mut seen = std::collections::HashSet::new();
        checks.retain(|check| seen.insert(check.clone()));
        let tags = checks.iter().any(|check| check == checks::TAGS);
        let tags = tags.then(|| self.tags.unwrap_or_default());
        let (dry_run, budget_usd) = (self.dry_run, self.budget_usd);
        Ok(NewJob {
            dataset: self.dataset_id,
            checks,
            tags,
            dry_run,
            budget_usd,
        })
    }
}

/// Start a cleaning job.
#[utoipa::path(
    post, path = "/cleaning-jobs", tag = "cleaning", operation_id = "create_cleaning_job",
    params(IdempotencyHeader),
    request_body = NewCleaningJob,
    responses(
        (status = 202, description = "Accepted", body = CleaningJob),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: new, body }: Json<NewCleaningJob>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let new = new.checked()?;
    let connection = creation.connection();
    dataset::find(connection, new.dataset)
        .await?
        .ok_or(Problem::NotFound("dataset"))?;
    if new.tags.is_some() {
        let classes = cleaning::classes_in_use(&mut *connection, new.dataset).await?;
        let missing = classes.iter().filter(|class| !class.referenced);
        let missing: Vec<String> = missing.map(|class| format!("{:?}", class.name)).collect();
        if !missing.is_empty() {
            let detail = format!("no reference picture yet for: {}", missing.join(", "));
            return Err(Problem::Conflict("references_missing", detail));
        }
    }
    let id = job::insert(&mut *connection, &new).await?;
    queue::enqueue(&mut *connection, tasks::cleaning_plan(id)).await?;
    let job = job::find(&mut *connection, id)
        .await?
        .ok_or(Problem::NotFound("cleaning job"))?;
    creation
        .answer(
            StatusCode::ACCEPTED,
            Some(format!("/cleaning-jobs/{id}")),
            &job,
        )
        .await
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
    #[param(value_type = Option<String>)]
    cursor: Option<CleaningJobId>,
}

/// The cleaning jobs, newest first.
#[utoipa::path(
    get, path = "/cleaning-jobs", tag = "cleaning", operation_id = "list_cleaning_jobs",
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
    let filter = JobFilter {
        status: query.status,
        dataset: query.dataset_id,
        after: query.cursor,
    };
    let rows = job::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |job| job.id.0)))
}

async fn load(app: &App, id: CleaningJobId) -> Result<CleaningJob, Problem> {
    job::find(&app.pool, id)
        .await?
        .ok_or(Problem::NotFound("cleaning job"))
}

/// A cleaning job.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}", tag = "cleaning", operation_id = "get_cleaning_job",
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
    get, path = "/cleaning-jobs/{id}/events", tag = "cleaning",
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
    events::watch(move || {
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
    get, path = "/cleaning-jobs/{id}/verdicts", tag = "cleaning", operation_id = "list_verdicts",
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
    load(&app, id).await?;
    let filter = VerdictFilter {
        check: query.check,
        outcome: query.outcome,
        after: query.cursor,
    };
    let rows = verdict::list(&app.pool, id, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |verdict| {
        verdict.id.0
    })))
}

/// Cancel a cleaning job; what it said so far stays, and undo takes it back.
#[utoipa::path(
    post, path = "/cleaning-jobs/{id}/cancel", tag = "cleaning",
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
) -> Result<axum::Json<CleaningJob>, Problem> {
    load(&app, id).await?;
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if !job::cancel(&mut *transaction, id).await? {
        return Err(Problem::Conflict(
            "job_finished",
            "the job has ended already".into(),
        ));
    }
    transaction.commit().await?;
    load(&app, id).await.map(axum::Json)
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
    post, path = "/cleaning-jobs/{id}/retry", tag = "cleaning",
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
) -> Result<Response, Problem> {
    load(&app, id).await?;
    if query.budget_usd.is_some_and(|budget| !budget.is_finite()) {
        return Err(Problem::invalid("budget_usd", "must be a finite number"));
    }
    let mut transaction = app.pool.begin().await?;
    // Tasks of another attempt that are still there would do its work twice.
    queue::cancel(&mut *transaction, id.0).await?;
    if !job::retry(&mut *transaction, id, query.budget_usd).await? {
        let detail = "only a failed or cancelled job that was not undone can go on";
        return Err(Problem::Conflict("job_not_retryable", detail.into()));
    }
    queue::enqueue(&mut *transaction, tasks::cleaning_plan(id)).await?;
    transaction.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(load(&app, id).await?)).into_response())
}

/// Take back all that a finished cleaning job said: its verdicts are withdrawn, and the files that it moved come back.
#[utoipa::path(
    post, path = "/cleaning-jobs/{id}/undo", tag = "cleaning", operation_id = "undo_cleaning_job",
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
