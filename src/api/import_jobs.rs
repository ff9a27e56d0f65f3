//! `/import-jobs`: archives that become images.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{NoBody, Path, Query};
use super::jobs::{self, Job};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::dataset::import::{self, ImportFilter, ImportJob};
use crate::db::{DatasetId, ImportJobId, Order};
use crate::queue::{self, JobStatus};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

impl Job for ImportJob {
    fn status(&self) -> JobStatus {
        self.status
    }
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Into this dataset.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    dataset_id: Option<DatasetId>,
    /// In this status.
    #[garde(skip)]
    status: Option<JobStatus>,
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

/// Import jobs.
#[utoipa::path(
    get, path = "/import-jobs", tag = "import jobs", operation_id = "list_import_jobs",
    params(ListQuery),
    responses((status = 200, description = "A page of jobs", body = Page<ImportJob>), Failures)
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<ImportJob>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let filter = ImportFilter {
        id: None,
        dataset: query.dataset_id,
        status: query.status,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
    };
    let rows = import::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |job| job.id)))
}

async fn load(app: &App, id: ImportJobId) -> Result<ImportJob, Problem> {
    import::find(&app.pool, id).await?.ok_or(Problem::NotFound("import job"))
}

/// An import job.
#[utoipa::path(
    get, path = "/import-jobs/{id}", tag = "import jobs", operation_id = "get_import_job",
    params(("id" = ImportJobId, Path, description = "The job")),
    responses((status = 200, description = "The job", body = ImportJob), Failures)
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<ImportJobId>,
) -> Result<axum::Json<ImportJob>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// The job each time it changes, as server-sent events.
#[utoipa::path(
    get, path = "/import-jobs/{id}/events", tag = "import jobs", operation_id = "watch_import_job",
    params(("id" = ImportJobId, Path, description = "The job")),
    responses(
        (status = 200, description = "Events named `job`", body = String, content_type = "text/event-stream"),
        Failures,
    )
)]
async fn watch(
    State(app): State<Arc<App>>,
    Path(id): Path<ImportJobId>,
) -> Result<impl IntoResponse, Problem> {
    jobs::watch(move || {
        let app = app.clone();
        async move { load(&app, id).await }
    })
    .await
}

/// End a job; what it has imported stays.
#[utoipa::path(
    post, path = "/import-jobs/{id}/cancel", tag = "import jobs", operation_id = "cancel_import_job",
    params(("id" = ImportJobId, Path, description = "The job")),
    responses((status = 200, description = "The cancelled job", body = ImportJob), Failures)
)]
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<ImportJobId>,
    _: NoBody,
) -> Result<axum::Json<ImportJob>, Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if import::finish(&mut *transaction, id, JobStatus::Cancelled, None).await? {
        transaction.commit().await?;
    }
    jobs::cancelled(load(&app, id).await?)
}

/// Go on with a failed or cancelled job where it stopped.
#[utoipa::path(
    post, path = "/import-jobs/{id}/retry", tag = "import jobs", operation_id = "retry_import_job",
    params(("id" = ImportJobId, Path, description = "The job")),
    responses((status = 202, description = "The queued job", body = ImportJob), Failures)
)]
async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<ImportJobId>,
    _: NoBody,
) -> Result<(StatusCode, axum::Json<ImportJob>), Problem> {
    let mut transaction = app.pool.begin().await?;
    let requeued = import::reopen(&mut *transaction, id).await?;
    if requeued {
        queue::enqueue(&mut *transaction, import::task(id)).await?;
    }
    // Read before a worker can take it.
    let job = import::find(&mut *transaction, id).await?;
    transaction.commit().await?;
    jobs::retried(requeued, job.ok_or(Problem::NotFound("import job"))?)
}
