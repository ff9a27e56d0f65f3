//! The tagger calls of a cleaning job.

use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::load;
use crate::api::extract::{Path, Query};
use crate::api::page::{Page, default_limit};
use crate::api::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::{CallFilter, CallOutcome, TaggerCall, calls};
use crate::db::{CleaningJobId, TaggerCallId};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_calls))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CallQuery {
    /// Only calls with this outcome.
    #[garde(skip)]
    outcome: Option<CallOutcome>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    cursor: Option<TaggerCallId>,
}

/// The ledger of the job: each tagger call, what came of it and what it cost, newest first. The costs add up to the
/// job's `cost_usd`, but for jobs of versions before there was a ledger, which have no calls in it.
#[utoipa::path(
    get, path = "/cleaning-jobs/{id}/tagger-calls", tag = "cleaning jobs",
    operation_id = "list_tagger_calls",
    params(("id" = CleaningJobId, Path, description = "The cleaning job"), CallQuery),
    responses(
        (status = 200, description = "A page of tagger calls", body = Page<TaggerCall>),
        Failures,
    )
)]
async fn list_calls(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Query(query): Query<CallQuery>,
) -> Result<axum::Json<Page<TaggerCall>>, Problem> {
    load(&app, id).await?;
    let filter = CallFilter { outcome: query.outcome, after: query.cursor };
    let rows = calls(&app.pool, id, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |call| call.id.0)))
}
