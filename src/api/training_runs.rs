//! `/training-runs`: train a network on a snapshot, and watch how it goes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::extract::{Json, Path, Query};
use super::jobs;
use super::page::{Page, default_limit};
use super::problem::{Failures, FieldError, Problem};
use super::snapshots::{MAX_SEED, default_seed};
use crate::app::App;
use crate::dataset;
use crate::db::{DatasetId, SnapshotId, TrainingRunId};
use crate::model::architecture::Family;
use crate::queue::{self, JobStatus};
use crate::snapshot::{self, Snapshot};
use crate::training::experiment::{self, Experiment};
use crate::training::grid::{self, Grid, NamedRecipe};
use crate::training::pictures::Source;
use crate::training::preview::Preview;
use crate::training::{self, NewRun, Recipe, RunFilter, TrainingRun};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(preview))
}

/// What to train: one run, or with `grid` or `seeds` an experiment of many.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTrainingRun {
    /// A snapshot that is frozen.
    #[garde(skip)]
    snapshot_id: SnapshotId,
    /// Network, optimiser and augmentation; what is left out is the original study's.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Recipe)]
    recipe: Map<String, Value>,
    /// Seed of weights, dropout, order and augmentation: the same seed gives the same model; 1 without it.
    #[garde(inner(range(min = 0, max = MAX_SEED)))]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, nullable = false)]
    seed: Option<i64>,
    /// Values to try for each field of the recipe, by its path: `{"conv": [[32, 64], [32, 64, 128]],
    /// "augment.zoom": [0, 0.2]}`. Every combination is trained.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = std::collections::BTreeMap<String, Vec<Value>>)]
    grid: Grid,
    /// Seeds of an experiment: every combination is trained with each.
    #[garde(length(max = 100), inner(range(min = 0, max = MAX_SEED)))]
    #[serde(default)]
    #[schema(max_items = 100)]
    seeds: Vec<i64>,
    /// Name of an experiment; what the grid varies without it.
    #[garde(inner(length(chars, min = 1, max = 200), custom(dataset::printable)))]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
}

impl NewTrainingRun {
    /// The recipes and the seeds to train each with.
    fn plan(&mut self) -> Result<(Vec<NamedRecipe>, Vec<i64>), Problem> {
        if self.seed.is_some() && !self.seeds.is_empty() {
            return Err(Problem::invalid("seeds", "name one seed or several, not both"));
        }
        let recipes = grid::combinations(&self.recipe, &self.grid).map_err(invalid)?;
        if recipes.iter().any(|named| named.recipe.family == Family::MobilenetV4Small) {
            let message = "this service cannot load pretrained weights yet";
            return Err(Problem::invalid("recipe.family", message));
        }
        self.seeds.sort_unstable();
        self.seeds.dedup();
        let seeds = match self.seeds.as_slice() {
            [] => vec![self.seed.unwrap_or_else(default_seed)],
            seeds => seeds.to_vec(),
        };
        if recipes.len() * seeds.len() > grid::MAX_RUNS {
            let message = format!("an experiment may have {} runs", grid::MAX_RUNS);
            return Err(Problem::invalid("seeds", message));
        }
        Ok((recipes, seeds))
    }

    /// What the experiment is called; `None` for a single run.
    fn experiment(&self) -> Option<String> {
        if self.grid.is_empty() && self.seeds.is_empty() {
            return None;
        }
        let varied: Vec<&str> = self.grid.keys().map(String::as_str).collect();
        let varied = if varied.is_empty() { "seeds".to_owned() } else { varied.join(" × ") };
        Some(self.name.clone().unwrap_or(varied))
    }
}

/// What was begun.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Begin {
    /// One run.
    Run(TrainingRun),
    /// A grid of runs.
    Experiment(Experiment),
}

