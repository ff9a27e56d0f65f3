//! `quarantine`: carries out the planned moves of some images; the job that waits for them ends behind the last one.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use sqlx::PgConnection;

use crate::app::App;
use crate::cleaning::quarantine::{self, Errand};
use crate::cleaning::{self, job};
use crate::queue::{Context, Failure, Handler, JobError, Lane, Task, TaskError};

/// Moves at a time.
const IN_FLIGHT: usize = 4;

/// Runs the tasks that [`cleaning::quarantine`] enqueues.
pub(super) struct Quarantine {
    pub(super) app: Arc<App>,
}

impl Handler for Quarantine {
    fn kind(&self) -> &'static str {
        quarantine::KIND
    }

    fn lane(&self) -> Lane {
        quarantine::LANE
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.carry_out(context))
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let errand: Errand = serde_json::from_value(task.payload.clone())?;
            if let Some(job) = errand.job {
                let message = format!("flagged files could not be moved: {}", failure.message);
                let error = JobError { code: "quarantine_failed".into(), message };
                cleaning::abort(connection, job, &error).await?;
            }
            Ok(())
        })
    }
}

impl Quarantine {
    async fn carry_out(&self, context: &Context) -> Result<(), TaskError> {
        let App { pool, blobs, .. } = &*self.app;
        let errand: Errand = context.payload()?;
        let mut moves = stream::iter(errand.images)
            .map(|image| async move {
                if context.stopping().is_cancelled() {
                    return Err(TaskError::GiveBack);
                }
                quarantine::carry_out(pool, blobs, context, image).await
            })
            .buffer_unordered(IN_FLIGHT);
        // One file that cannot be moved does not keep the others from moving.
        let mut first = Ok(());
        while let Some(moved) = moves.next().await {
            first = first.and(moved);
        }
        first?;
        drop(moves);
        let Some(job) = errand.job else { return Ok(()) };
        let mut transaction = pool.begin().await?;
        context.complete(&mut transaction).await?;
        job::finish_if_done(&mut transaction, job).await?;
        transaction.commit().await?;
        Ok(())
    }
}
