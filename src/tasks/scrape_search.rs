//! `scrape_search`: asks a job's source for pages until enough candidates wait; a resumed job goes on at its cursor.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::scrape_fetch;
use crate::app::App;
use crate::db::ScrapeJobId;
use crate::queue::{
    self, Context, Failure, Handler, JobError, JobStatus, Lane, NewTask, Task, TaskError, pace,
};
use crate::scrape::source::{Page, SearchError, StopReason};
use crate::scrape::{self, Search};

/// Time between two pages of one search engine, over all workers.
const PAGE_INTERVAL: Duration = Duration::from_millis(500);
/// Times that a source may ask for patience before the job goes on without it.
const MAX_THROTTLED: u32 = 5;
/// The first wait for a source that does not say for how long; it doubles.
const THROTTLED_WAIT: Duration = Duration::from_secs(5);

/// What a search remembers from one task to the next.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Patience {
    /// Times in a row that the source asked for patience.
    #[serde(default)]
    throttled: u32,
}

/// Runs [`scrape::search_task`].
pub(super) struct ScrapeSearch {
    pub(super) app: Arc<App>,
}

impl Handler for ScrapeSearch {
    fn kind(&self) -> &'static str {
        scrape::SEARCH
    }

    fn lane(&self) -> Lane {
        Lane::Net
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(async move {
            let search = context.cancelled().run_until_cancelled(self.search(context));
            search.await.unwrap_or(Err(TaskError::LeaseLost))
        })
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(fail_job(connection, ScrapeJobId(task.subject), failure))
    }
}

/// Ends a job `failed` and cancels what is left of it.
pub(super) async fn fail_job(
    connection: &mut PgConnection,
    id: ScrapeJobId,
    failure: &Failure,
) -> anyhow::Result<()> {
    // The tasks before the job's row, as everyone locks them.
    queue::cancel(&mut *connection, id.0).await?;
    let error = JobError { code: failure.code.clone(), message: failure.message.clone() };
    scrape::finish_job(connection, id, JobStatus::Failed, Some(&error)).await?;
    Ok(())
}

/// Decides what follows when a task of the job has ended, in the transaction that ended it.
///
/// The job's row is locked first and tasks are settled before it, so of two last tasks the second one sees that
/// the first has ended: exactly one of them goes on.
pub(super) async fn advance(connection: &mut PgConnection, id: ScrapeJobId) -> sqlx::Result<()> {
    let Some(job) = scrape::lock_job(&mut *connection, id).await? else {
        return Ok(());
    };
    if job.status.is_finished() || queue::unfinished(&mut *connection, id.0).await? > 0 {
        return Ok(());
    }
    if job.pages() || scrape::count_open(&mut *connection, id).await? > 0 {
        queue::enqueue(connection, scrape::search_task(id)).await?;
        return Ok(());
    }
    scrape::finish_job(&mut *connection, id, JobStatus::Succeeded, None).await?;
    Ok(())
}

/// What follows a page.
enum Turned {
    /// Candidates are still wanted.
    More,
    /// Enough of them wait, or paging has ended.
    Enough,
}

