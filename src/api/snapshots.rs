//! `/snapshots`: freeze a dataset, inspect the split.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::extract::{Json, NoBody, Path, Query};
use super::jobs;
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, FieldError, Problem};
use crate::app::App;
use crate::dataset::{self, Dataset};
use crate::db::{DatasetId, Order, SnapshotId};
use crate::queue::{self, JobStatus};
use crate::snapshot::{self, Division, Snapshot, SnapshotFilter, SnapshotImage, Split};
use crate::training;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(images))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// How to divide the dataset.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSnapshot {
    /// Share of each class that is held out.
    #[serde(default = "a_fifth")]
    #[garde(range(min = 0.05, max = 0.5))]
    #[schema(minimum = 0.05, maximum = 0.5, default = 0.2)]
    test_fraction: f64,
    /// The same seed over the same images gives the same split.
    #[serde(default = "default_seed")]
    #[garde(range(min = 0, max = MAX_SEED))]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, default = 1)]
    seed: i64,
    /// An earlier snapshot of the dataset: its pictures stay on their sides, so that models of both can be compared on
    /// the test pictures of both; fraction and seed divide what is new.
    #[garde(skip)]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false)]
    keeps_split_of: Option<SnapshotId>,
}

fn a_fifth() -> f64 {
    0.2
}

pub(super) fn default_seed() -> i64 {
    1
}

/// The largest integer that every JSON reader takes.
pub(super) const MAX_SEED: i64 = (1 << 53) - 1;

/// Freeze a dataset: its accepted images, in a split that never separates near-duplicates.
#[utoipa::path(
    post, path = "/datasets/{id}/snapshots", tag = "snapshots", operation_id = "create_snapshot",
    params(
        ("id" = DatasetId, Path, description = "The dataset"),
        IdempotencyHeader,
    ),
    request_body = NewSnapshot,
    responses(
        (status = 202, description = "Begun", body = Snapshot),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    key: IdempotencyKey,
    Json { value: new, body }: Json<NewSnapshot>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let dataset = dataset::find(&mut *connection, id).await?.ok_or(Problem::NotFound("dataset"))?;
    if let Some(earlier) = new.keeps_split_of {
        let earlier = snapshot::find(&mut *connection, earlier).await?;
        let frozen =
            |earlier: &Snapshot| earlier.dataset_id == id && earlier.status == JobStatus::Succeeded;
        if !earlier.as_ref().is_some_and(frozen) {
            let message = "the dataset has no such frozen snapshot";
            return Err(Problem::invalid("keeps_split_of", message));
        }
    }
    let division = Division { test_fraction: new.test_fraction, seed: new.seed as u64 };
    let snapshot = begin(connection, &dataset, division, new.keeps_split_of).await?;
    let created = snapshot::find(&mut *connection, snapshot).await?;
    let created = created.ok_or(Problem::NotFound("snapshot"))?;
    creation.answer(StatusCode::ACCEPTED, Some(format!("/snapshots/{snapshot}")), &created).await
}

/// Asks for a snapshot of a dataset of which one can be made.
pub(super) async fn begin(
    connection: &mut PgConnection,
    dataset: &Dataset,
    division: Division,
    keeps: Option<SnapshotId>,
) -> Result<SnapshotId, Problem> {
    let filled = dataset.classes.iter().filter(|class| class.counts.accepted > 0).count();
    if filled == 0 {
        let detail = "the dataset has no accepted image".to_owned();
        return Err(Problem::Unprocessable("empty_dataset", detail));
    }
    if filled == 1 {
        let message = "a classifier needs at least two with accepted images";
        let errors = vec![FieldError::new("classes", message)];
        return Err(Problem::Unfit("too_few_classes", errors));
    }
    let small: Vec<FieldError> = dataset
        .classes
        .iter()
        .enumerate()
        .filter(|(_, class)| class.counts.accepted == 1)
        .map(|(at, class)| {
            let message = format!(
                "{:?} has one accepted image, and needs one to train on and one to test",
                class.name
            );
            FieldError::new(format!("classes[{at}]"), message)
        })
        .collect();
    if !small.is_empty() {
        return Err(Problem::Unfit("class_too_small", small));
    }
    let snapshot = snapshot::insert(&mut *connection, dataset.id, division, keeps).await?;
    queue::enqueue(connection, snapshot::freeze_task(snapshot)).await?;
    Ok(snapshot)
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of this dataset.
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

/// The snapshots.
#[utoipa::path(
    get, path = "/snapshots", tag = "snapshots", operation_id = "list_snapshots", params(ListQuery),
    responses(
        (status = 200, description = "A page of snapshots", body = Page<Snapshot>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Snapshot>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let filter = SnapshotFilter {
        dataset: query.dataset_id,
        status: query.status,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
        ..SnapshotFilter::default()
    };
    let rows = snapshot::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |snapshot| snapshot.id)))
}

