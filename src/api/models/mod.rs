//! `/models`: the registry, and which model answers.

mod import;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::extract::{NoBody, Path, Query};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::blobs::Key;
use crate::classify::ClassifyError;
use crate::db::{DatasetId, ModelId, Order};
use crate::model::{self, Bundle, Model, ModelFilter};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(file))
        .routes(routes!(onnx))
        .routes(routes!(activate))
        .merge(import::routes())
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of this dataset.
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

/// The models.
#[utoipa::path(
    get, path = "/models", tag = "models", operation_id = "list_models", params(ListQuery),
    responses(
        (status = 200, description = "A page of models", body = Page<Model>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Model>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let after = behind(sort, query.cursor.as_deref())?;
    let filter = ModelFilter { dataset: query.dataset_id, after, sort, ..ModelFilter::default() };
    let rows = model::list(&app.pool, filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |model| model.id)))
}

async fn load(app: &App, id: ModelId) -> Result<Model, Problem> {
    model::find(&app.pool, id).await?.ok_or(Problem::NotFound("model"))
}

/// A model: where it comes from, how good it is, whether it answers.
#[utoipa::path(
    get, path = "/models/{id}", tag = "models", operation_id = "get_model",
    params(("id" = ModelId, Path, description = "The model")),
    responses(
        (status = 200, description = "The model", body = Model),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<ModelId>,
) -> Result<axum::Json<Model>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// The model's file: safetensors, with the class names and all that is needed to use it in its metadata.
#[utoipa::path(
    get, path = "/models/{id}/file", tag = "models", operation_id = "download_model",
    params(("id" = ModelId, Path, description = "The model")),
    responses(
        (status = 200, description = "The file; its ETag is its SHA-256", body = Binary,
         content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        Failures,
    )
)]
async fn file(
    State(app): State<Arc<App>>,
    Path(id): Path<ModelId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let model = load(&app, id).await?;
    let etag = format!("\"{}\"", model.sha256);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag || tag == "*")) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let bytes = app.blobs.get(&Key::Model(model.sha256)).await?;
    let bytes = bytes.ok_or_else(|| unusable("its file is gone from the blob store".into()))?;
    let name = format!("attachment; filename=\"{id}.safetensors\"");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::ETAG, etag),
        (header::CACHE_CONTROL, "private, immutable, max-age=31536000".to_owned()),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}

/// The whole model as ONNX, a pretrained network included, for other programs: pictures `[N, 3, s, s]` in 0..1 to probabilities.
#[utoipa::path(
    get, path = "/models/{id}/onnx", tag = "models", operation_id = "download_onnx",
    params(("id" = ModelId, Path, description = "The model")),
    responses(
        (status = 200, description = "The file", body = Binary,
         content_type = "application/octet-stream"),
        Failures,
    )
)]
async fn onnx(State(app): State<Arc<App>>, Path(id): Path<ModelId>) -> Result<Response, Problem> {
    let model = load(&app, id).await?;
    let bytes = app.blobs.get(&Key::Model(model.sha256)).await?;
    let bytes = bytes.ok_or_else(|| unusable("its file is gone from the blob store".into()))?;
    let bundle = Bundle::open(&bytes, &model.sha256.to_string());
    let bundle = bundle.map_err(|error| unusable(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.onnx\"")),
    ];
    Ok((headers, model::onnx::export(&bundle, &id.to_string())).into_response())
}

fn unusable(detail: String) -> Problem {
    Problem::Conflict("model_unusable", detail)
}

/// Let a model answer from now on, for its dataset and as the default; also the way back to an older one.
#[utoipa::path(
    post, path = "/models/{id}/activate", tag = "models", operation_id = "activate_model",
    params(("id" = ModelId, Path, description = "The model")),
    responses(
        (status = 200, description = "The active model", body = Model),
        Failures,
    )
)]
async fn activate(
    State(app): State<Arc<App>>,
    Path(id): Path<ModelId>,
    _: NoBody,
) -> Result<axum::Json<Model>, Problem> {
    app.classifier.prepare(id).await.map_err(|error| match error {
        ClassifyError::UnknownModel => Problem::NotFound("model"),
        ClassifyError::Unusable(cause) => unusable(format!("{cause:#}")),
        ClassifyError::Internal(cause) => Problem::from(cause),
        other => Problem::Internal(other.into()),
    })?;
    let mut transaction = app.pool.begin().await?;
    model::activate(&mut transaction, id).await?;
    transaction.commit().await?;
    // Should the database go away just now, the next regular refresh brings it.
    if let Err(error) = app.classifier.refresh().await {
        tracing::warn!(error = format!("{error:#}"), "an activation is not served yet");
    }
    load(&app, id).await.map(axum::Json)
}