impl ScrapeSearch {
    async fn search(&self, context: &Context) -> Result<(), TaskError> {
        let id = ScrapeJobId(context.task.subject);
        let mut patience: Patience = context.payload()?;
        let Some(mut search) = scrape::find_search(&self.app.pool, id).await? else {
            return Ok(());
        };
        let mut turned = self.resume(context, id).await?;
        while let Turned::More = turned {
            if context.stopping().is_cancelled() {
                return Err(TaskError::GiveBack);
            }
            let page = match self.ask(&search).await {
                Ok(page) => {
                    patience = Patience::default();
                    page
                }
                Err(SearchError::RateLimited { retry_after }) => {
                    let Some(wait) = next_wait(&patience, retry_after) else {
                        let stop = Some(StopReason::RateLimited);
                        self.turn(context, id, Page { stop, ..Page::default() }).await?;
                        break;
                    };
                    return self.postpone(context, id, &patience, wait).await;
                }
                Err(error) => return Err(refusal(error)),
            };
            search.cursor = page.next.clone().unwrap_or_default();
            turned = self.turn(context, id, page).await?;
        }
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        advance(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn ask(&self, search: &Search) -> Result<Page, SearchError> {
        let source = self.app.sources.find(&search.source).ok_or_else(|| {
            SearchError::Refused(format!("there is no source {:?} any more", search.source))
        })?;
        // A list of URLs is nobody's server.
        if search.query.urls.is_empty() {
            let key = format!("source:{}", search.source);
            let wait = pace::reserve(&self.app.pool, &key, PAGE_INTERVAL).await;
            let wait = wait.map_err(|error| SearchError::Transient(error.to_string()))?;
            tokio::time::sleep(wait).await;
        }
        source.search(&search.query, search.cursor.clone()).await
    }

    /// Begins: candidates that no task has (a retried job's) get their tasks again.
    async fn resume(&self, context: &Context, id: ScrapeJobId) -> Result<Turned, TaskError> {
        let mut transaction = self.app.pool.begin().await?;
        context.hold(&mut transaction).await?;
        let Some(job) = scrape::lock_job(&mut *transaction, id).await? else {
            return Ok(Turned::Enough);
        };
        scrape::start_job(&mut *transaction, id).await?;
        let open = scrape::count_open(&mut *transaction, id).await?;
        if open > 0 && queue::unfinished(&mut *transaction, id.0).await? == 1 {
            let ids = scrape::list_open_of(&mut *transaction, id).await?;
            scrape_fetch::enqueue(&mut transaction, id, &ids, job.stored).await?;
        }
        transaction.commit().await?;
        Ok(if job.pages() && open < job.missing().into() { Turned::More } else { Turned::Enough })
    }

    /// Records a page: its candidates, their tasks and the cursor appear together.
    async fn turn(
        &self,
        context: &Context,
        id: ScrapeJobId,
        page: Page,
    ) -> Result<Turned, TaskError> {
        let mut transaction = self.app.pool.begin().await?;
        context.hold(&mut transaction).await?;
        let Some(job) = scrape::lock_job(&mut *transaction, id).await? else {
            return Ok(Turned::Enough);
        };
        if !job.pages() {
            return Ok(Turned::Enough);
        }
        let open = scrape::count_open(&mut *transaction, id).await?;
        let ids = scrape::insert_candidates(&mut *transaction, id, &page.hits).await?;
        let before = job.stored + open as i32;
        scrape_fetch::enqueue(&mut transaction, id, &ids, before).await?;
        let ended = page.next.is_none().then_some(StopReason::Exhausted);
        let stop = page.stop.or(ended);
        let (next, skipped) = (page.next.as_ref(), page.skipped_tiles as i32);
        scrape::turn_page(&mut *transaction, id, next, stop, skipped).await?;
        transaction.commit().await?;
        let waiting = open + ids.len() as i64;
        let enough = stop.is_some() || waiting >= job.missing().into();
        Ok(if enough { Turned::Enough } else { Turned::More })
    }

    /// Hands over to a later search; this one has done nothing wrong, and the next one knows how often it was so.
    async fn postpone(
        &self,
        context: &Context,
        id: ScrapeJobId,
        patience: &Patience,
        wait: Duration,
    ) -> Result<(), TaskError> {
        tracing::info!(job = %id, seconds = wait.as_secs(), "the source asks for patience");
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        let payload = json!(Patience { throttled: patience.throttled + 1 });
        let later = NewTask { delay: wait, ..scrape::search_task(id).with_payload(payload) };
        queue::enqueue(&mut *transaction, later).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// How long to leave the source alone; `None` when it asked too often.
fn next_wait(patience: &Patience, asked: Option<Duration>) -> Option<Duration> {
    let backoff = THROTTLED_WAIT * 2_u32.pow(patience.throttled.min(MAX_THROTTLED));
    (patience.throttled < MAX_THROTTLED).then(|| asked.unwrap_or(backoff))
}

/// Whether asking again can help.
fn refusal(error: SearchError) -> TaskError {
    let code = match &error {
        SearchError::Refused(_) => "source_refused",
        SearchError::Cursor(_) => "bad_cursor",
        SearchError::Transient(_) | SearchError::RateLimited { .. } => {
            return TaskError::Retry(anyhow::Error::new(error).context("a page of results"));
        }
    };
    TaskError::Fail { code: code.into(), error: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_doubles_heeds_the_source_and_ends() {
        let wait = |throttled, asked| next_wait(&Patience { throttled }, asked);
        assert_eq!(wait(0, None), Some(Duration::from_secs(5)));
        assert_eq!(wait(3, None), Some(Duration::from_secs(40)));
        assert_eq!(wait(3, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(wait(MAX_THROTTLED, Some(Duration::from_secs(7))), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let transient = refusal(SearchError::Transient("reset".into()));
        assert!(matches!(transient, TaskError::Retry(_)));
        let refused = refusal(SearchError::Refused("HTTP 410".into()));
        assert!(matches!(refused, TaskError::Fail { code, .. } if code == "source_refused"));
    }
}
