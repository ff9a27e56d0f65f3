//! `/datasets`: create, list, rename and delete collections.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::extract::{Json, Path, Query};
use super::page::{Page, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::blobs::Key;
use crate::dataset::{self, Dataset, NewClass};
use crate::db::DatasetId;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, change, remove))
}

/// A dataset to create.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDataset {
    /// Unique among the datasets.
    #[garde(length(chars, min = 1, max = 200), custom(dataset::printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its classes; more can be added later.
    #[serde(default)]
    #[garde(length(max = 1000), dive)]
    #[schema(max_items = 1000)]
    classes: Vec<NewClass>,
}

pub(super) fn taken(what: &str, name: &str) -> Problem {
    Problem::Conflict("name_taken", format!("there is a {what} named {name:?} already"))
}

/// Create a dataset with its classes.
#[utoipa::path(
    post, path = "/datasets", tag = "datasets", operation_id = "create_dataset",
    params(IdempotencyHeader),
    request_body = NewDataset,
    responses(
        (status = 201, description = "Created", body = Dataset),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: new, body }: Json<NewDataset>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    if let Some(name) = repeated(&new.classes) {
        return Err(Problem::invalid("classes", format!("two classes are named {name:?}")));
    }
    let created = dataset::insert(creation.connection(), &new.name, &new.classes).await?;
    let created = created.map_err(|_| taken("dataset", &new.name))?;
    let location = format!("/datasets/{}", created.id);
    creation.answer(StatusCode::CREATED, Some(location), &created).await
}

fn repeated(classes: &[NewClass]) -> Option<&str> {
    let mut seen = std::collections::HashSet::new();
    classes.iter().map(|class| class.name.as_str()).find(|name| !seen.insert(*name))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    cursor: Option<DatasetId>,
}

/// The datasets, newest first.
#[utoipa::path(
    get, path = "/datasets", tag = "datasets", operation_id = "list_datasets", params(ListQuery),
    responses(
        (status = 200, description = "A page of datasets", body = Page<Dataset>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Dataset>>, Problem> {
    let mut connection = app.pool.acquire().await?;
    let rows = dataset::list(&mut connection, query.cursor, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |dataset| dataset.id.0)))
}

pub(super) async fn load(app: &App, id: DatasetId) -> Result<Dataset, Problem> {
    let mut connection = app.pool.acquire().await?;
    dataset::find(&mut connection, id).await?.ok_or(Problem::NotFound("dataset"))
}

/// A dataset with its classes and counts.
#[utoipa::path(
    get, path = "/datasets/{id}", tag = "datasets", operation_id = "get_dataset",
    params(("id" = DatasetId, Path, description = "The dataset")),
    responses(
        (status = 200, description = "The dataset", body = Dataset),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
) -> Result<axum::Json<Dataset>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// What changes in a dataset.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct DatasetChange {
    /// Its new name.
    #[garde(length(chars, min = 1, max = 200), custom(dataset::printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// Rename a dataset.
#[utoipa::path(
    patch, path = "/datasets/{id}", tag = "datasets", operation_id = "change_dataset",
    params(("id" = DatasetId, Path, description = "The dataset")), request_body = DatasetChange,
    responses(
        (status = 200, description = "The dataset", body = Dataset),
        Failures,
    )
)]
async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    Json { value: change, .. }: Json<DatasetChange>,
) -> Result<axum::Json<Dataset>, Problem> {
    let renamed = dataset::rename(&app.pool, id, &change.name).await?;
    if !renamed.map_err(|_| taken("dataset", &change.name))? {
        return Err(Problem::NotFound("dataset"));
    }
    load(&app, id).await.map(axum::Json)
}

/// Delete a dataset with its images, jobs and verdicts.
#[utoipa::path(
    delete, path = "/datasets/{id}", tag = "datasets", operation_id = "delete_dataset",
    params(("id" = DatasetId, Path, description = "The dataset")),
    responses(
        (status = 204, description = "Deleted"),
        Failures,
    )
)]
async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
) -> Result<Response, Problem> {
    if dataset::has_snapshots(&app.pool, id).await? {
        return Err(Problem::Conflict(
            "dataset_in_use",
            "snapshots or models rest on this dataset".into(),
        ));
    }
    if !dataset::delete(&app.pool, id).await? {
        return Err(Problem::NotFound("dataset"));
    }
    for path in app.blobs.list(&Key::dataset_prefix(id)).await? {
        app.blobs.delete(&path.parse()?).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
