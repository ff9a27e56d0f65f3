//! `/datasets/{id}/duplicates`: the images of a dataset that look the same, as clusters.

use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Path, Query};
use super::page::{Page, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::Keeper;
use crate::cleaning::duplicates::{self, Cluster, ClusterFilter};
use crate::dataset;
use crate::db::{DatasetId, Sha256};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only clusters that are a label conflict.
    #[serde(default)]
    #[garde(skip)]
    #[param(default = false)]
    conflicts_only: bool,
    /// The rule by which keepers are named; `largest` without it.
    #[garde(skip)]
    #[param(inline)]
    keeper: Option<Keeper>,
    /// Clusters in a page, at most: one with fewer can have a next one.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    cursor: Option<Sha256>,
}

/// The duplicates of a dataset: clusters of accepted and flagged images that look the same, directly or through others, at
/// the highest threshold of the check `near_duplicate`, and images whose bytes were given under several classes and on which
/// nobody has decided.
#[utoipa::path(
    get, path = "/datasets/{id}/duplicates", tag = "cleaning jobs", operation_id = "list_duplicates",
    params(("id" = DatasetId, Path, description = "The dataset"), ListQuery),
    responses(
        (status = 200, description = "A page of clusters", body = Page<Cluster>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Cluster>>, Problem> {
    let mut connection = app.pool.acquire().await?;
    if dataset::find(&mut connection, id).await?.is_none() {
        return Err(Problem::NotFound("dataset"));
    }
    let filter = ClusterFilter {
        dataset: id,
        conflicts_only: query.conflicts_only,
        keeper: query.keeper.unwrap_or_default(),
        after: query.cursor,
    };
    let (items, next) = duplicates::list(&mut connection, &filter, query.limit as usize).await?;
    Ok(axum::Json(Page { items, next_cursor: next.map(|id| id.to_string()) }))
}
