//! `/training-runs`: train a network on a snapshot, and watch how it goes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::events;
use super::extract::{Json, Path, Query};
use super::page::{Page, default_limit};
use super::problem::{Failures, FieldError, Problem};
use super::snapshots::{MAX_SEED, default_seed};
use crate::app::App;
use crate::db::{DatasetId, SnapshotId, TrainingRunId};
use crate::queue::{self, JobStatus};
use crate::snapshot;
use crate::training::{self, NewRun, Recipe, RunFilter, TrainingRun};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(recipes))
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// A recipe with a name.
#[derive(Serialize, ToSchema)]
struct NamedRecipe {
    /// What people call it.
    name: String,
    /// Network, optimiser and augmentation.
    recipe: Recipe,
}

/// Ready-made recipes.
#[derive(Serialize, ToSchema)]
struct Recipes {
    /// The four networks of the original study, and a small one of today.
    items: Vec<NamedRecipe>,
}

/// Ready-made recipes: the four networks of the original study, and a small one of today.
#[utoipa::path(
    get, path = "/recipes", tag = "training runs", operation_id = "list_recipes",
    responses((status = 200, description = "The recipes", body = Recipes), Failures)
)]
async fn recipes() -> axum::Json<Recipes> {
    let named = |(name, recipe): (&str, Recipe)| NamedRecipe { name: name.to_owned(), recipe };
    let recipes = training::originals().into_iter().chain([("modern", training::modern())]);
    axum::Json(Recipes { items: recipes.map(named).collect() })
}

/// What to train.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTrainingRun {
    /// A snapshot that is frozen.
    #[garde(skip)]
    snapshot_id: SnapshotId,
    /// Network, optimiser and augmentation; what is left out is the original study's.
    #[serde(default)]
    #[garde(skip)]
    recipe: Recipe,
    /// Seed of weights, dropout, order and augmentation: the same seed gives the same model.
    #[serde(default = "default_seed")]
    #[garde(range(min = 0, max = MAX_SEED))]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, default = 1)]
    seed: i64,
}

/// Train a network on a snapshot.
#[utoipa::path(
    post, path = "/training-runs", tag = "training runs", operation_id = "create_training_run",
    params(IdempotencyHeader),
    request_body = NewTrainingRun,
    responses(
        (status = 202, description = "Begun", body = TrainingRun),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: new, body }: Json<NewTrainingRun>,
) -> Result<Response, Problem> {
    new.recipe.validate().map_err(invalid)?;
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let snapshot = snapshot::find(&mut *connection, new.snapshot_id).await?;
    let snapshot = snapshot.ok_or(Problem::NotFound("snapshot"))?;
    if snapshot.status != JobStatus::Succeeded {
        return Err(Problem::Conflict("snapshot_not_ready", "the snapshot is not frozen".into()));
    }
    if snapshot.missing > 0 {
        let detail = format!("{} pictures of the snapshot are gone", snapshot.missing);
        return Err(Problem::Conflict("snapshot_incomplete", detail));
    }
    new.recipe.validate_for(snapshot.classes.len()).map_err(invalid)?;
    let NewTrainingRun { snapshot_id, recipe, seed } = new;
    let pictures = i64::from(snapshot.counts.train);
    let new = NewRun { snapshot: snapshot_id, recipe, seed, pictures };
    let id = training::insert(&mut *connection, &new).await?;
    queue::enqueue(&mut *connection, training::train_task(id)).await?;
    let created = training::find(&mut *connection, id).await?;
    let created = created.ok_or(Problem::NotFound("training run"))?;
    creation.answer(StatusCode::ACCEPTED, Some(format!("/training-runs/{id}")), &created).await
}

fn invalid(errors: Vec<crate::model::FieldError>) -> Problem {
    let named =
        |e: crate::model::FieldError| FieldError::new(format!("recipe.{}", e.field), e.message);
    Problem::Invalid(errors.into_iter().map(named).collect())
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// On snapshots of this dataset.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    dataset_id: Option<DatasetId>,
    /// On this snapshot.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
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
    #[param(value_type = Option<String>)]
    cursor: Option<TrainingRunId>,
}

/// The training runs, newest first.
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
    let filter = RunFilter {
        dataset: query.dataset_id,
        snapshot: query.snapshot_id,
        status: query.status,
        before: query.cursor,
        ..RunFilter::default()
    };
    let rows = training::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |run| run.id.0)))
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

impl events::Job for TrainingRun {
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
    events::watch(move || {
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
) -> Result<axum::Json<TrainingRun>, Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    let cancelled = training::cancel(&mut *transaction, id).await?;
    transaction.commit().await?;
    let run = load(&app, id).await?;
    if cancelled || run.status == JobStatus::Cancelled {
        return Ok(axum::Json(run));
    }
    Err(Problem::Conflict("job_finished", "the training run has ended already".into()))
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
) -> Result<(StatusCode, axum::Json<TrainingRun>), Problem> {
    load(&app, id).await?;
    let mut transaction = app.pool.begin().await?;
    if !training::requeue(&mut *transaction, id).await? {
        let detail = "only a failed or cancelled training run is tried again";
        return Err(Problem::Conflict("job_not_retryable", detail.into()));
    }
    queue::enqueue(&mut *transaction, training::train_task(id)).await?;
    transaction.commit().await?;
    load(&app, id).await.map(|run| (StatusCode::ACCEPTED, axum::Json(run)))
}
