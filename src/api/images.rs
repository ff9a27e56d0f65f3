//! `/images`: browse, look, trace, delete.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::extract::{Path, Query};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, Problem};
use super::{checks, classes};
use crate::app::App;
use crate::blobs::Key;
use crate::cleaning::{self, Verdict};
use crate::dataset::{self, Image, ImageFilter, ImageState, Sighting};
use crate::db::{DatasetId, ImageId, Order, Sha256};
use crate::queue;
use crate::{picture, snapshot};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, erase))
        .routes(routes!(file))
        .routes(routes!(thumbnail))
        .routes(routes!(lineage))
        .routes(routes!(remove))
}

/// An image with the newest verdict of each check.
#[derive(Serialize, ToSchema)]
pub(super) struct ImageView {
    #[serde(flatten)]
    pub(super) image: Image,
    /// The newest verdict of each check that looked at it.
    verdicts: Vec<Verdict>,
}

pub(super) async fn with_verdicts(
    app: &App,
    images: Vec<Image>,
) -> Result<Vec<ImageView>, Problem> {
    let ids: Vec<ImageId> = images.iter().map(|image| image.id).collect();
    let mut verdicts = cleaning::newest_verdicts(&app.pool, &ids).await?;
    let view = |image: Image| {
        let own = verdicts.extract_if(.., |verdict| verdict.image_id == image.id).collect();
        ImageView { image, verdicts: own }
    };
    Ok(images.into_iter().map(view).collect())
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of this dataset.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    dataset_id: Option<DatasetId>,
    /// Of the class with this name.
    #[garde(skip)]
    class: Option<String>,
    /// In this state; deleted images are listed only when asked for.
    #[garde(skip)]
    state: Option<ImageState>,
    /// Flagged by the newest verdict of this check.
    #[garde(inner(custom(checks::exists)))]
    check: Option<String>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
    /// The order; `oldest` without it.
    #[garde(skip)]
    #[param(inline)]
    sort: Option<Order>,
}

/// Images with their verdicts.
#[utoipa::path(
    get, path = "/images", tag = "images", operation_id = "list_images", params(ListQuery),
    responses((status = 200, description = "A page of images", body = Page<ImageView>), Failures)
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<ImageView>>, Problem> {
    if let (Some(dataset), Some(name)) = (query.dataset_id, &query.class) {
        let mut connection = app.pool.acquire().await?;
        if dataset::find(&mut connection, dataset).await?.is_some() {
            classes::named(&mut *connection, dataset, name).await?;
        }
    }
    let sort = query.sort.unwrap_or(Order::Oldest);
    let filter = ImageFilter {
        dataset: query.dataset_id,
        class: query.class,
        state: query.state,
        check: query.check,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
    };
    let rows = dataset::list_images(&app.pool, &filter, query.limit + 1).await?;
    let page = Page::sorted(rows, query.limit, sort, |image| image.id);
    let items = with_verdicts(&app, page.items).await?;
    Ok(axum::Json(Page { items, next_cursor: page.next_cursor }))
}

async fn load(app: &App, id: ImageId) -> Result<Image, Problem> {
    dataset::find_image(&app.pool, id).await?.ok_or(Problem::NotFound("image"))
}

/// An image with its verdicts.
#[utoipa::path(
    get, path = "/images/{id}", tag = "images", operation_id = "get_image",
    params(("id" = ImageId, Path, description = "The image")),
    responses((status = 200, description = "The image", body = ImageView), Failures)
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<ImageId>,
) -> Result<axum::Json<ImageView>, Problem> {
    let mut views = with_verdicts(&app, vec![load(&app, id).await?]).await?;
    Ok(axum::Json(views.remove(0)))
}

/// The original bytes, as a download: they came from a stranger and are not to be rendered in place.
#[utoipa::path(
    get, path = "/images/{id}/file", tag = "images", operation_id = "get_image_file",
    params(("id" = ImageId, Path, description = "The image")),
    responses(
        (status = 200, description = "The original bytes", body = Binary, content_type = "application/octet-stream"),
        Failures,
    )
)]
async fn file(State(app): State<Arc<App>>, Path(id): Path<ImageId>) -> Result<Response, Problem> {
    let image = load(&app, id).await?;
    let bytes = if let Some(bytes) = app.blobs.get(&image.key()).await? {
        bytes
    } else {
        // The bytes may have moved between the row and here: read the row once more.
        let image = load(&app, id).await?;
        app.blobs.get(&image.key()).await?.ok_or(Problem::NotFound("file"))?
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    let sandbox = HeaderValue::from_static("sandbox; default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    Ok((headers, bytes).into_response())
}

/// A JPEG of at most 256 pixels a side, made by us.
#[utoipa::path(
    get, path = "/images/{id}/thumbnail", tag = "images", operation_id = "get_image_thumbnail",
    params(("id" = ImageId, Path, description = "The image")),
    responses(
        (status = 200, description = "The thumbnail", body = Binary, content_type = "image/jpeg"),
        Failures,
    )
)]
async fn thumbnail(
    State(app): State<Arc<App>>,
    Path(id): Path<ImageId>,
) -> Result<Response, Problem> {
    let sha256 = load(&app, id).await?.sha256;
    let bytes: Option<Bytes> = app.blobs.get(&Key::Thumbnail(sha256)).await?;
    let bytes = bytes.ok_or(Problem::NotFound("thumbnail"))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    let immutable = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, immutable);
    Ok((headers, bytes).into_response())
}

