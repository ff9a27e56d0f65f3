//! `/scrape-jobs`: requests for images of a class, and the candidates that they found.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::openapi::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::classes;
use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::extract::{Json, NoBody, Path, Query};
use super::jobs::{self, Job};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::dataset;
use crate::db::{CandidateId, DatasetId, Order, ScrapeJobId};
use crate::queue::{self, JobStatus};
use crate::scrape::source::{self, Filters, Sources};
use crate::scrape::{
    self, Candidate, NewScrapeJob, OutcomeFilter, ScrapeJob, ScrapeJobFilter, UnknownOutcome,
};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(candidates))
}

impl Job for ScrapeJob {
    fn status(&self) -> JobStatus {
        self.status
    }
}

/// A scrape job to create.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScrapeJobRequest {
    /// The dataset that receives the images.
    #[garde(skip)]
    dataset_id: DatasetId,
    /// Name of their class.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    class: String,
    /// Where to look.
    #[garde(length(chars, min = 1, max = 50))]
    #[schema(schema_with = source_names)]
    source: String,
    /// What to search for, with every source but `urls`.
    #[garde(inner(length(chars, min = 1, max = 500)))]
    #[schema(min_length = 1, max_length = 500)]
    phrase: Option<String>,
    /// URLs of pictures, with the source `urls`; repeats count once.
    #[garde(inner(length(min = 1, max = 100_000)))]
    #[schema(min_items = 1, max_items = 100_000)]
    urls: Option<Vec<String>>,
    /// How many pictures to store; paging goes on until then, or until the source has no more.
    #[garde(range(min = 1, max = 100_000))]
    #[schema(minimum = 1, maximum = 100_000)]
    limit: i32,
    /// Narrows a search.
    #[garde(skip)]
    filters: Option<Filters>,
}

/// A source by the registry's names, for the document.
fn source_names() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Sources::names()))
        .description(Some("Where to look; `urls` takes a list of URLs."))
        .build()
}

impl ScrapeJobRequest {
    fn query(&mut self) -> source::Query {
        let mut seen = HashSet::new();
        let urls = self.urls.take().unwrap_or_default().into_iter();
        let urls = urls.map(|url| url.trim().to_owned()).filter(|url| seen.insert(url.clone()));
        source::Query {
            phrase: self.phrase.take().unwrap_or_default(),
            filters: self.filters.take().unwrap_or_default(),
            urls: urls.collect(),
        }
    }
}

fn check(app: &App, source: &str, query: &source::Query) -> Result<(), Problem> {
    let Some(source) = app.sources.find(source) else {
        let known = Sources::names().collect::<Vec<_>>().join(", ");
        return Err(Problem::invalid("source", format!("must be one of {known}")));
    };
    source.validate(query).map_err(|invalid| Problem::invalid(invalid.field, invalid.message))
}

/// Look for pictures of a class and store them.
#[utoipa::path(
    post, path = "/scrape-jobs", tag = "scrape jobs", operation_id = "create_scrape_job",
    params(IdempotencyHeader),
    request_body = ScrapeJobRequest,
    responses((status = 202, description = "The queued job", body = ScrapeJob), Failures)
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: mut new, body }: Json<ScrapeJobRequest>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let query = new.query();
    check(&app, &new.source, &query)?;
    let connection = creation.connection();
    let dataset = new.dataset_id;
    if dataset::find(connection, dataset).await?.is_none() {
        return Err(Problem::invalid("dataset_id", "there is no such dataset"));
    }
    let class = classes::named(&mut *connection, dataset, &new.class).await?;
    let (source, limit) = (new.source.as_str(), new.limit);
    let job = NewScrapeJob { dataset, class, source, query: &query, limit };
    let id = scrape::insert_job(&mut *connection, &job).await?;
    queue::enqueue(&mut *connection, scrape::search_task(id)).await?;
    let job = scrape::find_job(connection, id).await?.ok_or(Problem::NotFound("scrape job"))?;
    creation.answer(StatusCode::ACCEPTED, Some(format!("/scrape-jobs/{id}")), &job).await
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

/// Scrape jobs.
#[utoipa::path(
    get, path = "/scrape-jobs", tag = "scrape jobs", operation_id = "list_scrape_jobs",
    params(ListQuery),
    responses((status = 200, description = "A page of jobs", body = Page<ScrapeJob>), Failures)
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<ScrapeJob>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let filter = ScrapeJobFilter {
        id: None,
        dataset: query.dataset_id,
        status: query.status,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
    };
    let rows = scrape::list_jobs(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |job| job.id)))
}

