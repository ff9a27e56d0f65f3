//! `/datasets/{id}/review-queue`: what waits for a person, the most suspicious first.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Path, Query};
use super::images::{ImageView, with_verdicts};
use super::page::{Page, default_limit, no_cursor};
use super::problem::{Failures, Problem};
use super::{checks, classes};
use crate::app::App;
use crate::cleaning::{Suspect, SuspectFilter, suspects};
use crate::dataset;
use crate::db::{DatasetId, ImageId};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A flagged image, with the newest verdict of each check and what they come to.
#[derive(Serialize, ToSchema)]
struct QueuedImage {
    #[serde(flatten)]
    image: ImageView,
    /// 0 to 1: one minus the product of the scores of the checks that flagged it, so that several reasons count for more
    /// than one of them.
    suspicion: f64,
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct QueueQuery {
    /// Flagged by this check, or not scannable by it.
    #[garde(inner(custom(checks::exists)))]
    check: Option<String>,
    /// Of this class.
    #[garde(skip)]
    class: Option<String>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
}

/// The flagged images of a dataset, those first against which most speaks, with the reasons. Decide by `POST /reviews`.
#[utoipa::path(
    get, path = "/datasets/{id}/review-queue", tag = "reviews", operation_id = "list_review_queue",
    params(("id" = DatasetId, Path, description = "The dataset"), QueueQuery),
    responses(
        (status = 200, description = "A page of flagged images", body = Page<QueuedImage>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    Query(query): Query<QueueQuery>,
) -> Result<axum::Json<Page<QueuedImage>>, Problem> {
    let mut connection = app.pool.acquire().await?;
    if dataset::find(&mut connection, id).await?.is_none() {
        return Err(Problem::NotFound("dataset"));
    }
    if let Some(name) = &query.class {
        classes::named(&mut *connection, id, name).await?;
    }
    let after = query.cursor.as_deref().map(place).transpose()?;
    let filter = SuspectFilter { dataset: id, check: query.check, class: query.class, after };
    let rows = suspects(&mut *connection, &filter, query.limit + 1).await?;
    let page = Page::cut(rows, query.limit, |row| format!("{}_{}", row.suspicion, row.image));
    let ids: Vec<ImageId> = page.items.iter().map(|row| row.image).collect();
    let images = dataset::images_by_id(&mut *connection, &ids).await?;
    let views = with_verdicts(&app, images).await?;
    let mut views: HashMap<ImageId, ImageView> =
        views.into_iter().map(|view| (view.image.id, view)).collect();
    let queued = |row: Suspect| {
        let image = views.remove(&row.image)?;
        Some(QueuedImage { image, suspicion: row.suspicion })
    };
    let items = page.items.into_iter().filter_map(queued).collect();
    Ok(axum::Json(Page { items, next_cursor: page.next_cursor }))
}

/// The place in the queue that a cursor names.
fn place(cursor: &str) -> Result<Suspect, Problem> {
    cursor
        .split_once('_')
        .and_then(|(suspicion, image)| {
            let suspicion = f64::from_str(suspicion).ok().filter(|value| value.is_finite())?;
            Some(Suspect { image: image.parse().ok()?, suspicion })
        })
        .ok_or_else(no_cursor)
}
