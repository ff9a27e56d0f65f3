//! `/training-runs/{id}/…`: what a run learnt, as data and as a picture.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::binary::Binary;
use super::extract::{Path, Query};
use super::page::{Page, default_limit};
use super::pictures::{self, Picture, Plot};
use super::problem::{Failures, Problem};
use super::training_runs::load;
use crate::app::App;
use crate::db::TrainingRunId;
use crate::queue::JobStatus;
use crate::snapshot::{self, Split};
use crate::training::comparison::{self, Interval, Sample, Verdict};
use crate::training::evaluation::{Calibration, ClassReport};
use crate::training::plot::{self, Curve};
use crate::training::{
    self, Confusion, EpochSummary, PredictedImage, PredictionFilter, TrainingRun, stopping,
};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(epochs))
        .routes(routes!(curve))
        .routes(routes!(report))
        .routes(routes!(picture))
        .routes(routes!(confusion))
        .routes(routes!(predictions))
}

/// A learning curve.
#[derive(Serialize, ToSchema)]
struct LearningCurve {
    /// One point per evaluated epoch, the first one first.
    items: Vec<EpochSummary>,
}

/// The learning curve as data; grows while the run trains.
#[utoipa::path(
    get, path = "/training-runs/{id}/epochs", tag = "training runs", operation_id = "list_epochs",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "The learning curve", body = LearningCurve),
        Failures,
    )
)]
async fn epochs(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
) -> Result<axum::Json<LearningCurve>, Problem> {
    load(&app, id).await?;
    Ok(axum::Json(LearningCurve { items: training::list_epochs(&app.pool, id).await? }))
}

/// The learning curve as a picture; grows while the run trains.
#[utoipa::path(
    get, path = "/training-runs/{id}/curve.svg", tag = "training runs", operation_id = "get_curve",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "Accuracy and loss over the epochs", body = String,
         content_type = "image/svg+xml"),
        Failures,
    )
)]
async fn curve(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
) -> Result<Response, Problem> {
    let run = load(&app, id).await?;
    let epochs = training::list_epochs(&app.pool, id).await?;
    let picture = plot::curve_svg(&drawn(&run, epochs));
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, picture).into_response())
}

pub(super) async fn finished(app: &App, id: TrainingRunId) -> Result<TrainingRun, Problem> {
    let run = load(app, id).await?;
    if run.status == JobStatus::Succeeded {
        return Ok(run);
    }
    let detail = "predictions exist once the training run has succeeded".to_owned();
    Err(Problem::Conflict("training_run_not_finished", detail))
}

/// How often each class was taken for which, on the held-out images.
#[utoipa::path(
    get, path = "/training-runs/{id}/confusion", tag = "training runs",
    operation_id = "get_confusion",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "The confusion matrix", body = Confusion),
        Failures,
    )
)]
async fn confusion(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
) -> Result<axum::Json<Confusion>, Problem> {
    let run = finished(&app, id).await?;
    let classes = class_names(&app, &run).await?;
    Ok(axum::Json(training::confusion(&app.pool, id, classes).await?))
}

/// What a finished run can be believed for.
#[derive(Serialize, ToSchema)]
struct Report {
    /// Training accuracy, in evaluation mode, with its interval.
    train_accuracy: Interval,
    /// Test accuracy with its interval.
    test_accuracy: Interval,
    /// Whether it overfits, in figures and in words.
    verdict: Verdict,
    /// What makes the figures look better than they are, in words.
    caveats: Vec<String>,
    /// Precision, recall and F1 of each class, on the held-out images.
    classes: ClassReport,
    /// How far the probabilities can be believed, on the held-out images.
    calibration: Calibration,
}

/// A finished run judged: gap with a 95 % interval and a verdict, each class, calibration.
#[utoipa::path(
    get, path = "/training-runs/{id}/report", tag = "training runs", operation_id = "get_report",
    params(("id" = TrainingRunId, Path, description = "The training run")),
    responses(
        (status = 200, description = "The report", body = Report),
        Failures,
    )
)]
async fn report(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
) -> Result<axum::Json<Report>, Problem> {
    let run = finished(&app, id).await?;
    let classes = class_names(&app, &run).await?;
    let (train, test) = training::split_predictions(&app.pool, id).await?;
    let chance = comparison::baseline(&train);
    let trained = Sample::of_predictions(&[&train])?;
    let tested = Sample::of_predictions(&[&test])?;
    Ok(axum::Json(Report {
        train_accuracy: comparison::accuracy(&trained),
        test_accuracy: comparison::accuracy(&tested),
        verdict: Verdict::of(&trained, &tested, chance),
        caveats: run
            .recipe
            .early_stopping
            .map(|_| stopping::CAVEAT.to_owned())
            .into_iter()
            .collect(),
        classes: ClassReport::of(&classes, &test),
        calibration: Calibration::of(&test),
    }))
}

