//! `POST /training-runs/preview`: augmented samples, to look at before training.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{invalid, trainable};
use crate::api::binary::Binary;
use crate::api::extract::Json;
use crate::api::problem::{Failures, Problem};
use crate::api::snapshots::{MAX_SEED, default_seed};
use crate::app::App;
use crate::db::SnapshotId;
use crate::snapshot;
use crate::training::Recipe;
use crate::training::pictures::Source;
use crate::training::preset::Written;
use crate::training::preview::Preview;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// What to show augmented samples of.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPreview {
    /// A snapshot that is frozen.
    #[garde(skip)]
    snapshot_id: SnapshotId,
    /// The recipe whose augmentation, picture sizes and share of the pictures are shown.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Written)]
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
    let png = preview.png(source, &snapshot, members).await.map_err(anyhow::Error::from)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}
