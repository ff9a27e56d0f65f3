//! HTTP in, nouns out: one file per resource; no SQL, no pixels.
//!
//! A new resource is one file with a `routes()` and one line in [`routes`].

mod binary;
mod checks;
mod classes;
mod classify;
mod cleaning_jobs;
mod creation;
mod datasets;
mod duplicates;
mod experiments;
mod extract;
mod health;
mod images;
mod import_jobs;
mod jobs;
mod learning;
mod linger;
mod models;
mod page;
mod pictures;
mod problem;
mod recipes;
mod references;
mod review_queue;
mod reviews;
mod scrape_jobs;
mod server;
mod snapshots;
mod training_runs;
mod uploads;
mod wording;

pub use server::serve;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use self::problem::{Problem, ProblemBody};
use crate::app::App;

/// A stalled body is cut off after this long without a byte.
const BODY_STALL: Duration = Duration::from_secs(30);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "shipshape",
        description = "From a search phrase to a served image classifier: scrape, clean, train, classify.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    components(schemas(ProblemBody)),
    security(()),
    tags(
        (name = "datasets", description = "Collections of labelled images"),
        (name = "import jobs", description = "Uploaded archives that become images"),
        (name = "scrape jobs", description = "Requests for images, and the candidates they found"),
        (name = "images", description = "Pictures in datasets: browse, look, trace, delete"),
        (name = "cleaning jobs", description = "Passes of checks over a dataset, with their verdicts"),
        (name = "reviews", description = "What people decided about images"),
        (name = "snapshots", description = "Frozen datasets: what is trained on"),
        (name = "training runs", description = "One recipe on one snapshot with one seed"),
        (name = "experiments", description = "Grids of training runs side by side"),
        (name = "models", description = "What training runs published, and what was imported"),
        (name = "classify", description = "A photo in, class names and probabilities out"),
        (name = "service", description = "Health and metrics"),
    )
)]
struct Document;

/// Every route of the API, with its part of the document.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(health::routes())
        .merge(datasets::routes())
        .merge(classes::routes())
        .merge(references::routes())
        .merge(uploads::routes())
        .merge(import_jobs::routes())
        .merge(scrape_jobs::routes())
        .merge(checks::routes())
        .merge(cleaning_jobs::routes())
        .merge(duplicates::routes())
        .merge(images::routes())
        .merge(review_queue::routes())
        .merge(reviews::routes())
        .merge(snapshots::routes())
        .merge(training_runs::routes())
        .merge(learning::routes())
        .merge(recipes::routes())
        .merge(experiments::routes())
        .merge(models::routes())
        .merge(classify::routes())
}

/// The OpenAPI 3.1 document.
pub fn document() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// The service: API, document and its browser; `rest` (the page) answers what the API does not.
pub fn router(app: Arc<App>, rest: Router) -> Router {
    let (api, document) = routes().split_for_parts();
    let request_id = HeaderName::from_static("x-request-id");
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(request_id.clone(), MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::new(request_id))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(RequestBodyTimeoutLayer::new(BODY_STALL));
    api.with_state(app)
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .merge(rest)
        .fallback(async || Problem::NotFound("page"))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(axum::middleware::map_request(extract::admissible))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(layers)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that the layer wants")]
fn panicked(cause: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    use axum::response::IntoResponse;
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    Problem::Internal(anyhow::anyhow!("panicked: {text}")).into_response()
}