async fn load(app: &App, id: SnapshotId) -> Result<Snapshot, Problem> {
    snapshot::find(&app.pool, id).await?.ok_or(Problem::NotFound("snapshot"))
}

/// A snapshot with its split and leak count.
#[utoipa::path(
    get, path = "/snapshots/{id}", tag = "snapshots", operation_id = "get_snapshot",
    params(("id" = SnapshotId, Path, description = "The snapshot")),
    responses(
        (status = 200, description = "The snapshot", body = Snapshot),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<SnapshotId>,
) -> Result<axum::Json<Snapshot>, Problem> {
    load(&app, id).await.map(axum::Json)
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImagesQuery {
    /// On this side.
    #[garde(skip)]
    split: Option<Split>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(range(min = 0))]
    #[param(value_type = Option<String>)]
    cursor: Option<i32>,
}

/// The images of a snapshot, in its order.
#[utoipa::path(
    get, path = "/snapshots/{id}/images", tag = "snapshots", operation_id = "list_snapshot_images",
    params(("id" = SnapshotId, Path, description = "The snapshot"), ImagesQuery),
    responses(
        (status = 200, description = "A page of images", body = Page<SnapshotImage>),
        Failures,
    )
)]
async fn images(
    State(app): State<Arc<App>>,
    Path(id): Path<SnapshotId>,
    Query(query): Query<ImagesQuery>,
) -> Result<axum::Json<Page<SnapshotImage>>, Problem> {
    load(&app, id).await?;
    let filter = snapshot::ImageFilter { split: query.split, after: query.cursor };
    let rows = snapshot::list_images(&app.pool, id, filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |image| image.position)))
}

impl jobs::Job for Snapshot {
    fn status(&self) -> JobStatus {
        self.status
    }
}

/// The snapshot each time it changes, until it has ended.
#[utoipa::path(
    get, path = "/snapshots/{id}/events", tag = "snapshots", operation_id = "watch_snapshot",
    params(("id" = SnapshotId, Path, description = "The snapshot")),
    responses(
        (status = 200, description = "Server-sent events `job`", body = String,
         content_type = "text/event-stream"),
        Failures,
    )
)]
async fn watch(
    State(app): State<Arc<App>>,
    Path(id): Path<SnapshotId>,
) -> Result<impl IntoResponse, Problem> {
    jobs::watch(move || {
        let app = Arc::clone(&app);
        async move { load(&app, id).await }
    })
    .await
}

/// Stop the freezing.
#[utoipa::path(
    post, path = "/snapshots/{id}/cancel", tag = "snapshots", operation_id = "cancel_snapshot",
    params(("id" = SnapshotId, Path, description = "The snapshot")),
    responses(
        (status = 200, description = "The cancelled snapshot", body = Snapshot),
        Failures,
    )
)]
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<SnapshotId>,
    _: NoBody,
) -> Result<axum::Json<Snapshot>, Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if snapshot::cancel(&mut *transaction, id).await? {
        training::fail_waiting(&mut *transaction, id, "it was cancelled").await?;
        transaction.commit().await?;
    }
    jobs::cancelled(load(&app, id).await?)
}

/// Try a failed or cancelled freezing again.
#[utoipa::path(
    post, path = "/snapshots/{id}/retry", tag = "snapshots", operation_id = "retry_snapshot",
    params(("id" = SnapshotId, Path, description = "The snapshot")),
    responses(
        (status = 202, description = "The queued snapshot", body = Snapshot),
        Failures,
    )
)]
async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<SnapshotId>,
    _: NoBody,
) -> Result<(StatusCode, axum::Json<Snapshot>), Problem> {
    let mut transaction = app.pool.begin().await?;
    let requeued = snapshot::requeue(&mut *transaction, id).await?;
    if requeued {
        queue::enqueue(&mut *transaction, snapshot::freeze_task(id)).await?;
    }
    // Read before a worker can take it.
    let snapshot = snapshot::find(&mut *transaction, id).await?;
    transaction.commit().await?;
    jobs::retried(requeued, snapshot.ok_or(Problem::NotFound("snapshot"))?)
}
