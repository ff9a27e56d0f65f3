//! Starting a cleaning job: what may be asked for.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::{Array, ArrayBuilder, ObjectBuilder, Type};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::creation::{Begun, IdempotencyHeader, IdempotencyKey};
use crate::api::extract::Json;
use crate::api::problem::{Failures, FieldError, Problem};
use crate::app::App;
use crate::cleaning::{
    self, CleaningJob, Estimate, Keeper, NewJob, TagSettings, checks, job, learning,
};
use crate::dataset;
use crate::db::DatasetId;
use crate::queue;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(estimate))
}

/// A cleaning job to start.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCleaningJob {
    /// The dataset to clean.
    #[garde(skip)]
    dataset_id: DatasetId,
    /// Names of checks.
    #[garde(length(min = 1, max = 50))]
    #[schema(schema_with = check_names)]
    checks: Vec<String>,
    /// Settings of the `tags` check, the defaults when left out; refused where the check is not asked for.
    #[garde(dive)]
    tags: Option<TagSettings>,
    /// The score, of 0 to 1, under which a check flags, where it is not to be the usual one: of `blurry`, `dark`, `light`,
    /// `low_information`, `grayscale`, `odd_aspect_ratio`, `odd_size`, `outlier`, and of `near_duplicate`, up to 0.5.
    #[serde(default)]
    #[garde(skip)]
    thresholds: BTreeMap<String, f64>,
    /// Which one of near-duplicates is kept, `largest` when left out; where they are of several classes, all are flagged.
    #[serde(default)]
    #[garde(skip)]
    #[schema(inline)]
    keeper: Keeper,
    /// Show what would be flagged, and change nothing.
    #[serde(default)]
    #[garde(skip)]
    dry_run: bool,
    /// Most that the tagger may cost, in dollars; the job fails with `budget_exhausted` before it costs more.
    #[garde(inner(range(min = 0.0)))]
    #[schema(minimum = 0)]
    budget_usd: Option<f64>,
}

/// Checks by the registry's names, for the document.
fn check_names() -> Array {
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(checks::names()));
    ArrayBuilder::new()
        .items(name)
        .description(Some("Names of checks."))
        .min_items(Some(1))
        .max_items(Some(50))
        .build()
}

impl NewCleaningJob {
    /// The rules that go over several fields, or need the registry.
    fn checked(self) -> Result<NewJob, Problem> {
        let known = checks::names();
        let unknown = |(_, check): &(usize, &String)| !known.contains(&check.as_str());
        let errors: Vec<FieldError> = self
            .checks
            .iter()
            .enumerate()
            .filter(unknown)
            .map(|(at, check)| {
                let message = format!("unknown check {check:?}; known: {}", known.join(", "));
                FieldError::new(format!("checks[{at}]"), message)
            })
            .collect();
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        let thresholds = effective(&self.checks, self.thresholds)?;
        let mut checks = self.checks;
        let mut seen = HashSet::new();
        checks.retain(|check| seen.insert(check.clone()));
        let tags = checks.iter().any(|check| check == checks::TAGS);
        if !tags && self.tags.is_some() {
            return Err(Problem::invalid("tags", "the check is not asked for"));
        }
        let tags = tags.then(|| self.tags.unwrap_or_default());
        let (dry_run, budget_usd, keeper) = (self.dry_run, self.budget_usd, self.keeper);
        let dataset = self.dataset_id;
        Ok(NewJob { dataset, checks, tags, thresholds, keeper, dry_run, budget_usd })
    }
}

/// The threshold of each of the checks that have one: as asked for, else the usual one.
fn effective(
    checks: &[String],
    asked: BTreeMap<String, f64>,
) -> Result<BTreeMap<String, f64>, Problem> {
    let wanted = |name: &str| checks.iter().any(|check| check == name);
    let known: BTreeMap<&str, (f64, f64)> = checks::thresholds().collect();
    let errors: Vec<FieldError> = asked
        .iter()
        .filter_map(|(name, threshold)| {
            let message = match known.get(name.as_str()) {
                None => {
                    let known: Vec<&str> = known.keys().copied().collect();
                    let known = known.join(", ");
                    format!("no check of this name has a threshold; these have: {known}")
                }
                Some(_) if !wanted(name) => "the check is not asked for".to_owned(),
                Some((_, highest)) if !(0.0..=*highest).contains(threshold) => {
                    format!("must be from 0 to {highest}")
                }
                Some(_) => return None,
            };
            Some(FieldError::new(format!("thresholds.{name}"), message))
        })
        .collect();
    if !errors.is_empty() {
        return Err(Problem::Invalid(errors));
    }
    let usual = known.into_iter().filter(|(name, _)| wanted(name));
    let mut thresholds: BTreeMap<String, f64> =
        usual.map(|(name, (usual, _))| (name.to_owned(), usual)).collect();
    thresholds.extend(asked);
    Ok(thresholds)
}

/// Start a cleaning job.
#[utoipa::path(
    post, path = "/cleaning-jobs", tag = "cleaning jobs", operation_id = "create_cleaning_job",
    params(IdempotencyHeader),
    request_body = NewCleaningJob,
    responses(
        (status = 202, description = "Accepted", body = CleaningJob),
        Failures,
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    Json { value: new, body }: Json<NewCleaningJob>,
) -> Result<Response, Problem> {
    let mut creation = match key.begin(&app.pool, &body).await? {
        Begun::New(creation) => creation,
        Begun::Replayed(response) => return Ok(response),
    };
    let new = new.checked()?;
    let connection = creation.connection();
    let known = dataset::find(connection, new.dataset).await?.is_some();
    if !known {
        return Err(Problem::invalid("dataset_id", "there is no such dataset"));
    }
    if new.tags.is_some() {
        let missing = cleaning::unreferenced_classes(&mut *connection, new.dataset).await?;
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|name| format!("{name:?}")).collect();
            let detail = format!("no reference picture yet for: {}", names.join(", "));
            return Err(Problem::Conflict("references_missing", detail));
        }
    }
    if new.learns() {
        let material = learning::material(&mut *connection, new.dataset).await?;
        if let Some(why) = material.wanting() {
            return Err(Problem::Conflict("too_few_to_learn", why));
        }
    }
    let id = job::insert(&mut *connection, &new).await?;
    queue::enqueue(&mut *connection, job::plan_task(id)).await?;
    let job = job::find(&mut *connection, id).await?.ok_or(Problem::NotFound("cleaning job"))?;
    creation.answer(StatusCode::ACCEPTED, Some(format!("/cleaning-jobs/{id}")), &job).await
}

/// Estimate what a cleaning job would cost, and start none.
#[utoipa::path(
    post, path = "/cleaning-jobs/estimate", tag = "cleaning jobs",
    operation_id = "estimate_cleaning_job",
    request_body = NewCleaningJob,
    responses(
        (status = 200, description = "What it would do and cost", body = Estimate),
        Failures,
    )
)]
async fn estimate(
    State(app): State<Arc<App>>,
    Json { value: new, .. }: Json<NewCleaningJob>,
) -> Result<axum::Json<Estimate>, Problem> {
    let new = new.checked()?;
    let mut connection = app.pool.acquire().await?;
    if dataset::find(&mut connection, new.dataset).await?.is_none() {
        return Err(Problem::invalid("dataset_id", "there is no such dataset"));
    }
    let terms = app.terms(new.tags.clone().unwrap_or_default().tagger);
    Ok(axum::Json(cleaning::estimate(&mut connection, &new, terms).await?))
}
