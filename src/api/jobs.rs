//! What all long work has in common over HTTP: watching it by server-sent events, cancelling, retrying.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};
use serde::Serialize;

use super::problem::Problem;
use crate::queue::JobStatus;

/// How often the row is read. A client that is slower gets the newest state only.
const INTERVAL: Duration = Duration::from_millis(300);

/// A job of any kind, as its `GET` shows it.
pub(super) trait Job: Serialize + Send + 'static {
    /// Where it stands.
    fn status(&self) -> JobStatus;
}

/// Answers a cancellation with the job as it is behind it. Cancelling twice is the same as once; what had ended
/// otherwise stays as it is.
pub(super) fn cancelled<J: Job>(job: J) -> Result<axum::Json<J>, Problem> {
    if job.status() == JobStatus::Cancelled {
        return Ok(axum::Json(job));
    }
    Err(Problem::Conflict("job_finished", "it has ended already".into()))
}

/// Answers a retry with the job as it is behind it, `requeued` or not.
pub(super) fn retried<J: Job>(
    requeued: bool,
    job: J,
) -> Result<(StatusCode, axum::Json<J>), Problem> {
    if requeued {
        return Ok((StatusCode::ACCEPTED, axum::Json(job)));
    }
    let detail = "only what has failed or was cancelled can be retried";
    Err(Problem::Conflict("job_not_retryable", detail.into()))
}

struct Watch<L> {
    load: L,
    last: Option<String>,
    finished: bool,
}

/// Streams what `load` gives as `event: job`, each time it differs from the last one; the stream ends behind
/// the event of a finished job. A job that is not there fails before the stream begins.
pub(super) async fn watch<J, L, F>(
    load: L,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem>
where
    J: Job,
    L: Fn() -> F + Send + 'static,
    F: Future<Output = Result<J, Problem>> + Send,
{
    load().await?;
    let watch = Watch { load, last: None, finished: false };
    let events = stream::unfold(watch, |mut watch| async move {
        while !watch.finished {
            if watch.last.is_some() {
                tokio::time::sleep(INTERVAL).await;
            }
            match (watch.load)().await {
                Ok(job) => {
                    watch.finished = job.status().is_finished();
                    let data = serde_json::to_string(&job).expect("a job is plain data");
                    if watch.last.as_ref() != Some(&data) {
                        watch.last = Some(data.clone());
                        return Some((Ok(Event::default().event("job").data(data)), watch));
                    }
                }
                Err(Problem::NotFound(_)) => return None,
                // The database may be away for a moment: the client sees the next change then.
                Err(_) => tokio::time::sleep(INTERVAL).await,
            }
        }
        None
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
