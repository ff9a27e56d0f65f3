//! `POST /models`: a model comes back from its file.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::binary::Binary;
use crate::api::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use crate::api::problem::{Failures, Problem};
use crate::api::uploads::{broken, multipart, spool, text};
use crate::app::App;
use crate::blobs::Key;
use crate::dataset;
use crate::db::{DatasetId, Sha256};
use crate::model::import::{self, ImportError, Imported};
use crate::model::{self, Model, NewModel, Source};
use crate::training::TRANSFORM;

/// One file at a time is in memory, whatever number of clients send one.
static READING: Semaphore = Semaphore::const_new(1);

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// The form of an import, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the parts are read from the stream; this is their description")]
struct ImportForm {
    /// The dataset that the model is listed under; it has a class of each of the model's names.
    #[schema(value_type = uuid::Uuid)]
    dataset_id: DatasetId,
    /// SHA-256 of the file in hexadecimal, as the `ETag` of its download: other bytes are refused.
    #[schema(min_length = 64, max_length = 64, nullable = false)]
    sha256: Option<String>,
    /// What `GET /models/{id}/file` or `GET /models/{id}/onnx` gave, of this service or of another one.
    file: Binary,
}

/// What was sent.
struct Sent {
    dataset: DatasetId,
    expected: Option<Sha256>,
    file: tempfile::NamedTempFile,
    /// Of the file.
    digest: Sha256,
}

/// Take a model back from its file. Every byte is verified before the model is listed; the file comes last in the form.
/// The model belongs to no training run; it is activated as any other.
#[utoipa::path(
    post, path = "/models", tag = "models", operation_id = "import_model",
    params(IdempotencyHeader),
    request_body(content = ImportForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The model", body = Model),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    request: Request,
) -> Result<Response, Problem> {
    let Sent { dataset, expected, file, digest } = receive(request).await?;
    let imported = {
        let _alone = READING.acquire().await.map_err(anyhow::Error::from)?;
        let path = file.path().to_owned();
        let read = tokio::task::spawn_blocking(move || read(&path, expected)).await;
        read.map_err(anyhow::Error::from)??
    };
    if imported.metadata.transform != TRANSFORM {
        let transform = &imported.metadata.transform;
        let detail = format!("it wants pictures by the transform {transform:?}, not {TRANSFORM}");
        return Err(Problem::Unprocessable("unknown_transform", detail));
    }
    let request = format!("{dataset} {expected:?} {digest}");
    let mut creation = match key.begin(&app.pool, request.as_bytes()).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let found = dataset::find(&mut *connection, dataset).await?;
    let found = found.ok_or_else(|| Problem::invalid("dataset_id", "there is no such dataset"))?;
    let known = |name: &String| found.classes.iter().any(|class| class.name == *name);
    if let Some(class) = imported.metadata.classes.iter().find(|name| !known(name)) {
        let detail = format!("the dataset has no class {class:?}, which the model tells apart");
        return Err(Problem::Unprocessable("unknown_class", detail));
    }
    let entry = entry(dataset, &imported);
    // What a deleted dataset leaves behind is not removed meanwhile.
    dataset::lock_address(&mut *connection, entry.sha256).await?;
    app.blobs.put(&Key::Model(entry.sha256), imported.file.into()).await?;
    let id = model::insert(&mut *connection, &entry).await?;
    let model = model::find(&mut *connection, id).await?.ok_or(Problem::NotFound("model"))?;
    creation.answer(StatusCode::CREATED, Some(format!("/models/{id}")), &model).await
}

async fn receive(request: Request) -> Result<Sent, Problem> {
    let mut form = multipart(request).await?;
    let (mut dataset, mut expected) = (None, None);
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "dataset_id" => {
                let id = text(field).await?.parse().ok().map(DatasetId);
                dataset = Some(id.ok_or_else(|| Problem::invalid("dataset_id", "must be a UUID"))?);
            }
            "sha256" => {
                let digest = text(field).await?.trim_matches('"').parse::<Sha256>();
                let wrong = |_| Problem::invalid("sha256", "must have 64 hexadecimal digits");
                expected = Some(digest.map_err(wrong)?);
            }
            "file" => {
                let missing = || Problem::invalid("dataset_id", "must come before the file");
                let dataset = dataset.ok_or_else(missing)?;
                let file = tempfile::NamedTempFile::new().map_err(anyhow::Error::from)?;
                let digest = spool(&mut field, file.path(), ("a model", import::MAX_BYTES)).await?;
                return Ok(Sent { dataset, expected, file, digest });
            }
            other => return Err(Problem::invalid(other, "is not a field of this form")),
        }
    }
    Err(Problem::invalid("file", "the form has no field file"))
}

fn read(path: &Path, expected: Option<Sha256>) -> Result<Imported, Problem> {
    let bytes = std::fs::read(path).map_err(anyhow::Error::from)?;
    import::read(bytes, expected).map_err(|error| match error {
        ImportError::OtherFormat(_) | ImportError::Foreign(_) => {
            Problem::UnsupportedMediaType(error.to_string())
        }
        error => Problem::Unprocessable(error.code(), error.to_string()),
    })
}

fn entry(dataset: DatasetId, imported: &Imported) -> NewModel {
    let Imported { metadata, form, file } = imported;
    NewModel {
        dataset,
        source: Source::Import(*form),
        classes: metadata.classes.clone(),
        sha256: Sha256::of(file),
        bytes: file.len() as i64,
        unfamiliar_below: metadata.unfamiliar_below.unwrap_or_default(),
        backbone: metadata.backbone,
    }
}
