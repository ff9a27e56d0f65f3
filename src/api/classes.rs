//! `/datasets/{id}/classes`: the labels of a dataset.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use garde::Validate;
use serde::Deserialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::datasets::{load, taken};
use super::extract::{Json, Path};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::review;
use crate::dataset::{self, Dataset, NewClass};
use crate::db::{ClassId, DatasetId};
use crate::scrape;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(add_class))
        .routes(routes!(change_class, remove_class))
        .routes(routes!(merge_class))
}

/// The class of this name, which a request gives in its field `class`.
pub(super) async fn named(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    name: &str,
) -> Result<ClassId, Problem> {
    let unknown = || Problem::invalid("class", "the dataset has no class of this name");
    dataset::find_class(executor, dataset, name).await?.ok_or_else(unknown)
}

/// Add a class.
#[utoipa::path(
    post, path = "/datasets/{id}/classes", tag = "datasets", operation_id = "add_class",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        IdempotencyHeader,
    ),
    request_body = NewClass,
    responses(
        (status = 201, description = "The dataset with the new class", body = Dataset),
        Failures,
    )
)]
async fn add_class(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    key: IdempotencyKey,
    Json { value: class, body }: Json<NewClass>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    dataset::find(connection, id).await?.ok_or(Problem::NotFound("dataset"))?;
    let added = dataset::add_class(connection, id, &class).await?;
    added.map_err(|_| taken("class", &class.name))?;
    let dataset = dataset::find(connection, id).await?.ok_or(Problem::NotFound("dataset"))?;
    creation.answer(StatusCode::CREATED, Some(format!("/datasets/{id}")), &dataset).await
}

/// What changes in a class.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClassChange {
    /// Its new name.
    #[garde(inner(length(chars, min = 1, max = 100), custom(dataset::printable)))]
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Search phrases in place of the old ones.
    #[garde(inner(length(max = 100), inner(length(chars, min = 1, max = 500))))]
    #[schema(max_items = 100)]
    phrases: Option<Vec<String>>,
}

pub(super) async fn class_id(
    app: &App,
    dataset: DatasetId,
    name: &str,
) -> Result<ClassId, Problem> {
    dataset::find_class(&app.pool, dataset, name).await?.ok_or(Problem::NotFound("class"))
}

/// Rename a class or change its phrases.
#[utoipa::path(
    patch, path = "/datasets/{id}/classes/{class}", tag = "datasets", operation_id = "change_class",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        ("class" = String, Path, description = "Name of the class"),
    ),
    request_body = ClassChange,
    responses(
        (status = 200, description = "The dataset", body = Dataset),
        Failures,
    )
)]
async fn change_class(
    State(app): State<Arc<App>>,
    Path((id, class)): Path<(DatasetId, String)>,
    Json { value: change, .. }: Json<ClassChange>,
) -> Result<axum::Json<Dataset>, Problem> {
    let class = class_id(&app, id, &class).await?;
    let name = change.name.as_deref();
    let updated = dataset::update_class(&app.pool, class, name, change.phrases.as_deref()).await?;
    if !updated.map_err(|_| taken("class", name.unwrap_or_default()))? {
        return Err(Problem::NotFound("class"));
    }
    load(&app, id).await.map(axum::Json)
}

/// Remove a class that no image, search or review names; merge one that has a history.
#[utoipa::path(
    delete, path = "/datasets/{id}/classes/{class}", tag = "datasets", operation_id = "remove_class",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        ("class" = String, Path, description = "Name of the class"),
    ),
    responses(
        (status = 204, description = "Removed"),
        Failures,
    )
)]
async fn remove_class(
    State(app): State<Arc<App>>,
    Path((id, class)): Path<(DatasetId, String)>,
) -> Result<StatusCode, Problem> {
    let class = class_id(&app, id, &class).await?;
    let mut transaction = app.pool.begin().await?;
    if dataset::remove_class(&mut transaction, class).await? {
        transaction.commit().await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let detail =
        "images (deleted ones too), searches or reviews have this class: merge it into another one";
    Err(Problem::Conflict("class_in_use", detail.into()))
}

/// Where a class goes.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClassMerge {
    /// Name of the class that takes everything over.
    #[garde(skip)]
    into: String,
}

/// Merge a class into another one of the dataset: its images, references, searches and reviews become the other's.
#[utoipa::path(
    post, path = "/datasets/{id}/classes/{class}/merge", tag = "datasets",
    operation_id = "merge_class",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        ("class" = String, Path, description = "Name of the class that ends"),
    ),
    request_body = ClassMerge,
    responses(
        (status = 200, description = "The dataset without the class", body = Dataset),
        Failures,
    )
)]
async fn merge_class(
    State(app): State<Arc<App>>,
    Path((id, class)): Path<(DatasetId, String)>,
    Json { value: ClassMerge { into }, .. }: Json<ClassMerge>,
) -> Result<axum::Json<Dataset>, Problem> {
    let from = class_id(&app, id, &class).await?;
    let unknown = || Problem::invalid("into", format!("there is no class {into:?}"));
    let into = dataset::find_class(&app.pool, id, &into).await?.ok_or_else(unknown)?;
    if into == from {
        return Err(Problem::invalid("into", "must be another class"));
    }
    let mut transaction = app.pool.begin().await?;
    dataset::merge_class(&mut transaction, from, into).await?;
    scrape::move_jobs(&mut *transaction, from, into).await?;
    review::move_class(&mut transaction, from, into).await?;
    if !dataset::remove_class(&mut transaction, from).await? {
        let detail = "the class was used meanwhile: merge it once more";
        return Err(Problem::Conflict("class_in_use", detail.into()));
    }
    transaction.commit().await?;
    load(&app, id).await.map(axum::Json)
}
