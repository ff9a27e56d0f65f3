//! `/training-runs/{id}/changes`: what is different since another run.

use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::extract::{Path, Query};
use crate::api::learning::finished;
use crate::api::problem::{Failures, Problem};
use crate::app::App;
use crate::db::TrainingRunId;
use crate::training::changes::{Changes, changes};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(since))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangesQuery {
    /// The earlier run, of the same dataset; the one that this run repeats without it.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    with: Option<TrainingRunId>,
}

/// What changed since an earlier run of the dataset: which pictures left, came or have another class, and the test accuracies
/// of both models on the test pictures of both, with their difference and its interval.
#[utoipa::path(
    get, path = "/training-runs/{id}/changes", tag = "training runs", operation_id = "get_changes",
    params(("id" = TrainingRunId, Path, description = "The training run"), ChangesQuery),
    responses(
        (status = 200, description = "What changed", body = Changes),
        Failures,
    )
)]
async fn since(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
    Query(query): Query<ChangesQuery>,
) -> Result<axum::Json<Changes>, Problem> {
    let after = finished(&app, id).await?;
    let Some(with) = query.with.or(after.baseline_id) else {
        let message = "this run repeats no other: name the run to compare with";
        return Err(Problem::invalid("with", message));
    };
    let before = match finished(&app, with).await {
        Ok(before) if before.dataset_id == after.dataset_id => before,
        Err(unfinished @ Problem::Conflict(..)) => return Err(unfinished),
        _ => return Err(Problem::invalid("with", "the dataset has no such training run")),
    };
    let mut connection = app.pool.acquire().await?;
    Ok(axum::Json(changes(&mut connection, &before, &after).await?))
}
