//! Judging a job's images again at other settings, from stored labels.

use std::sync::Arc;

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::load;
use crate::api::extract::{Json, Path};
use crate::api::problem::{Failures, Problem};
use crate::app::App;
use crate::cleaning::{Replay, Rule, TagSettings, replay as judge_again};
use crate::db::CleaningJobId;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(replay))
}

/// Settings to try; what is left out is the job's.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReplay {
    /// When an image shares tags with the references of its class.
    #[garde(skip)]
    rule: Option<Rule>,
    /// How many tags count.
    #[garde(inner(range(min = 1, max = 50)))]
    #[schema(minimum = 1, maximum = 50)]
    k: Option<u32>,
    /// Labels below this confidence, in percent, do not count.
    #[garde(inner(range(min = 0.0, max = 100.0)))]
    #[schema(minimum = 0, maximum = 100)]
    min_confidence: Option<f32>,
    /// For `specific`: the share of the weight that an image must share, 0 to 1.
    #[garde(inner(range(min = 0.0, max = 1.0)))]
    #[schema(minimum = 0, maximum = 1)]
    threshold: Option<f32>,
    /// Images to list.
    #[serde(default = "default_images")]
    #[garde(range(max = 100_000))]
    #[schema(maximum = 100_000, default = 200)]
    images: usize,
}

fn default_images() -> usize {
    200
}

/// See what the `tags` check would say at other settings, from the labels that are stored: no call of the tagger, no cost, and
/// nothing changes.
#[utoipa::path(
    post, path = "/cleaning-jobs/{id}/replay", tag = "cleaning jobs",
    operation_id = "replay_cleaning_job",
    params(("id" = CleaningJobId, Path, description = "The cleaning job")),
    request_body = NewReplay,
    responses(
        (status = 200, description = "What it would say", body = Replay),
        Failures,
    )
)]
async fn replay(
    State(app): State<Arc<App>>,
    Path(id): Path<CleaningJobId>,
    Json { value: new, .. }: Json<NewReplay>,
) -> Result<axum::Json<Replay>, Problem> {
    let job = load(&app, id).await?;
    let Some(own) = job.tags.clone() else {
        let detail = "the job has no check \"tags\" that could be judged again".into();
        return Err(Problem::Conflict("nothing_to_replay", detail));
    };
    let settings = TagSettings {
        tagger: own.tagger,
        rule: new.rule.unwrap_or(own.rule),
        k: new.k.unwrap_or(own.k),
        min_confidence: new.min_confidence.unwrap_or(own.min_confidence),
        threshold: new.threshold.unwrap_or(own.threshold),
    };
    let mut connection = app.pool.acquire().await?;
    Ok(axum::Json(judge_again(&mut connection, &job, settings, new.images).await?))
}
