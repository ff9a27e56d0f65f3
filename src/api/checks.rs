//! `/checks`: what a cleaning job can look for.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::problem::Failures;
use crate::app::App;
use crate::cleaning::checks;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Something that a cleaning job can look for.
#[derive(Serialize, ToSchema)]
struct Check {
    /// The name by which a job asks for it.
    name: &'static str,
    /// What is wrong with a picture that it flags.
    about: &'static str,
    /// The score, of 0 to 1, under which it flags when a job does not say; null where none can be said.
    threshold: Option<f64>,
    /// The highest threshold that a job may ask for; null where none can be said.
    highest_threshold: Option<f64>,
}

/// Whether a check has the name, for the validation of requests.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde calls it with a reference")]
pub(super) fn exists(name: &str, (): &()) -> garde::Result {
    let unknown = || garde::Error::new(format!("there is no check {name:?}; see GET /checks"));
    checks::named(name).map(|_| ()).ok_or_else(unknown)
}

/// The checks.
#[derive(Serialize, ToSchema)]
struct Checks {
    /// The cheap ones first.
    items: Vec<Check>,
}

/// What a cleaning job can look for.
#[utoipa::path(
    get, path = "/checks", tag = "cleaning jobs", operation_id = "list_checks",
    responses((status = 200, description = "The checks", body = Checks), Failures)
)]
async fn list() -> axum::Json<Checks> {
    let items = checks::ALL.map(|check| {
        let (name, about, threshold) = (check.name(), check.about(), check.threshold());
        let highest_threshold = threshold.map(|_| check.highest_threshold());
        Check { name, about, threshold, highest_threshold }
    });
    axum::Json(Checks { items: items.into() })
}
