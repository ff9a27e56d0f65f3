//! `/datasets/{id}/images`: pictures and archives that a client sends.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use sha2::Digest as _;
use tokio::io::AsyncWriteExt;
use tower_http::timeout::TimeoutError;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::binary::Binary;
use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::datasets::load;
use super::extract::{Path, caused_by};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::blobs::Key;
use crate::dataset::import::{self, ImportJob};
use crate::dataset::{self, Admission, Arrival, Origin};
use crate::db::{ClassId, DatasetId, ImageId, ImportJobId, Sha256};
use crate::picture::{self, Examined, Limits};
use crate::queue;

/// Pictures in one request; more go into an archive.
pub(super) const MAX_PICTURES: usize = 1000;

/// How many times its bound a picture may be before the whole request is given up.
const MAX_EXCESS: usize = 4;
/// Longest text in a form, in bytes.
const MAX_TEXT: usize = 4096;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(upload))
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
    #[schema(nullable = false)]
    class: Option<String>,
    /// Pictures: JPEG, PNG, WebP or GIF.
    #[schema(nullable = false)]
    image: Option<Vec<Binary>>,
    /// One zip, tar or tar.gz of pictures, instead of `image`.
    #[schema(nullable = false)]
    archive: Option<Binary>,
}

/// Upload pictures, or an archive of pictures. The `class` field comes before the files.
#[utoipa::path(
    post, path = "/datasets/{id}/images", tag = "datasets", operation_id = "upload_images",
    params(("id" = DatasetId, Path, description = "The dataset"), IdempotencyHeader),
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
    key: IdempotencyKey,
    request: Request,
) -> Result<Response, Problem> {
    load(&app, id).await?;
    let mut form = multipart(request).await?;
    let mut class = None;
    let mut items = Vec::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "class" => {
                let name = text(field).await?;
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
            "archive" if items.is_empty() => {
                return take_archive(&app, key, (id, class), field).await;
            }
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
    if caused_by::<TimeoutError>(&error) {
        return Problem::Timeout;
    }
    Problem::Malformed("the form ended early, or is not multipart/form-data".into())
}

/// The text of a field.
pub(super) async fn text(mut field: Field<'_>) -> Result<String, Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_TEXT {
            return Err(Problem::invalid(name, format!("may be {MAX_TEXT} bytes long")));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::invalid(name, "is not UTF-8"))
}

/// The bytes of a picture, and its examination: a rejection names the code.
pub(super) async fn examine(
    mut field: Field<'_>,
    limits: &Limits,
) -> Result<(Bytes, Result<Examined, picture::Rejection>), Problem> {
    let mut bytes = Vec::new();
    let mut sent = 0;
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        // One byte over the limit is enough for the examination to say so; the rest is read and dropped.
        let room = (limits.max_bytes + 1).saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        sent += chunk.len();
        if sent > MAX_EXCESS * limits.max_bytes {
            let detail = format!("a picture may be {} bytes long", limits.max_bytes);
            return Err(Problem::TooLarge(detail));
        }
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
    let origin = Origin::Upload(name.clone());
    let arrival = Arrival { dataset, class, facts: &examined.facts, origin };
    let mut transaction = app.pool.begin().await?;
    dataset::store(&mut transaction, &app.blobs, dataset, bytes, &examined).await?;
    let admission = dataset::admit(&mut transaction, &app.blobs, &arrival).await?;
    transaction.commit().await?;
    let image_id = match admission {
        Admission::Stored(id) | Admission::Duplicate(id) => Some(id),
        Admission::Deleted => None,
    };
    Ok(Uploaded { name, outcome: admission.outcome().to_owned(), detail: None, image_id })
}

async fn take_archive(
    app: &App,
    key: IdempotencyKey,
    (dataset, class): (DatasetId, Option<ClassId>),
    mut field: Field<'_>,
) -> Result<Response, Problem> {
    let name = field.file_name().unwrap_or("archive").to_owned();
    let id = ImportJobId(Uuid::now_v7());
    let file = tempfile::NamedTempFile::new().map_err(anyhow::Error::from)?;
    let limit = ("an archive", app.config.max_upload);
    let digest = spool(&mut field, file.path(), limit).await?;
    app.blobs.put_file(&Key::Upload(id), file.path()).await?;
    let mut creation = match key.begin_with(&app.pool, digest).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => {
            app.blobs.delete(&Key::Upload(id)).await?;
            return Ok(response);
        }
    };
    let connection = creation.connection();
    import::insert(&mut *connection, id, dataset, class, &name).await?;
    queue::enqueue(&mut *connection, import::task(id)).await?;
    let job = import::find(connection, id).await?.ok_or(Problem::NotFound("import job"))?;
    creation.answer(StatusCode::ACCEPTED, Some(format!("/import-jobs/{id}")), &job).await
}

/// Writes the field's bytes, of `what` so many at most, to the file; their digest.
pub(super) async fn spool(
    field: &mut Field<'_>,
    path: &FilePath,
    (what, limit): (&str, u64),
) -> Result<Sha256, Problem> {
    let failed = |error: std::io::Error| Problem::from(anyhow::Error::from(error));
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let (mut written, mut hasher) = (0, sha2::Sha256::new());
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        written += chunk.len() as u64;
        if written > limit {
            return Err(Problem::TooLarge(format!("{what} may be {limit} bytes long")));
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(Sha256(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use tower_http::timeout::TimeoutBody;

    use super::*;

    #[tokio::test]
    async fn a_form_that_stalls_is_late_and_one_that_ends_early_is_malformed() {
        use futures::{StreamExt as _, stream};
        let begun = "--b\r\ncontent-disposition: form-data; name=\"class\"\r\n\r\nshi";
        let sent = || stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(begun)) });
        let stalled = Body::from_stream(sent().chain(stream::pending()));
        let stalled = Body::new(TimeoutBody::new(Duration::from_millis(10), stalled));
        for (body, late) in [(stalled, true), (Body::from_stream(sent()), false)] {
            let request = Request::builder()
                .header("content-type", "multipart/form-data; boundary=b")
                .body(body)
                .expect("a request");
            let mut form = multipart(request).await.expect("a form");
            let problem = match form.next_field().await {
                Ok(field) => text(field.expect("a field")).await.expect_err("it is cut off"),
                Err(error) => broken(error),
            };
            assert_eq!(matches!(problem, Problem::Timeout), late, "{problem:?}");
        }
    }
}