/// Where an image came from, and where it went.
#[derive(Serialize, ToSchema)]
struct Lineage {
    /// The image with its verdicts.
    image: ImageView,
    /// Each time it was found or uploaded, the first one first.
    sightings: Vec<Sighting>,
    /// Snapshots that froze it, with the models trained on them.
    snapshots: Vec<snapshot::Use>,
}

/// From the pages that showed the picture to the models that saw it.
#[utoipa::path(
    get, path = "/images/{id}/lineage", tag = "images", operation_id = "get_image_lineage",
    params(("id" = ImageId, Path, description = "The image")),
    responses((status = 200, description = "The lineage", body = Lineage), Failures)
)]
async fn lineage(
    State(app): State<Arc<App>>,
    Path(id): Path<ImageId>,
) -> Result<axum::Json<Lineage>, Problem> {
    let image = load(&app, id).await?;
    let sha256 = image.sha256;
    let sightings = dataset::list_sightings(&app.pool, id).await?;
    let snapshots = snapshot::uses(&app.pool, sha256).await?;
    let mut views = with_verdicts(&app, vec![image]).await?;
    Ok(axum::Json(Lineage { image: views.remove(0), sightings, snapshots }))
}

/// Take an image out of its dataset. The row stays, so that a later scrape does not bring it back.
#[utoipa::path(
    delete, path = "/datasets/{id}/images/{image}", tag = "images", operation_id = "remove_image",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        ("image" = ImageId, Path, description = "The image"),
    ),
    responses((status = 204, description = "Taken out"), Failures)
)]
async fn remove(
    State(app): State<Arc<App>>,
    Path((id, image)): Path<(DatasetId, ImageId)>,
) -> Result<StatusCode, Problem> {
    let image = load(&app, image).await?;
    if image.dataset_id != id {
        return Err(Problem::NotFound("image"));
    }
    let mut transaction = app.pool.begin().await?;
    dataset::delete_image(&mut *transaction, image.id).await?;
    // It may have been the kept one among duplicates: the others are decided again.
    cleaning::reopen(&mut transaction, &[image.id]).await?;
    let removal = dataset::removal_task(id, places(&image).map(|key| key.to_string()).into());
    queue::enqueue(&mut *transaction, removal).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where the bytes of an image may lie: a move may be under way.
fn places(image: &Image) -> [Key; 2] {
    let (dataset, sha256) = (image.dataset_id, image.sha256);
    [Key::Image(dataset, sha256), Key::Flagged(dataset, sha256)]
}

/// What saw a picture before it was erased.
#[derive(Serialize, ToSchema)]
struct Erased {
    /// The erased bytes.
    sha256: Sha256,
    /// Images of all datasets that are deleted now.
    images: Vec<ImageId>,
    /// Snapshots that froze it, with the models trained on them: they saw it, and still have what they learnt.
    snapshots: Vec<snapshot::Use>,
}

/// Erase these bytes from every dataset. A tombstone stays: a later scrape skips them.
#[utoipa::path(
    delete, path = "/images/{id}", tag = "images", operation_id = "erase_image",
    params(("id" = ImageId, Path, description = "An image that shows the picture")),
    responses((status = 200, description = "What saw the picture", body = Erased), Failures)
)]
async fn erase(
    State(app): State<Arc<App>>,
    Path(id): Path<ImageId>,
) -> Result<axum::Json<Erased>, Problem> {
    let Image { sha256, dataset_id: dataset, .. } = load(&app, id).await?;
    let mut transaction = app.pool.begin().await?;
    picture::erase(&mut *transaction, sha256).await?;
    let images = dataset::delete_everywhere(&mut transaction, sha256).await?;
    let ids: Vec<ImageId> = images.iter().map(|image| image.id).collect();
    cleaning::reopen(&mut transaction, &ids).await?;
    let references = dataset::erase_references(&mut *transaction, sha256).await?;
    let references = references.into_iter().map(|dataset| Key::Reference(dataset, sha256));
    let keys = images.iter().flat_map(places).chain(references).map(|key| key.to_string());
    let removal = dataset::removal_task(dataset, keys.collect());
    queue::enqueue(&mut *transaction, removal).await?;
    transaction.commit().await?;
    let snapshots = snapshot::uses(&app.pool, sha256).await?;
    Ok(axum::Json(Erased { sha256, images: ids, snapshots }))
}