/// Train a network on a snapshot; or, with `grid` or `seeds`, begin an experiment.
#[utoipa::path(
    post, path = "/training-runs", tag = "training runs", operation_id = "create_training_run",
    params(IdempotencyHeader),
    request_body = NewTrainingRun,
    responses(
        (status = 202, description = "Begun: a training run, or an experiment", body = Begin),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: mut new, body }: Json<NewTrainingRun>,
) -> Result<Response, Problem> {
    let (recipes, seeds) = new.plan()?;
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let snapshot = trainable(connection, new.snapshot_id).await?;
    for named in &recipes {
        named.recipe.validate_for(snapshot.classes.len()).map_err(invalid)?;
    }
    let pictures = i64::from(snapshot.counts.train);
    let experiment = match new.experiment() {
        Some(name) => Some(experiment::insert(&mut *connection, new.snapshot_id, &name).await?),
        None => None,
    };
    let mut first = None;
    for NamedRecipe { name, recipe } in recipes {
        for seed in &seeds {
            let part_of = experiment.map(|experiment| (experiment, name.clone()));
            let (snapshot, recipe) = (new.snapshot_id, recipe.clone());
            let run = NewRun { snapshot, part_of, recipe, seed: *seed, pictures };
            let id = training::insert(&mut *connection, &run).await?;
            queue::enqueue(&mut *connection, training::train_task(id)).await?;
            first.get_or_insert(id);
        }
    }
    let (location, begun) = if let Some(id) = experiment {
        let experiment = experiment::find(&mut *connection, id).await?;
        let experiment = experiment.ok_or(Problem::NotFound("experiment"))?;
        (format!("/experiments/{id}"), Begin::Experiment(experiment))
    } else {
        let id = first.ok_or(Problem::NotFound("training run"))?;
        let run = training::find(&mut *connection, id).await?;
        let run = run.ok_or(Problem::NotFound("training run"))?;
        (format!("/training-runs/{id}"), Begin::Run(run))
    };
    creation.answer(StatusCode::ACCEPTED, Some(location), &begun).await
}

/// A snapshot that can be trained on.
async fn trainable(connection: &mut PgConnection, id: SnapshotId) -> Result<Snapshot, Problem> {
    let snapshot = snapshot::find(connection, id).await?.ok_or(Problem::NotFound("snapshot"))?;
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
) -> Result<axum::Json<TrainingRun>, Problem> {
    let mut transaction = app.pool.begin().await?;
    queue::cancel(&mut *transaction, id.0).await?;
    if training::cancel(&mut *transaction, id).await? {
        transaction.commit().await?;
    }
    jobs::cancelled(load(&app, id).await?)
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
    let mut transaction = app.pool.begin().await?;
    let requeued = training::requeue(&mut *transaction, id).await?;
    if requeued {
        queue::enqueue(&mut *transaction, training::train_task(id)).await?;
        transaction.commit().await?;
    }
    jobs::retried(requeued, load(&app, id).await?)
}

/// What to show augmented samples of.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPreview {
    /// A snapshot that is frozen.
    #[garde(skip)]
    snapshot_id: SnapshotId,
    /// The recipe whose augmentation and picture size are shown.
    #[serde(default)]
    #[garde(skip)]
    recipe: Recipe,
    /// The seed of a run shows what that run sees.
    #[serde(default = "default_seed")]
    #[garde(range(min = 0, max = MAX_SEED))]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, default = 1)]
    seed: i64,
    /// Training pictures to show, each class in turn.
    #[serde(default = "default_rows")]
    #[garde(range(min = 1, max = 12))]
    #[schema(minimum = 1, maximum = 12, default = 6)]
    rows: u32,
    /// The picture itself and its samples.
    #[serde(default = "default_columns")]
    #[garde(range(min = 2, max = 12))]
    #[schema(minimum = 2, maximum = 12, default = 8)]
    columns: u32,
}

fn default_rows() -> u32 {
    6
}

fn default_columns() -> u32 {
    8
}

/// A sheet of augmented samples, to look at before training: a row per picture, first the picture itself.
#[utoipa::path(
    post, path = "/training-runs/preview", tag = "training runs", operation_id = "preview_augmentation",
    request_body = NewPreview,
    responses(
        (status = 200, description = "The sheet", body = Binary, content_type = "image/png"),
        Failures,
    )
)]
async fn preview(
    State(app): State<Arc<App>>,
    Json { value: new, .. }: Json<NewPreview>,
) -> Result<Response, Problem> {
    new.recipe.validate().map_err(invalid)?;
    let mut connection = app.pool.acquire().await?;
    let snapshot = trainable(&mut connection, new.snapshot_id).await?;
    let members = snapshot::members(&mut *connection, snapshot.id).await?;
    drop(connection);
    let source = Source { pool: &app.pool, blobs: &app.blobs, dataset: snapshot.dataset_id };
    let NewPreview { recipe, seed, rows, columns, .. } = new;
    let preview = Preview { recipe, seed: seed as u64, rows, columns };
    let png = preview.png(source, &members).await.map_err(anyhow::Error::from)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}
