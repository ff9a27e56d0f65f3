//! `cleaning_label`: labels a batch of pictures, so that images are judged when the labels of all are known.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::cleaning_check;
use super::cleaning_plan::fail_job;
use crate::app::App;
use crate::cleaning::{CleaningJob, Halt, Labeller, Original, Unlabelled, job};
use crate::db::{CleaningJobId, Sha256};
use crate::queue::{Context, Failure, Handler, Lane, NewTask, Task, TaskError};

const KIND: &str = "cleaning_label";
/// Pictures of a batch that are labelled at a time: as many tagger calls a crash can cost.
const IN_FLIGHT: usize = 4;

#[derive(Serialize, Deserialize)]
struct Batch {
    pictures: Vec<Sha256>,
}

/// The task that labels some pictures of a cleaning job.
pub(super) fn task(id: CleaningJobId, pictures: &[Sha256]) -> NewTask {
    let batch = Batch { pictures: pictures.to_vec() };
    let payload = serde_json::to_value(batch).expect("addresses are plain data");
    job::task(KIND, Lane::Tag, id).with_payload(payload)
}

/// Runs [`task`].
pub(super) struct CleaningLabel {
    pub(super) app: Arc<App>,
}

impl Handler for CleaningLabel {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn lane(&self) -> Lane {
        Lane::Tag
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.label(context))
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(fail_job(connection, task, failure))
    }
}

impl CleaningLabel {
    async fn label(&self, context: &Context) -> Result<(), TaskError> {
        let id = CleaningJobId(context.task.subject);
        let Batch { pictures } = context.payload()?;
        let Some(job) = job::find(&self.app.pool, id).await? else {
            return Ok(());
        };
        let halt = tokio::select! {
            halt = self.label_all(context, &job, &pictures) => halt,
            () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
        };
        match halt {
            None => {}
            // What is left without labels ends the job when it is judged, behind those that have theirs. By `specific`
            // nothing can be judged yet: what a tag counts depends on the labels of all.
            Some(Halt::Budget) if !job.weighs_tags() => {}
            Some(halt) => return Err(halt.into()),
        }
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        if job::prepared(&mut *transaction, id, pictures.len()).await? {
            cleaning_check::begin(&mut transaction, id).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What stopped it before its end. A picture that never gets labels stops nothing.
    async fn label_all(
        &self,
        context: &Context,
        job: &CleaningJob,
        pictures: &[Sha256],
    ) -> Option<Halt> {
        let labeller = self.app.labeller(job, context.stopping().child_token());
        let labeller = &labeller;
        let mut results = stream::iter(pictures.to_vec())
            .map(|sha256| self.label_one(job, labeller, sha256))
            .buffer_unordered(IN_FLIGHT);
        let (mut done, mut stopped): (u64, Option<Halt>) = (0, None);
        while let Some(result) = results.next().await {
            done += 1;
            context.progress(done, pictures.len() as u64);
            if let Err(halt) = result {
                labeller.halt();
                stopped = Some(halt.or_worse(stopped));
            }
        }
        stopped
    }

    async fn label_one(
        &self,
        job: &CleaningJob,
        labeller: &Labeller<'_>,
        sha256: Sha256,
    ) -> Result<(), Halt> {
        let original = Original::of_image(&self.app.blobs, job.dataset_id, sha256);
        match labeller.labels(&[&original]).await {
            Ok(_) | Err(Unlabelled::Unscannable { .. }) => Ok(()),
            Err(Unlabelled::Halted(halt)) => Err(halt),
        }
    }
}
