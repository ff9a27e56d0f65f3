//! `/training-runs`: train a network on a snapshot, and watch how it goes.

mod changes;
mod creation;
mod preview;
mod retraining;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use garde::Validate;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{NoBody, Path, Query};
use super::jobs;
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, FieldError, Problem};
use crate::app::App;
use crate::db::{DatasetId, SnapshotId, TrainingRunId};
use crate::queue::{self, JobStatus};
use crate::snapshot::{self, Snapshot};
use crate::training::{self, RunFilter, RunOrder, TrainingRun};

/// The routes of this folder.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(changes::routes())
        .merge(creation::routes())
        .merge(preview::routes())
        .merge(retraining::routes())
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// A snapshot that can be trained on.
async fn trainable(connection: &mut PgConnection, id: SnapshotId) -> Result<Snapshot, Problem> {
    let snapshot = snapshot::find(connection, id).await?;
    let unknown = || Problem::invalid("snapshot_id", "there is no such snapshot");
    let snapshot = snapshot.ok_or_else(unknown)?;
    if snapshot.status != JobStatus::Succeeded {
        return Err(Problem::Conflict("snapshot_not_ready", "the snapshot is not frozen".into()));
    }
    if snapshot.missing > 0 {
        let detail = format!("{} pictures of the snapshot are gone", snapshot.missing);
        return Err(Problem::Conflict("snapshot_incomplete", detail));
    }
    Ok(snapshot)
}

/// Errors of a recipe, or of the grid that makes one, as those of the request.
fn invalid(errors: Vec<crate::model::FieldError>) -> Problem {
    let named = |e: crate::model::FieldError| {
        let own = e.field.starts_with("grid");
        let field = if own { e.field } else { format!("recipe.{}", e.field) };
        FieldError::new(field, e.message)
    };
    Problem::Invalid(errors.into_iter().map(named).collect())
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// On snapshots of this dataset.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    dataset_id: Option<DatasetId>,
    /// On this snapshot.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    snapshot_id: Option<SnapshotId>,
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
    sort: Option<RunOrder>,
}

/// The training runs.
#[utoipa::path(
    get, path = "/training-runs", tag = "training runs", operation_id = "list_training_runs",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of training runs", body = Page<TrainingRun>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<TrainingRun>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let filter = RunFilter {
        dataset: query.dataset_id,
        snapshot: query.snapshot_id,
        status: query.status,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
        ..RunFilter::default()
    };
    let rows = training::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |run| run.place(sort))))
}

pub(super) async fn load(app: &App, id: TrainingRunId) -> Result<TrainingRun, Problem> {
    training::find(&app.pool, id).await?.ok_or(Problem::NotFound("training run"))
}

/// A training run: where it stands and what came out.
#[utoipa::path(
    get, path = "/training-runs/{id}", tag = "training runs", operation_id = "get_training_run",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "The training run", body = TrainingRun),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
) -> Result<axum::Json<TrainingRun>, Problem> {
    load(&app, id).await.map(axum::Json)
}

impl jobs::Job for TrainingRun {
    fn status(&self) -> JobStatus {
        self.status
    }
}

/// The training run each time it changes, until it has ended.
#[utoipa::path(
    get, path = "/training-runs/{id}/events", tag = "training runs",
    operation_id = "watch_training_run",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "Server-sent events `job`", body = String,
         content_type = "text/event-stream"),
        Failures,
    )
)]
async fn watch(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
) -> Result<impl IntoResponse, Problem> {
    jobs::watch(move || {
        let app = Arc::clone(&app);
        async move { load(&app, id).await }
    })
    .await
}

/// Stop a training run, within a batch; its curve stays, and a retry goes on at its last complete epoch.
#[utoipa::path(
    post, path = "/training-runs/{id}/cancel", tag = "training runs",
    operation_id = "cancel_training_run",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "The cancelled training run", body = TrainingRun),
        Failures,
    )
)]
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
    _: NoBody,
) -> Result<axum::Json<TrainingRun>, Problem> {
    end(&app, id).await?;
    jobs::cancelled(load(&app, id).await?)
}

/// Ends a run `cancelled`, unless it has ended.
pub(super) async fn end(app: &App, id: TrainingRunId) -> Result<(), Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if training::cancel(&mut *transaction, id).await? {
        transaction.commit().await?;
    }
    Ok(())
}

/// Go on with a failed or cancelled training run.
#[utoipa::path(
    post, path = "/training-runs/{id}/retry", tag = "training runs",
    operation_id = "retry_training_run",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 202, description = "The queued training run", body = TrainingRun),
        Failures,
    )
)]
async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
    _: NoBody,
) -> Result<(StatusCode, axum::Json<TrainingRun>), Problem> {
    let requeued = requeue(&app, id).await?;
    jobs::retried(requeued, load(&app, id).await?)
}

/// Queues a run again; false when it has neither failed nor been cancelled.
pub(super) async fn requeue(app: &App, id: TrainingRunId) -> Result<bool, Problem> {
    let mut transaction = app.pool.begin().await?;
    let requeued = training::requeue(&mut *transaction, id).await?;
    if requeued {
        let run = training::find(&mut *transaction, id).await?;
        let run = run.ok_or(Problem::NotFound("training run"))?;
        trainable(&mut transaction, run.snapshot_id).await?;
        queue::enqueue(&mut *transaction, training::train_task(id)).await?;
        transaction.commit().await?;
    }
    Ok(requeued)
}
