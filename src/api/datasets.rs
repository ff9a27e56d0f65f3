//! `/datasets`: create, list, rename and delete collections.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use super::extract::{Json, Path, Query};
use super::page::{Page, behind, default_limit};
use super::problem::{Failures, Problem};
use crate::app::App;
use crate::blobs::Key;
use crate::cleaning::{self, JobFilter};
use crate::dataset::import::{self, ImportFilter};
use crate::dataset::{self, Dataset, DatasetCursor, DatasetOrder, NewClass};
use crate::db::DatasetId;
use crate::model::{self, ModelFilter};
use crate::queue;
use crate::scrape::{self, ScrapeJobFilter};
use crate::snapshot::{self, SnapshotFilter};
use crate::training::{self, RunFilter};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, change, remove))
}

/// A dataset to create.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDataset {
    /// Unique among the datasets.
    #[garde(length(chars, min = 1, max = 200), custom(dataset::printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its classes; more can be added later.
    #[serde(default)]
    #[garde(length(max = 1000), dive)]
    #[schema(max_items = 1000)]
    classes: Vec<NewClass>,
}

pub(super) fn taken(what: &str, name: &str) -> Problem {
    Problem::Conflict("name_taken", format!("there is a {what} named {name:?} already"))
}

/// Create a dataset with its classes.
#[utoipa::path(
    post, path = "/datasets", tag = "datasets", operation_id = "create_dataset",
    params(IdempotencyHeader),
    request_body = NewDataset,
    responses(
        (status = 201, description = "Created", body = Dataset),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: new, body }: Json<NewDataset>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    if let Some(name) = repeated(&new.classes) {
        return Err(Problem::invalid("classes", format!("two classes are named {name:?}")));
    }
    let created = dataset::insert(creation.connection(), &new.name, &new.classes).await?;
    let created = created.map_err(|_| taken("dataset", &new.name))?;
    let location = format!("/datasets/{}", created.id);
    creation.answer(StatusCode::CREATED, Some(location), &created).await
}

fn repeated(classes: &[NewClass]) -> Option<&str> {
    let mut seen = std::collections::HashSet::new();
    classes.iter().map(|class| class.name.as_str()).find(|name| !seen.insert(*name))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
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
    sort: Option<DatasetOrder>,
}

/// The datasets.
#[utoipa::path(
    get, path = "/datasets", tag = "datasets", operation_id = "list_datasets", params(ListQuery),
    responses(
        (status = 200, description = "A page of datasets", body = Page<Dataset>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Dataset>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let after = match sort {
        DatasetOrder::Name => DatasetCursor::Name(behind(sort, query.cursor.as_deref())?),
        _ => DatasetCursor::Id(behind(sort, query.cursor.as_deref())?),
    };
    let mut connection = app.pool.acquire().await?;
    let rows = dataset::list(&mut connection, sort, &after, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |dataset| match sort {
        DatasetOrder::Name => dataset.name.clone(),
        _ => dataset.id.to_string(),
    })))
}

pub(super) async fn load(app: &App, id: DatasetId) -> Result<Dataset, Problem> {
    let mut connection = app.pool.acquire().await?;
    dataset::find(&mut connection, id).await?.ok_or(Problem::NotFound("dataset"))
}

/// A dataset with its classes and counts.
#[utoipa::path(
    get, path = "/datasets/{id}", tag = "datasets", operation_id = "get_dataset",
    params(("id" = DatasetId, Path, description = "The dataset")),
    responses(
        (status = 200, description = "The dataset", body = Dataset),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
) -> Result<axum::Json<Dataset>, Problem> {
    load(&app, id).await.map(axum::Json)
}

/// What changes in a dataset.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct DatasetChange {
    /// Its new name.
    #[garde(length(chars, min = 1, max = 200), custom(dataset::printable))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// Rename a dataset.
