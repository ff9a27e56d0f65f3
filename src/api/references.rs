//! `/datasets/{id}/classes/{class}/references`: the pictures of a class that the tag check trusts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::multipart::Field;
use axum::extract::{Request, State};
use bytes::Bytes;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::classes::class_id;
use super::datasets::load;
use super::extract::Path;
use super::problem::{Failures, Problem};
use super::uploads::{MAX_PICTURES, broken, examine, multipart, text};
use crate::app::App;
use crate::blobs::Key;
use crate::dataset::{self, Dataset};
use crate::db::{DatasetId, ImageId, Sha256};
use crate::picture::{self, Limits};
use crate::queue;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(replace))
}

/// The form of a class's references, for the document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the parts are read from the stream; this is their description")]
struct ReferenceForm {
    /// Pictures that surely show the class: JPEG, PNG, WebP or GIF.
    #[schema(nullable = false)]
    image: Option<Vec<Binary>>,
    /// Ids of images of the dataset to use as references.
    #[schema(nullable = false)]
    image_id: Option<Vec<ImageId>>,
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
async fn replace(
    State(app): State<Arc<App>>,
    Path((id, class)): Path<(DatasetId, String)>,
    request: Request,
) -> Result<axum::Json<Dataset>, Problem> {
    let class = class_id(&app, id, &class).await?;
    let mut form = multipart(request).await?;
    let mut references = BTreeMap::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            _ if references.len() == MAX_PICTURES => {
                return Err(Problem::TooLarge(format!("a class has {MAX_PICTURES} references")));
            }
            "image" => references.extend([receive_reference(&app, id, field).await?]),
            "image_id" => references.extend([reuse(&app, id, field).await?]),
            other => return Err(Problem::invalid(other, "is not a field of this form")),
        }
    }
    if references.is_empty() {
        return Err(Problem::invalid("image", "send at least one picture"));
    }
    let mut transaction = app.pool.begin().await?;
    // In the order of their addresses: two requests with the same pictures must not wait for each other.
    for (sha256, thumbnail) in &references {
        dataset::lock_address(&mut *transaction, *sha256).await?;
        app.blobs.put(&Key::Thumbnail(*sha256), thumbnail.clone()).await?;
    }
    let references: Vec<Sha256> = references.into_keys().collect();
    let earlier = dataset::replace_references(&mut transaction, class, &references).await?;
    let prefixes = earlier.into_iter().map(|sha256| Key::Reference(id, sha256).to_string());
    let removal = dataset::removal_task(id, prefixes.collect());
    queue::enqueue(&mut *transaction, removal).await?;
    transaction.commit().await?;
    load(&app, id).await.map(axum::Json)
}

/// Stores the bytes of a new reference; its address and its thumbnail.
async fn receive_reference(
    app: &App,
    dataset: DatasetId,
    field: Field<'_>,
) -> Result<(Sha256, Bytes), Problem> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let (bytes, examined) = examine(field, &Limits::default()).await?;
    let examined =
        examined.map_err(|rejection| Problem::invalid("image", format!("{name}: {rejection}")))?;
    let sha256 = examined.facts.sha256;
    let mut transaction = app.pool.begin().await?;
    if !picture::insert(&mut transaction, &examined.facts).await? {
        return Err(Problem::Conflict("picture_erased", format!("{name} was erased for good")));
    }
    app.blobs.put(&Key::Reference(dataset, sha256), bytes).await?;
    transaction.commit().await?;
    Ok((sha256, examined.thumbnail.into()))
}

/// Copies an image of the dataset to the references; its address and its thumbnail.
async fn reuse(
    app: &App,
    dataset: DatasetId,
    field: Field<'_>,
) -> Result<(Sha256, Bytes), Problem> {
    let text = text(field).await?;
    let id: ImageId = text.parse().map_err(|_| Problem::invalid("image_id", "is not an id"))?;
    let unknown = || Problem::invalid("image_id", "names no image of this dataset");
    let image = dataset::find_image(&app.pool, id).await?;
    let image = image.filter(|image| image.dataset_id == dataset).ok_or_else(unknown)?;
    let bytes = app.blobs.get(&image.key()).await?.ok_or_else(unknown)?;
    let thumbnail = app.blobs.get(&Key::Thumbnail(image.sha256)).await?.ok_or_else(unknown)?;
    app.blobs.put(&Key::Reference(dataset, image.sha256), bytes).await?;
    Ok((image.sha256, thumbnail))
}