async fn class_names(app: &App, run: &TrainingRun) -> Result<Vec<String>, Problem> {
    let snapshot = snapshot::find(&app.pool, run.snapshot_id).await?;
    Ok(snapshot.ok_or(Problem::NotFound("snapshot"))?.classes)
}

/// A picture of a run, or its data: `curve`, and once it has succeeded `confusion` and `reliability`, as `svg`, `png`
/// or `csv`; `classes.csv`, the scores of each class, is a table only.
#[utoipa::path(
    get, path = "/training-runs/{id}/pictures/{picture}", tag = "training runs",
    operation_id = "get_training_run_picture",
    params(
        ("id" = TrainingRunId, Path, description = "The training run"),
        ("picture" = String, Path, description = "For example `confusion.png`",
         pattern = r"^((curve|confusion|reliability)\.(svg|png|csv)|classes\.csv)$"),
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
    Path((id, picture)): Path<(TrainingRunId, String)>,
) -> Result<Response, Problem> {
    if picture == "classes.csv" {
        let run = finished(&app, id).await?;
        let names = class_names(&app, &run).await?;
        let (_, test) = training::split_predictions(&app.pool, id).await?;
        return Ok(pictures::csv(ClassReport::of(&names, &test).csv()));
    }
    let picture = Picture::parse(&picture, &["curve", "confusion", "reliability"])?;
    let plot = match picture.name {
        "curve" => {
            let run = load(&app, id).await?;
            let epochs = training::list_epochs(&app.pool, id).await?;
            let csv = plot::curve_csv(&epochs);
            Plot { svg: plot::curve_svg(&drawn(&run, epochs)), csv }
        }
        "confusion" => {
            let run = finished(&app, id).await?;
            let names = class_names(&app, &run).await?;
            let Confusion { classes, matrix } = training::confusion(&app.pool, id, names).await?;
            let svg = plot::confusion_svg(&title(&run), &classes, &matrix);
            Plot { svg, csv: plot::confusion_csv(&classes, &matrix) }
        }
        _ => {
            let run = finished(&app, id).await?;
            let (_, test) = training::split_predictions(&app.pool, id).await?;
            let calibration = Calibration::of(&test);
            let svg = plot::reliability_svg(&title(&run), &calibration);
            Plot { svg, csv: calibration.csv() }
        }
    };
    picture.answer(plot).await
}

/// What a run is called over its pictures.
fn title(run: &TrainingRun) -> String {
    // What tells runs apart comes last, which a title that is cut keeps.
    format!("{} · {} of {} epochs · seed {}", run.title(), run.epoch, run.epochs, run.seed)
}

fn drawn(run: &TrainingRun, epochs: Vec<EpochSummary>) -> Curve {
    Curve { name: title(run), epochs, kept: run.kept() }
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PredictionsQuery {
    /// Of images on this side.
    #[garde(skip)]
    split: Option<Split>,
    /// Of images of this class.
    #[garde(skip)]
    class: Option<String>,
    /// That name this class.
    #[garde(skip)]
    predicted: Option<String>,
    /// Rows in a page.
    #[serde(default = "default_limit")]
    #[garde(range(min = 1, max = 200))]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: i64,
    /// `next_cursor` of the page before.
    #[garde(range(min = 0))]
    #[param(value_type = Option<String>)]
    cursor: Option<i32>,
}

/// What the finished run says of each image, in the order of the snapshot; a cell of the confusion matrix by
/// `split=test&class=…&predicted=…`.
#[utoipa::path(
    get, path = "/training-runs/{id}/predictions", tag = "training runs",
    operation_id = "list_predictions",
    params(("id" = TrainingRunId, Path, description = "The training run"), PredictionsQuery),
    responses(
        (status = 200, description = "A page of predictions", body = Page<PredictedImage>),
        Failures,
    )
)]
async fn predictions(
    State(app): State<Arc<App>>,
    Path(id): Path<TrainingRunId>,
    Query(query): Query<PredictionsQuery>,
) -> Result<axum::Json<Page<PredictedImage>>, Problem> {
    finished(&app, id).await?;
    let filter = PredictionFilter {
        split: query.split,
        class: query.class,
        predicted: query.predicted,
        after: query.cursor,
    };
    let rows = training::list_predictions(&app.pool, id, &filter, query.limit + 1).await?;
    Ok(axum::Json(Page::cut(rows, query.limit, |image| image.position)))
}