#[utoipa::path(
    patch, path = "/datasets/{id}", tag = "datasets", operation_id = "change_dataset",
    params(("id" = DatasetId, Path, description = "The dataset")), request_body = DatasetChange,
    responses(
        (status = 200, description = "The dataset", body = Dataset),
        Failures,
    )
)]
async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    Json { value: change, .. }: Json<DatasetChange>,
) -> Result<axum::Json<Dataset>, Problem> {
    let renamed = dataset::rename(&app.pool, id, &change.name).await?;
    if !renamed.map_err(|_| taken("dataset", &change.name))? {
        return Err(Problem::NotFound("dataset"));
    }
    load(&app, id).await.map(axum::Json)
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Removal {
    /// Delete its snapshots, training runs and models too; without it, a dataset that has any stays (409).
    #[garde(skip)]
    #[serde(default)]
    #[param(default = false)]
    cascade: bool,
}

/// Delete a dataset with its images, jobs and verdicts; its bytes go within moments.
#[utoipa::path(
    delete, path = "/datasets/{id}", tag = "datasets", operation_id = "delete_dataset",
    params(("id" = DatasetId, Path, description = "The dataset"), Removal),
    responses(
        (status = 204, description = "Deleted"),
        Failures,
    )
)]
async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<DatasetId>,
    Query(removal): Query<Removal>,
) -> Result<Response, Problem> {
    let models = ModelFilter { dataset: Some(id), ..ModelFilter::default() };
    let in_use = async || -> sqlx::Result<bool> {
        let imported = !model::list(&app.pool, models, 1).await?.is_empty();
        Ok(imported || dataset::has_snapshots(&app.pool, id).await?)
    };
    if !removal.cascade && in_use().await? {
        return Err(Problem::Conflict(
            "dataset_in_use",
            "snapshots or models rest on this dataset: ?cascade=true deletes them too".into(),
        ));
    }
    let mut transaction = app.pool.begin().await?;
    let prefixes = end_work(&mut transaction, id).await?;
    if !dataset::delete(&mut *transaction, id).await? {
        return Err(Problem::NotFound("dataset"));
    }
    queue::enqueue(&mut *transaction, dataset::removal_task(id, prefixes)).await?;
    transaction.commit().await?;
    // Other processes follow within moments; a failure here is theirs to mend too.
    if let Err(error) = app.classifier.refresh().await {
        tracing::debug!(error = format!("{error:#}"), "the models were not refreshed");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends what works on the dataset, and says what the paths of its bytes begin with: its pictures, its models (their
/// files name the snapshot, so no other dataset shares one), its runs' checkpoints, its archives.
async fn end_work(connection: &mut PgConnection, id: DatasetId) -> Result<Vec<String>, Problem> {
    let mut prefixes = vec![Key::dataset_prefix(id)];
    let mut subjects = Vec::new();
    let imports = ImportFilter { dataset: Some(id), ..ImportFilter::default() };
    for job in import::list(&mut *connection, &imports, i64::MAX).await? {
        prefixes.push(Key::Upload(job.id).to_string());
        subjects.push(job.id.0);
    }
    let scrapes = ScrapeJobFilter { dataset: Some(id), ..ScrapeJobFilter::default() };
    let scrapes = scrape::list_jobs(&mut *connection, &scrapes, i64::MAX).await?;
    subjects.extend(scrapes.iter().map(|job| job.id.0));
    let cleanings = JobFilter { dataset: Some(id), ..JobFilter::default() };
    let cleanings = cleaning::job::list(&mut *connection, &cleanings, i64::MAX).await?;
    subjects.extend(cleanings.iter().map(|job| job.id.0));
    let snapshots = SnapshotFilter { dataset: Some(id), ..SnapshotFilter::default() };
    let snapshots = snapshot::list(&mut *connection, &snapshots, i64::MAX).await?;
    subjects.extend(snapshots.iter().map(|snapshot| snapshot.id.0));
    let runs = RunFilter { dataset: Some(id), ..RunFilter::default() };
    for run in training::list(&mut *connection, &runs, i64::MAX).await? {
        prefixes.push(Key::checkpoint_prefix(run.id));
        subjects.push(run.id.0);
    }
    let models = ModelFilter { dataset: Some(id), ..ModelFilter::default() };
    let models = model::list(&mut *connection, models, i64::MAX).await?;
    prefixes.extend(models.into_iter().map(|model| Key::Model(model.sha256).to_string()));
    for subject in subjects {
        queue::cancel(&mut *connection, subject).await?;
    }
    Ok(prefixes)
}
