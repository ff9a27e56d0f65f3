//! `/livez`, `/readyz`, `/metrics`: for the machine that watches the service.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::problem::{Failures, Problem};
use crate::app::App;

/// How long the database may take before the service is not ready.
const PING: Duration = Duration::from_secs(1);

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// The process runs; says nothing of what it depends on.
#[utoipa::path(
    get, path = "/livez", tag = "service", operation_id = "livez",
    responses((status = 200, description = "The process runs", body = String), Failures)
)]
async fn livez() -> &'static str {
    "ok"
}

/// The service can answer: the database does, and no shutdown is under way.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "readyz",
    responses((status = 200, description = "The service can answer", body = String), Failures)
)]
async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.shutdown.is_cancelled() {
        return Err(Problem::Unavailable("draining", "the service is shutting down".into()));
    }
    match tokio::time::timeout(PING, crate::db::ping(&app.pool)).await {
        Ok(Ok(())) => Ok("ok"),
        _ => Err(Problem::Unavailable("database_unavailable", "the database is silent".into())),
    }
}

/// Prometheus metrics.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses((status = 200, description = "Prometheus text format", body = String), Failures)
)]
async fn metrics(State(app): State<Arc<App>>) -> String {
    app.metrics.render()
}
