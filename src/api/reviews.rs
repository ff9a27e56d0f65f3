//! `/reviews`: what a person decides about images: keep, reject, another class, no problem; each can be taken back.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use garde::Validate;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::checks;
use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::extract::{Json, NoBody, Path, Query};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, FieldError, Problem};
use crate::app::App;
use crate::cleaning::review::{self, Decision};
use crate::cleaning::{NewReview, Review, ReviewFilter};
use crate::dataset::{self, ImageState};
use crate::db::{ClassId, DatasetId, ImageId, Order, ReviewId};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get)).routes(routes!(undo))
}

/// A decision about one or many images.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewRequest {
    /// The images; all of them, or, if one cannot be decided about, none.
    #[garde(length(min = 1, max = 1000))]
    #[schema(min_items = 1, max_items = 1000)]
    image_ids: Vec<ImageId>,
    /// What is decided.
    #[garde(skip)]
    decision: Decision,
    /// The new class; with `reclass` only.
    #[garde(inner(length(chars, min = 1, max = 100)))]
    #[schema(min_length = 1, max_length = 100)]
    class: Option<String>,
    /// The check that is wrong; with `not_a_problem` only.
    #[garde(inner(custom(checks::exists)))]
    check: Option<String>,
}

/// Decide about images: keep, reject, move to another class, or say that what a check finds is no problem.
#[utoipa::path(
    post, path = "/reviews", tag = "reviews", operation_id = "create_review",
    params(IdempotencyHeader),
    request_body = ReviewRequest,
    responses(
        (status = 201, description = "Decided", body = Review),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: request, body }: Json<ReviewRequest>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let connection = creation.connection();
    let new = check(connection, request).await?;
    let id = review::insert(connection, &new).await?;
    let review = review::find(&mut *connection, id).await?.ok_or(Problem::NotFound("review"))?;
    creation.answer(StatusCode::CREATED, Some(format!("/reviews/{id}")), &review).await
}

/// The rules that need the database: every image is there, and the class is of their dataset.
async fn check(
    connection: &mut PgConnection,
    request: ReviewRequest,
) -> Result<NewReview, Problem> {
    let found = review::images(&mut *connection, &request.image_ids).await?;
    let found: HashMap<ImageId, _> = found.into_iter().map(|image| (image.id, image)).collect();
    let wrong = |id: &ImageId| match found.get(id) {
        None => Some(format!("there is no image {id}")),
        Some(image) if image.state == ImageState::Deleted => Some(format!("{id} is deleted")),
        Some(_) => None,
    };
    let errors: Vec<FieldError> = request
        .image_ids
        .iter()
        .enumerate()
        .filter_map(|(at, id)| Some(FieldError::new(format!("image_ids[{at}]"), wrong(id)?)))
        .collect();
    if !errors.is_empty() {
        return Err(Problem::Invalid(errors));
    }
    let datasets: BTreeSet<DatasetId> = found.values().map(|image| image.dataset).collect();
    let class = match (request.decision, &request.class) {
        (Decision::Reclass, Some(name)) => Some(class_of(connection, &datasets, name).await?),
        (Decision::Reclass, None) => {
            return Err(Problem::invalid("class", "reclass needs the new class"));
        }
        (_, Some(_)) => return Err(Problem::invalid("class", "is for reclass only")),
        (_, None) => None,
    };
    match (request.decision, &request.check) {
        (Decision::NotAProblem, None) => {
            return Err(Problem::invalid("check", "not_a_problem needs the check that is wrong"));
        }
        (Decision::Keep | Decision::Reject | Decision::Reclass, Some(_)) => {
            return Err(Problem::invalid("check", "is for not_a_problem only"));
        }
        (Decision::NotAProblem, Some(_)) | (_, None) => {}
    }
    let mut images: Vec<ImageId> = found.into_keys().collect();
    images.sort_unstable();
    Ok(NewReview { images, decision: request.decision, class, check: request.check })
}

async fn class_of(
    connection: &mut PgConnection,
    datasets: &BTreeSet<DatasetId>,
    name: &str,
) -> Result<ClassId, Problem> {
    let [dataset] = datasets.iter().copied().collect::<Vec<_>>()[..] else {
        return Err(Problem::invalid("image_ids", "reclass takes images of one dataset"));
    };
    let class = dataset::find_class(connection, dataset, name).await?;
    class.ok_or_else(|| {
        Problem::invalid("class", format!("the dataset of the images has no class {name:?}"))
    })
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Reviews of this image.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    image_id: Option<ImageId>,
    /// Reviews of images of this dataset.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    dataset_id: Option<DatasetId>,
    /// Only those that were taken back, or only those that count.
    #[garde(skip)]
    undone: Option<bool>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
    /// The order; `newest` without it.
    #[garde(skip)]
    #[param(inline)]
    sort: Option<Order>,
}

/// The reviews.
#[utoipa::path(
    get, path = "/reviews", tag = "reviews", operation_id = "list_reviews", params(ListQuery),
    responses(
        (status = 200, description = "A page of reviews", body = Page<Review>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Review>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let after = behind(sort, query.cursor.as_deref())?;
    let filter = ReviewFilter {
        image: query.image_id,
        dataset: query.dataset_id,
        undone: query.undone,
        after,
        sort,
        ..ReviewFilter::default()
    };
    let rows = review::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |review| review.id)))
}

async fn load(app: &App, id: ReviewId) -> Result<Review, Problem> {
    review::find(&app.pool, id).await?.ok_or(Problem::NotFound("review"))
}

/// A review.
#[utoipa::path(
    get, path = "/reviews/{id}", tag = "reviews", operation_id = "get_review",
    params(("id" = ReviewId, Path, description = "The review")),
    responses(
        (status = 200, description = "The review", body = Review),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<ReviewId>,
) -> Result<axum::Json<Review>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// Take a review back, for all its images; an earlier review, or else the verdicts, count again.
#[utoipa::path(
    post, path = "/reviews/{id}/undo", tag = "reviews", operation_id = "undo_review",
    params(("id" = ReviewId, Path, description = "The review")),
    responses(
        (status = 200, description = "The review, taken back", body = Review),
        Failures,
    )
)]
async fn undo(
    State(app): State<Arc<App>>,
    Path(id): Path<ReviewId>,
    _: NoBody,
) -> Result<axum::Json<Review>, Problem> {
    let review = load(&app, id).await?;
    let mut transaction = app.pool.begin().await?;
    // A second undo finds the work done, and answers as the first one did.
    if review::undo(&mut transaction, &review).await? {
        transaction.commit().await?;
    }
    load(&app, id).await.map(axum::Json)
}
