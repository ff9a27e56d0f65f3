//! `POST /training-runs/{id}/retrain`: the same training on what the dataset is now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use crate::api::extract::{NoBody, Path};
use crate::api::learning::finished;
use crate::api::problem::{Failures, Problem};
use crate::api::snapshots;
use crate::app::App;
use crate::dataset;
use crate::db::TrainingRunId;
use crate::snapshot::{self, Division};
use crate::training::{self, NewRun, TrainingRun};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(retrain))
}

/// Train again, with the same recipe and seed, on what the dataset is now, cleaned and reviewed: a snapshot is frozen in
/// which every picture stays on its side of the split, and the new run begins once it is. What changed, between the
/// pictures and between the models, is at `/training-runs/{id}/changes` of the new run.
#[utoipa::path(
    post, path = "/training-runs/{id}/retrain", tag = "training runs", operation_id = "retrain",
    params(("id" = TrainingRunId, Path, description = "A finished training run"), IdempotencyHeader),
    responses(
        (status = 202, description = "The new training run", body = TrainingRun),
        Failures,
    )
)]
async fn retrain(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
    key: IdempotencyKey,
    _: NoBody,
) -> Result<Response, Problem> {
    let baseline = finished(&app, id).await?;
    let mut creation = match key.begin(&app.pool, &[]).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let earlier = snapshot::find(&mut *connection, baseline.snapshot_id).await?;
    let earlier = earlier.ok_or(Problem::NotFound("snapshot"))?;
    let dataset = dataset::find(&mut *connection, baseline.dataset_id).await?;
    let dataset = dataset.ok_or(Problem::NotFound("dataset"))?;
    let division = Division { test_fraction: earlier.test_fraction, seed: earlier.seed as u64 };
    let snapshot = snapshots::begin(&mut *connection, &dataset, division, Some(earlier.id)).await?;
    let run = NewRun {
        snapshot,
        part_of: None,
        recipe: baseline.recipe,
        seed: baseline.seed,
        baseline: Some(baseline.id),
        // Known when the snapshot is frozen.
        total: 0,
    };
    let id = training::insert(&mut *connection, &run).await?;
    let run = training::find(&mut *connection, id).await?;
    let run = run.ok_or(Problem::NotFound("training run"))?;
    creation.answer(StatusCode::ACCEPTED, Some(format!("/training-runs/{id}")), &run).await
}
