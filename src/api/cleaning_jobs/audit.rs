//! How well a check of a cleaning job did, by what people say of a sample.

use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{load, made};
use crate::api::extract::{Path, Query};
use crate::api::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::{self, Audit};
use crate::db::CleaningJobId;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(audit))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// A check that the job made.
    #[garde(skip)]
    check: String,
    /// Pictures to sample.
    #[serde(default = "default_size")]
    #[garde(range(min = 2, max = 1000))]
    #[param(minimum = 2, maximum = 1000, default = 50)]
    size: i64,
}

fn default_size() -> i64 {
    50
}

/// A sample of what a check flagged and passed, the same one each time, and the check's precision and recall by the
/// reviews of it. A sampled picture is bad when it is rejected or moved to another class. Decide in the order of the sample:
/// on each side those count that come before the first undecided one, because what was decided for another reason, such as
/// its suspicion, is no fair sample. Works for dry runs, too.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}/audit", tag = "cleaning jobs", operation_id = "audit_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job"), AuditQuery),
    responses(
        (status = 200, description = "The sample and what it says", body = Audit),
        Failures,
    )
)]
async fn audit(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Query(query): Query<AuditQuery>,
) -> Result<axum::Json<Audit>, Problem> {
    let job = load(&app, id).await?;
    made(&job, &query.check)?;
    Ok(axum::Json(cleaning::audit(&app.pool, id, &query.check, query.size).await?))
}
