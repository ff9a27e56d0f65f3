//! `/classify`: a photo in, class names and probabilities out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::header;
use base64::Engine as _;
use bytes::Bytes;
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::extract::{Query, parse_json, read_body};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::classify::{Answer, ClassifyError, MAX_PHOTO_BYTES, Target};
use crate::db::ModelId;
use crate::model;
use crate::picture::Rejection;

/// Room for what a multipart body has besides the photo.
const FRAMING: usize = 64 * 1024;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(classify))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ClassifyQuery {
    /// Name or id of the dataset whose active model answers.
    #[garde(inner(length(chars, min = 1, max = 200)))]
    dataset: Option<String>,
    /// The model that answers, active or not.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    model: Option<ModelId>,
    /// How many classes to list; all without it.
    #[garde(inner(range(min = 1, max = 10_000)))]
    #[param(minimum = 1, maximum = 10000)]
    top_k: Option<usize>,
}

/// A form with the photo.
#[derive(ToSchema)]
#[expect(dead_code, reason = "shown in the document; the body is read part by part")]
struct PhotoForm {
    /// The photo's bytes.
    image: Binary,
}

/// A photo in JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PhotoText {
    /// The photo's bytes in base64.
    #[schema(content_encoding = "base64")]
    image_base64: String,
}

/// Say what a photo shows. Without `dataset` or `model` the model that was activated last answers. The photo (JPEG,
/// PNG, WebP or GIF, up to 10 MB) comes as the body, as the field `image` of a form, or in JSON.
#[utoipa::path(
    post, path = "/classify", tag = "classify", operation_id = "classify",
    params(ClassifyQuery),
    request_body(content(
        (PhotoForm = "multipart/form-data"),
        (PhotoText = "application/json"),
        (Binary = "image/jpeg"),
        (Binary = "image/png"),
        (Binary = "image/webp"),
        (Binary = "image/gif"),
    )),
    responses(
        (status = 200, description = "What the photo shows", body = Answer),
        Failures,
    )
)]
async fn classify(
    State(app): State<Arc<App>>,
    Query(query): Query<ClassifyQuery>,
    request: Request,
) -> Result<axum::Json<Answer>, Problem> {
    let target = match (&query.dataset, query.model) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("model", "name a dataset or a model, not both"));
        }
        (Some(dataset), None) => Target::Dataset(dataset),
        (None, Some(model)) => Target::Model(model),
        (None, None) => Target::Default,
    };
    if app.classifier.is_full() {
        // Before ten megabytes are read for nothing.
        return Err(explain(&app, ClassifyError::Busy, target).await);
    }
    let photo = photo(request).await?;
    if photo.is_empty() {
        return Err(Problem::invalid("image", "there is no photo"));
    }
    if photo.len() > MAX_PHOTO_BYTES {
        return Err(too_large());
    }
    let top_k = query.top_k.unwrap_or(usize::MAX);
    match app.classifier.classify(photo, target, top_k).await {
        Ok(answer) => Ok(axum::Json(answer)),
        Err(error) => Err(explain(&app, error, target).await),
    }
}

fn too_large() -> Problem {
    Problem::TooLarge(format!("a photo may be {MAX_PHOTO_BYTES} bytes long"))
}

async fn photo(request: Request) -> Result<Bytes, Problem> {
    let declared = request.headers().get(header::CONTENT_TYPE);
    let declared = declared.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "image/jpeg" | "image/png" | "image/webp" | "image/gif" => {
            read_body(request, MAX_PHOTO_BYTES).await
        }
        "multipart/form-data" => from_form(request).await,
        "application/json" => from_json(request).await,
        _ => Err(Problem::UnsupportedMediaType(
            "send a form with the field image, JSON with image_base64, or the photo itself as \
             image/jpeg, image/png, image/webp or image/gif"
                .into(),
        )),
    }
}

async fn from_json(request: Request) -> Result<Bytes, Problem> {
    let body = read_body(request, MAX_PHOTO_BYTES / 3 * 4 + FRAMING).await?;
    let PhotoText { image_base64 } = parse_json(&body)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(image_base64);
    decoded.map(Bytes::from).map_err(|_| Problem::invalid("image_base64", "is not base64"))
}

async fn from_form(request: Request) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let body = Request::from_parts(parts.clone(), body);
    let body = read_body(body, MAX_PHOTO_BYTES + FRAMING).await?;
    let broken =
        |error: &dyn std::fmt::Display| Problem::Malformed(format!("broken form: {error}"));
    let whole = Request::from_parts(parts, Body::from(body));
    let form = Multipart::from_request(whole, &()).await;
    let mut form = form.map_err(|rejection| broken(&rejection.body_text()))?;
    let mut photo = None;
    while let Some(field) = form.next_field().await.map_err(|e| broken(&e.body_text()))? {
        if field.name() != Some("image") {
            let name = field.name().unwrap_or_default().to_owned();
            return Err(Problem::invalid(name, "the form has one field, image"));
        }
        if photo.is_some() {
            return Err(Problem::invalid("image", "send one photo at a time"));
        }
        photo = Some(field.bytes().await.map_err(|e| broken(&e.body_text()))?);
    }
    photo.ok_or_else(|| Problem::invalid("image", "the form has no field image"))
}

async fn explain(app: &App, error: ClassifyError, target: Target<'_>) -> Problem {
    match error {
        ClassifyError::Busy => Problem::TooManyRequests(error.to_string()),
        ClassifyError::UnknownModel => Problem::NotFound("model"),
        ClassifyError::NoActiveModel => no_active_model(app, target).await,
        ClassifyError::Rejected(rejection) => refuse(&rejection),
        ClassifyError::Unusable(_) => Problem::Unavailable("model_unusable", error.to_string()),
        ClassifyError::Internal(cause) => Problem::from(cause),
    }
}

async fn no_active_model(app: &App, target: Target<'_>) -> Problem {
    if let Target::Dataset(dataset) = target {
        match model::has_dataset(&app.pool, dataset).await {
            Ok(true) => {}
            Ok(false) => return Problem::NotFound("dataset"),
            Err(error) => return Problem::from(error),
        }
    }
    Problem::Unavailable("no_active_model", "activate a model first".into())
}

fn refuse(rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::NotImage | Rejection::UnsupportedFormat(_) => {
            Problem::UnsupportedMediaType(rejection.to_string())
        }
        Rejection::TooLarge { .. } => too_large(),
        other => Problem::Unprocessable(other.code(), other.to_string()),
    }
}
