//! `/experiments`: grids of training runs side by side, and which recipe to take.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::extract::{NoBody, Path, Query};
use super::jobs;
use super::page::{Page, behind, default_limit};
use super::pictures::{Picture, Plot};
use super::problem::{Failures, Problem};
use super::training_runs;
use crate::app::App;
use crate::db::{DatasetId, ExperimentId, Order, SnapshotId};
use crate::queue::JobStatus;
use crate::training::comparison::{Rule, RuleName, Selection};
use crate::training::experiment::{self, Experiment, ExperimentFilter};
use crate::training::plot::{self, Curve};
use crate::training::{self, TrainingRun};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(picture))
        .routes(routes!(watch))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// On snapshots of this dataset.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    dataset_id: Option<DatasetId>,
    /// On this snapshot.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    snapshot_id: Option<SnapshotId>,
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

/// The experiments.
#[utoipa::path(
    get, path = "/experiments", tag = "experiments", operation_id = "list_experiments",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of experiments", body = Page<Experiment>),
        Failures,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<Experiment>>, Problem> {
    let sort = query.sort.unwrap_or_default();
    let filter = ExperimentFilter {
        dataset: query.dataset_id,
        snapshot: query.snapshot_id,
        after: behind(sort, query.cursor.as_deref())?,
        sort,
        only: None,
    };
    let rows = experiment::list(&app.pool, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::sorted(rows, query.limit, sort, |experiment| experiment.id)))
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RuleQuery {
    /// By which rule to choose.
    #[garde(skip)]
    #[serde(default)]
    #[param(default = "best_test")]
    rule: RuleName,
    /// Largest gap of `best_within_gap`, a fraction: 0.03 for 3 points.
    #[garde(inner(range(min = 0.0, max = 1.0)))]
    #[param(minimum = 0, maximum = 1, default = 0.03)]
    limit: Option<f64>,
}

impl RuleQuery {
    fn rule(&self) -> Result<Rule, Problem> {
        match (self.rule, self.limit) {
            (RuleName::BestTest, None) => Ok(Rule::BestTest),
            (RuleName::SmallestGap, None) => Ok(Rule::SmallestGap),
            (RuleName::BestWithinGap, limit) => {
                Ok(Rule::BestWithinGap { limit: limit.unwrap_or(0.03) })
            }
            (_, Some(_)) => Err(Problem::invalid("limit", "belongs to the rule best_within_gap")),
        }
    }
}

/// An experiment with its runs and the rule's choice.
#[derive(Serialize, ToSchema)]
struct ExperimentView {
    #[serde(flatten)]
    experiment: Experiment,
    /// Its runs, in the order of the grid.
    items: Vec<TrainingRun>,
    /// The recipes side by side, and the rule's pick among those with a run that has succeeded; null before there
    /// is one.
    selection: Option<Selection>,
}

async fn load(app: &App, id: ExperimentId) -> Result<Experiment, Problem> {
    experiment::find(&app.pool, id).await?.ok_or(Problem::NotFound("experiment"))
}

/// An experiment: its runs side by side, with intervals, verdicts, the rule's pick and why.
#[utoipa::path(
    get, path = "/experiments/{id}", tag = "experiments", operation_id = "get_experiment",
    params(("id" = ExperimentId, Path, description = "The experiment"), RuleQuery),
    responses(
        (status = 200, description = "The experiment", body = ExperimentView),
        Failures,
    )
)]
async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<ExperimentId>,
    Query(query): Query<RuleQuery>,
) -> Result<axum::Json<ExperimentView>, Problem> {
    let rule = query.rule()?;
    let experiment = load(&app, id).await?;
    let mut connection = app.pool.acquire().await?;
    let items = experiment::runs(&mut *connection, id).await?;
    let selection = experiment::choose(&mut connection, &items, rule).await?;
    Ok(axum::Json(ExperimentView { experiment, items, selection }))
}

