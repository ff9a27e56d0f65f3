//! `/datasets/{id}/images` and `…/references`: pictures and archives that a client sends.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::classes::class_id;
use super::datasets::load;
use super::extract::Path;
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::blobs::Key;
use crate::dataset::import::{self, ImportJob};
use crate::dataset::{self, Admission, Arrival, Dataset, Origin};
use crate::db::{ClassId, DatasetId, ImageId, ImportJobId, Sha256};
use crate::picture::{self, Examined, Limits};
use crate::queue;

/// Pictures in one request; more go into an archive.
const MAX_PICTURES: usize = 1000;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(upload)).routes(routes!(replace_references))
}

/// What became of one uploaded picture.
#[derive(Serialize, ToSchema)]
struct Uploaded {
    /// File name as sent.
    name: String,
    /// `stored`, `duplicate`, `rejected:<why>` or `skipped:deleted`.
    outcome: String,
    /// Why it was rejected, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The image that it became or repeats.
    image_id: Option<ImageId>,
}

/// What became of an upload.
#[derive(Serialize, ToSchema)]
struct UploadOutcome {
    /// One entry per picture, in the order sent.
    items: Vec<Uploaded>,
}

/// The form of an upload, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the parts are read from the stream; this is their description")]
struct UploadForm {
    /// Name of the class; may be left out with an archive whose folders are named after classes.
    class: Option<String>,
    /// Pictures: JPEG, PNG, WebP or GIF.
    #[schema(content_media_type = "application/octet-stream")]
    image: Option<Vec<Vec<u8>>>,
    /// One zip, tar or tar.gz of pictures, instead of `image`.
    #[schema(content_media_type = "application/octet-stream")]
    archive: Option<Vec<u8>>,
}

/// Upload pictures, or an archive of pictures. The `class` field comes before the files.
#[utoipa::path(
    post, path = "/datasets/{id}/images", tag = "datasets", operation_id = "upload_images",
    params(("id" = DatasetId, Path, description = "The dataset")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "An outcome for each picture", body = UploadOutcome),
        (status = 202, description = "The archive is being imported", body = ImportJob),
        Failures,
    )
)]
async fn upload(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    request: Request,
) -> Result<Response, Problem> {
    load(&app, id).await?;
    let mut form = multipart(request).await?;
    let mut class = None;
    let mut items = Vec::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "class" => {
                let name = field.text().await.map_err(broken)?;
                let found = dataset::find_class(&app.pool, id, &name).await?;
                let unknown = || Problem::invalid("class", format!("there is no class {name:?}"));
                class = Some(found.ok_or_else(unknown)?);
            }
            "image" if items.len() == MAX_PICTURES => {
                return Err(Problem::TooLarge(format!("send {MAX_PICTURES} pictures at a time")));
            }
            "image" => {
                let missing = || Problem::invalid("class", "must come before the pictures");
                let class: ClassId = class.ok_or_else(missing)?;
                items.push(receive(&app, id, class, field).await?);
            }
            "archive" if items.is_empty() => return take_archive(&app, id, class, field).await,
            other => return Err(Problem::invalid(other, "is not a field of this form")),
        }
    }
    if items.is_empty() {
        return Err(Problem::invalid("image", "send at least one picture"));
    }
    Ok((StatusCode::CREATED, axum::Json(UploadOutcome { items })).into_response())
}

/// The form of a request, or a problem when it is none.
pub(super) async fn multipart(request: Request) -> Result<Multipart, Problem> {
    let form = Multipart::from_request(request, &()).await;
    form.map_err(|_| Problem::UnsupportedMediaType("send multipart/form-data".into()))
}

/// What a broken form means.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(super) fn broken(error: MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::TooLarge(error.body_text());
    }
    Problem::Malformed(error.body_text())
}

/// The bytes of a picture, and its examination: a rejection names the code.
async fn examine(
    mut field: Field<'_>,
    limits: &Limits,
) -> Result<(Bytes, Result<Examined, picture::Rejection>), Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        // One byte over the limit is enough for the examination to say so; the rest is read and dropped.
        let room = (limits.max_bytes + 1).saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    let bytes = Bytes::from(bytes);
    let (copy, limits) = (bytes.clone(), limits.clone());
    let examined = tokio::task::spawn_blocking(move || picture::examine(&copy, &limits)).await;
    Ok((bytes, examined.map_err(anyhow::Error::from)?))
}

async fn receive(
    app: &App,
    dataset: DatasetId,
    class: ClassId,
    field: Field<'_>,
) -> Result<Uploaded, Problem> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let (bytes, examined) = examine(field, &Limits::default()).await?;
    let examined = match examined {
        Ok(examined) => examined,
        Err(rejection) => {
            let outcome = format!("rejected:{}", rejection.code());
            let detail = Some(rejection.to_string());
            return Ok(Uploaded { name, outcome, detail, image_id: None });
        }
    };
    dataset::store(&app.pool, &app.blobs, dataset, bytes, &examined).await?;
    let origin = Origin::Upload(name.clone());
    let arrival = Arrival { dataset, class, facts: &examined.facts, origin };
    let mut transaction = app.pool.begin().await?;
    let admission = dataset::admit(&mut transaction, &arrival).await?;
    transaction.commit().await?;
    let image_id = match admission {
        Admission::Stored(id) | Admission::Duplicate(id) => Some(id),
        Admission::Deleted => None,
    };
    Ok(Uploaded { name, outcome: admission.outcome().to_owned(), detail: None, image_id })
}