async fn load(app: &App, id: ScrapeJobId) -> Result<ScrapeJob, Problem> {
    scrape::find_job(&app.pool, id).await?.ok_or(Problem::NotFound("scrape job"))
}

/// A scrape job.
#[utoipa::path(
    get, path = "/scrape-jobs/{id}", tag = "scrape jobs", operation_id = "get_scrape_job",
    params(("id" = ScrapeJobId, Path, description = "The job")),
    responses((status = 200, description = "The job", body = ScrapeJob), Failures)
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<ScrapeJobId>,
) -> Result<axum::Json<ScrapeJob>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// The job each time it changes, as server-sent events.
#[utoipa::path(
    get, path = "/scrape-jobs/{id}/events", tag = "scrape jobs", operation_id = "watch_scrape_job",
    params(("id" = ScrapeJobId, Path, description = "The job")),
    responses(
        (status = 200, description = "Events named `job`", body = String, content_type = "text/event-stream"),
        Failures,
    )
)]
async fn watch(
    State(app): State<Arc<App>>,
    Path(id): Path<ScrapeJobId>,
) -> Result<impl IntoResponse, Problem> {
    jobs::watch(move || {
        let app = app.clone();
        async move { load(&app, id).await }
    })
    .await
}

/// End a job; what it has stored stays.
#[utoipa::path(
    post, path = "/scrape-jobs/{id}/cancel", tag = "scrape jobs", operation_id = "cancel_scrape_job",
    params(("id" = ScrapeJobId, Path, description = "The job")),
    responses((status = 200, description = "The cancelled job", body = ScrapeJob), Failures)
)]
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<ScrapeJobId>,
    _: NoBody,
) -> Result<axum::Json<ScrapeJob>, Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if scrape::finish_job(&mut *transaction, id, JobStatus::Cancelled, None).await? {
        transaction.commit().await?;
    }
    jobs::cancelled(load(&app, id).await?)
}

/// Go on with a failed or cancelled job where it stopped.
#[utoipa::path(
    post, path = "/scrape-jobs/{id}/retry", tag = "scrape jobs", operation_id = "retry_scrape_job",
    params(("id" = ScrapeJobId, Path, description = "The job")),
    responses((status = 202, description = "The queued job", body = ScrapeJob), Failures)
)]
async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<ScrapeJobId>,
    _: NoBody,
) -> Result<(StatusCode, axum::Json<ScrapeJob>), Problem> {
    let mut transaction = app.pool.begin().await?;
    let requeued = scrape::reopen_job(&mut *transaction, id).await?;
    if requeued {
        queue::enqueue(&mut *transaction, scrape::search_task(id)).await?;
    }
    // Read before a worker can take it.
    let job = scrape::find_job(&mut *transaction, id).await?;
    transaction.commit().await?;
    jobs::retried(requeued, job.ok_or(Problem::NotFound("scrape job"))?)
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CandidatesQuery {
    /// `open`, or how they ended: a kind as `rejected`, or with the reason as `rejected:too_large`.
    #[garde(skip)]
    #[param(pattern = "^(open|(stored|duplicate|rejected|failed|skipped)(:.*)?)$")]
    outcome: Option<String>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    cursor: Option<CandidateId>,
}

/// What a job found, in the order of discovery: where each picture came from, and how it ended.
#[utoipa::path(
    get, path = "/scrape-jobs/{id}/candidates", tag = "scrape jobs", operation_id = "list_candidates",
    params(("id" = ScrapeJobId, Path, description = "The job"), CandidatesQuery),
    responses((status = 200, description = "A page of candidates", body = Page<Candidate>), Failures)
)]
async fn candidates(
    State(app): State<Arc<App>>,
    Path(id): Path<ScrapeJobId>,
    Query(query): Query<CandidatesQuery>,
) -> Result<axum::Json<Page<Candidate>>, Problem> {
    load(&app, id).await?;
    let filter: Option<Result<OutcomeFilter, UnknownOutcome>> =
        query.outcome.as_deref().map(str::parse);
    let filter =
        filter.transpose().map_err(|error| Problem::invalid("outcome", error.to_string()))?;
    let (after, limit) = (query.cursor, query.limit + 1);
    let rows = scrape::list_candidates(&app.pool, id, filter.as_ref(), after, limit).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |candidate| candidate.id.0)))
}