/// A picture of an experiment, or its data: `comparison` (accuracies and gaps with intervals) and `curves` (the
/// learning curves of all runs), as `svg`, `png` or `csv`.
#[utoipa::path(
    get, path = "/experiments/{id}/pictures/{picture}", tag = "experiments",
    operation_id = "get_experiment_picture",
    params(
        ("id" = ExperimentId, Path, description = "The experiment"),
        ("picture" = String, Path, description = "For example `comparison.svg`",
         pattern = r"^(comparison|curves)\.(svg|png|csv)$"),
        RuleQuery,
    ),
    responses(
        (status = 200, description = "The picture", content(
            (String = "image/svg+xml"), (Binary = "image/png"), (String = "text/csv"),
        )),
        Failures,
    )
)]
async fn picture(
    State(app): State<Arc<App>>,
    Path((id, picture)): Path<(ExperimentId, String)>,
    Query(query): Query<RuleQuery>,
) -> Result<Response, Problem> {
    let picture = Picture::parse(&picture, &["comparison", "curves"])?;
    let experiment = load(&app, id).await?;
    let mut connection = app.pool.acquire().await?;
    let runs = experiment::runs(&mut *connection, id).await?;
    let plot = if picture.name == "comparison" {
        let selection = experiment::choose(&mut connection, &runs, query.rule()?).await?;
        let none = || Problem::Conflict("experiment_not_finished", "no run has succeeded".into());
        let selection = selection.ok_or_else(none)?;
        Plot {
            svg: plot::comparison_svg(&experiment.name, &selection),
            csv: plot::comparison_csv(&selection),
        }
    } else {
        let mut curves = Vec::with_capacity(runs.len());
        for run in &runs {
            let epochs = training::list_epochs(&mut *connection, run.id).await?;
            let name = format!("{} · seed {}", run.name, run.seed);
            curves.push(Curve { name, epochs, kept: run.kept() });
        }
        Plot { svg: plot::curves_svg(&experiment.name, &curves), csv: plot::curves_csv(&curves) }
    };
    picture.answer(plot).await
}

impl jobs::Job for Experiment {
    fn status(&self) -> JobStatus {
        match (self.unfinished, self.runs - self.succeeded) {
            (0, 0) => JobStatus::Succeeded,
            (0, _) => JobStatus::Failed,
            _ => JobStatus::Running,
        }
    }
}

/// The experiment each time it changes, until all its runs have ended.
#[utoipa::path(
    get, path = "/experiments/{id}/events", tag = "experiments", operation_id = "watch_experiment",
    params(("id" = ExperimentId, Path, description = "The experiment")),
    responses(
        (status = 200, description = "Server-sent events `job`", body = String,
         content_type = "text/event-stream"),
        Failures,
    )
)]
async fn watch(
    State(app): State<Arc<App>>,
    Path(id): Path<ExperimentId>,
) -> Result<impl IntoResponse, Problem> {
    jobs::watch(move || {
        let app = Arc::clone(&app);
        async move { load(&app, id).await }
    })
    .await
}

/// Cancel what waits or trains; what has finished stays.
#[utoipa::path(
    post, path = "/experiments/{id}/cancel", tag = "experiments", operation_id = "cancel_experiment",
    params(("id" = ExperimentId, Path, description = "The experiment")),
    responses((status = 200, description = "The experiment", body = Experiment), Failures)
)]
async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<ExperimentId>,
    _: NoBody,
) -> Result<axum::Json<Experiment>, Problem> {
    for run in experiment::runs(&app.pool, id).await? {
        training_runs::end(&app, run.id).await?;
    }
    load(&app, id).await.map(axum::Json)
}

/// Go on with the runs that have failed or were cancelled.
#[utoipa::path(
    post, path = "/experiments/{id}/retry", tag = "experiments", operation_id = "retry_experiment",
    params(("id" = ExperimentId, Path, description = "The experiment")),
    responses((status = 200, description = "The experiment", body = Experiment), Failures)
)]
async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<ExperimentId>,
    _: NoBody,
) -> Result<axum::Json<Experiment>, Problem> {
    for run in experiment::runs(&app.pool, id).await? {
        training_runs::requeue(&app, run.id).await?;
    }
    load(&app, id).await.map(axum::Json)
}