async fn take_archive(
    app: &App,
    dataset: DatasetId,
    class: Option<ClassId>,
    mut field: Field<'_>,
) -> Result<Response, Problem> {
    let name = field.file_name().unwrap_or("archive").to_owned();
    let id = ImportJobId(Uuid::now_v7());
    let file = tempfile::NamedTempFile::new().map_err(anyhow::Error::from)?;
    spool(&mut field, file.path(), app.config.max_upload).await?;
    app.blobs.put_file(&Key::Upload(id), file.path()).await?;
    let mut transaction = app.pool.begin().await?;
    import::insert(&mut *transaction, id, dataset, class, &name).await?;
    queue::enqueue(&mut *transaction, import::task(id)).await?;
    let job = import::find(&mut *transaction, id).await?.ok_or(Problem::NotFound("import job"))?;
    transaction.commit().await?;
    let location = format!("/import-jobs/{id}");
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], axum::Json(job)).into_response())
}

async fn spool(field: &mut Field<'_>, path: &FilePath, limit: u64) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::from(anyhow::Error::from(error));
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut written = 0;
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        written += chunk.len() as u64;
        if written > limit {
            return Err(Problem::TooLarge(format!("an archive may be {limit} bytes long")));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

/// The form of a class's references, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the parts are read from the stream; this is their description")]
struct ReferenceForm {
    /// Pictures that surely show the class: JPEG, PNG, WebP or GIF.
    #[schema(content_media_type = "application/octet-stream")]
    image: Option<Vec<Vec<u8>>>,
    /// Ids of images of the dataset to use as references.
    image_id: Option<Vec<String>>,
}

/// Set the reference pictures of a class, in place of all earlier ones.
#[utoipa::path(
    put, path = "/datasets/{id}/classes/{class}/references", tag = "datasets",
    operation_id = "replace_references",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        ("class" = String, Path, description = "Name of the class"),
    ),
    request_body(content = ReferenceForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The dataset", body = Dataset), Failures)
)]
async fn replace_references(
    State(app): State<Arc<App>>,
    Path((id, class)): Path<(DatasetId, String)>,
    request: Request,
) -> Result<axum::Json<Dataset>, Problem> {
    let class = class_id(&app, id, &class).await?;
    let mut form = multipart(request).await?;
    let mut references = Vec::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            _ if references.len() == MAX_PICTURES => {
                return Err(Problem::TooLarge(format!("a class has {MAX_PICTURES} references")));
            }
            "image" => references.push(receive_reference(&app, id, field).await?),
            "image_id" => references.push(reuse(&app, id, field).await?),
            other => return Err(Problem::invalid(other, "is not a field of this form")),
        }
    }
    if references.is_empty() {
        return Err(Problem::invalid("image", "send at least one picture"));
    }
    let mut transaction = app.pool.begin().await?;
    dataset::replace_references(&mut transaction, class, &references).await?;
    transaction.commit().await?;
    load(&app, id).await.map(axum::Json)
}

async fn receive_reference(
    app: &App,
    dataset: DatasetId,
    field: Field<'_>,
) -> Result<Sha256, Problem> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let (bytes, examined) = examine(field, &Limits::default()).await?;
    let examined =
        examined.map_err(|rejection| Problem::invalid("image", format!("{name}: {rejection}")))?;
    let sha256 = examined.facts.sha256;
    app.blobs.put(&Key::Reference(dataset, sha256), bytes).await?;
    app.blobs.put(&Key::Thumbnail(sha256), examined.thumbnail.into()).await?;
    let mut transaction = app.pool.begin().await?;
    if !picture::insert(&mut transaction, &examined.facts).await? {
        return Err(Problem::Conflict("picture_erased", format!("{name} was erased for good")));
    }
    transaction.commit().await?;
    Ok(sha256)
}

async fn reuse(app: &App, dataset: DatasetId, field: Field<'_>) -> Result<Sha256, Problem> {
    let text = field.text().await.map_err(broken)?;
    let id: ImageId = text.parse().map_err(|_| Problem::invalid("image_id", "is not an id"))?;
    let unknown = || Problem::invalid("image_id", "names no image of this dataset");
    let image = dataset::find_image(&app.pool, id).await?;
    let image = image.filter(|image| image.dataset_id == dataset).ok_or_else(unknown)?;
    let bytes = app.blobs.get(&image.key()).await?.ok_or_else(unknown)?;
    app.blobs.put(&Key::Reference(dataset, image.sha256), bytes).await?;
    Ok(image.sha256)
}
