//! `POST /training-runs`: one run, or a grid of them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{invalid, trainable};
use crate::api::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use crate::api::extract::Json;
use crate::api::problem::{Failures, Problem};
use crate::api::snapshots::{MAX_SEED, default_seed};
use crate::app::App;
use crate::db::SnapshotId;
use crate::model::pretrained::{Pretrained, PretrainedError};
use crate::training::experiment::{self, Experiment};
use crate::training::grid::{self, Grid, NamedRecipe};
use crate::training::preset::Written;
use crate::training::{self, NewRun, TrainingRun};
use crate::{dataset, queue};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create))
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
    #[schema(value_type = Written)]
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
        if self.name.is_some() && self.experiment().is_none() {
            return Err(Problem::invalid("name", "belongs to an experiment: name a grid or seeds"));
        }
        let recipes = grid::combinations(&self.recipe, &self.grid).map_err(invalid)?;
        self.seeds.sort_unstable();
        self.seeds.dedup();
        let seeds = match self.seeds.as_slice() {
            [] => vec![self.seed.unwrap_or_else(default_seed)],
            seeds => seeds.to_vec(),
        };
        if recipes.len() * seeds.len() > grid::MAX_RUNS {
            let message = format!("an experiment may have at most {} runs", grid::MAX_RUNS);
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
    Run(Box<TrainingRun>),
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
    if app.pretrained == Pretrained::Nowhere
        && recipes.iter().any(|named| named.recipe.family.is_over_pretrained())
    {
        let error = PretrainedError::Nowhere;
        return Err(Problem::Unprocessable(error.code(), error.to_string()));
    }
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let snapshot = trainable(connection, new.snapshot_id).await?;
    for named in &recipes {
        named.recipe.validate_for(snapshot.classes.len()).map_err(invalid)?;
    }
    let experiment = match new.experiment() {
        Some(name) => Some(experiment::insert(&mut *connection, new.snapshot_id, &name).await?),
        None => None,
    };
    let mut first = None;
    for NamedRecipe { name, recipe } in recipes {
        for seed in &seeds {
            let part_of = experiment.map(|experiment| (experiment, name.clone()));
            let total = training::pictures_to_see(&recipe, &snapshot);
            let (recipe, seed) = (recipe.clone(), *seed);
            let run =
                NewRun { snapshot: snapshot.id, part_of, recipe, seed, baseline: None, total };
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
        (format!("/training-runs/{id}"), Begin::Run(Box::new(run)))
    };
    creation.answer(StatusCode::ACCEPTED, Some(location), &begun).await
}
