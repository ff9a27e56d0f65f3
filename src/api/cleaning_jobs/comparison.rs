//! What a cleaning job says differently from another one.

use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::load;
use crate::api::checks;
use crate::api::extract::{Path, Query};
use crate::api::page::{Page, default_limit, no_cursor};
use crate::api::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::{
    DifferenceFilter, DifferenceTotal, JobDifference, difference_totals, differences,
};
use crate::db::{CleaningJobId, ImageId};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(compare)).routes(routes!(count))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DifferenceQuery {
    /// The job to compare with, of the same dataset.
    #[garde(skip)]
    #[param(value_type = uuid::Uuid)]
    with: CleaningJobId,
    /// Differences in this check.
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
}

/// What the job says differently from another one of the dataset, in the checks that both made: the other job's word is
/// `before`, this one's is `after`.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}/differences", tag = "cleaning jobs",
    operation_id = "compare_cleaning_jobs",
    params(("id" = CleaningJobId, Path, description = "The cleaning job"), DifferenceQuery),
    responses(
        (status = 200, description = "A page of differences", body = Page<JobDifference>),
        Failures,
    )
)]
async fn compare(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Query(query): Query<DifferenceQuery>,
) -> Result<axum::Json<Page<JobDifference>>, Problem> {
    check_pair(&app, id, query.with).await?;
    let after = query.cursor.as_deref().map(place).transpose()?;
    let filter = DifferenceFilter { check: query.check, after };
    let limit = query.limit;
    let rows = differences(&app.pool, (query.with, id), &filter, limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, limit, |row| format!("{}.{}", row.image_id, row.check))))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PairQuery {
    /// The job to compare with, of the same dataset.
    #[garde(skip)]
    #[param(value_type = uuid::Uuid)]
    with: CleaningJobId,
}

/// How many differences from the other job there are of each kind.
#[derive(Serialize, ToSchema)]
struct DifferenceTotals {
    /// In the order of checks; empty where both jobs say the same.
    items: Vec<DifferenceTotal>,
}

/// How much the job differs from another one of the dataset, in the checks that both made.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}/differences/totals", tag = "cleaning jobs",
    operation_id = "count_cleaning_job_differences",
    params(("id" = CleaningJobId, Path, description = "The cleaning job"), PairQuery),
    responses(
        (status = 200, description = "The totals", body = DifferenceTotals),
        Failures,
    )
)]
async fn count(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Query(query): Query<PairQuery>,
) -> Result<axum::Json<DifferenceTotals>, Problem> {
    check_pair(&app, id, query.with).await?;
    let items = difference_totals(&app.pool, (query.with, id)).await?;
    Ok(axum::Json(DifferenceTotals { items }))
}

/// Refuses jobs that are not of one dataset.
async fn check_pair(app: &App, id: CleaningJobId, with: CleaningJobId) -> Result<(), Problem> {
    let job = load(app, id).await?;
    match load(app, with).await {
        Ok(other) if other.dataset_id == job.dataset_id => Ok(()),
        Ok(_) | Err(Problem::NotFound(_)) => {
            Err(Problem::invalid("with", "the dataset has no such cleaning job"))
        }
        Err(problem) => Err(problem),
    }
}

/// The place in the list that a cursor names.
fn place(cursor: &str) -> Result<(ImageId, String), Problem> {
    cursor
        .split_once('.')
        .and_then(|(image, check)| Some((image.parse().ok()?, check.to_owned())))
        .ok_or_else(no_cursor)
}
