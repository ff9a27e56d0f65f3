//! `cleaning_check`: judges a batch of images and records the verdicts with the states and moves that follow.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::cleaning_plan::fail_job;
use crate::app::App;
use crate::cleaning::checks::{self, Scene};
use crate::cleaning::{self, CleaningJob, Halt, Judged, Labeller, Original, job};
use crate::dataset::{self, ImageState};
use crate::db::{CleaningJobId, ImageId};
use crate::queue::{self, Context, Failure, Handler, Lane, NewTask, Task, TaskError};

const KIND: &str = "cleaning_check";
/// Images in a batch: what one transaction records.
const BATCH: usize = 16;
/// Images of a batch that are judged at a time: as many tagger calls a crash can cost.
const IN_FLIGHT: usize = 4;

#[derive(Serialize, Deserialize)]
struct Batch {
    images: Vec<ImageId>,
}

/// Begins to judge the images that are left, in the transaction that ends the preparation.
pub(super) async fn begin(connection: &mut PgConnection, id: CleaningJobId) -> anyhow::Result<()> {
    let images = cleaning::remaining(&mut *connection, id).await?;
    cleaning::weigh_tags(connection, id, &images).await?;
    for batch in images.chunks(BATCH) {
        let images = batch.iter().map(|(image, _)| *image).collect();
        queue::enqueue(&mut *connection, task(id, images)).await?;
    }
    job::finish_if_done(connection, id).await?;
    Ok(())
}

/// The task of one batch of a cleaning job.
fn task(id: CleaningJobId, images: Vec<ImageId>) -> NewTask {
    let payload = serde_json::to_value(Batch { images }).expect("ids are plain data");
    job::task(KIND, Lane::Tag, id).with_payload(payload)
}

/// Runs [`task`].
pub(super) struct CleaningCheck {
    pub(super) app: Arc<App>,
}

impl Handler for CleaningCheck {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn lane(&self) -> Lane {
        Lane::Tag
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.check(context))
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

/// What became of a batch: what was judged, how many images are gone, and what stopped it before its end.
#[derive(Default)]
struct Checked {
    judged: Vec<Judged>,
    gone: usize,
    halt: Option<Halt>,
}

impl CleaningCheck {
    async fn check(&self, context: &Context) -> Result<(), TaskError> {
        let pool = &self.app.pool;
        let id = CleaningJobId(context.task.subject);
        let Batch { mut images } = context.payload()?;
        let Some(job) = job::find(pool, id).await? else {
            return Ok(());
        };
        // An earlier attempt may have recorded some.
        let before = cleaning::judged(pool, id, &images).await?;
        images.retain(|image| !before.contains(image));
        let checked = tokio::select! {
            checked = self.judge_all(context, &job, images) => checked,
            () = context.cancelled().cancelled() => return Err(TaskError::LeaseLost),
        };
        self.record(context, &job, checked).await
    }

    async fn judge_all(
        &self,
        context: &Context,
        job: &CleaningJob,
        images: Vec<ImageId>,
    ) -> Checked {
        let labeller = self.app.labeller(job, context.stopping().child_token());
        let (labeller, total) = (&labeller, images.len() as u64);
        let mut results = stream::iter(images)
            .map(|image| self.judge(job, labeller, image))
            .buffer_unordered(IN_FLIGHT);
        let mut checked = Checked::default();
        let mut done = 0;
        while let Some(result) = results.next().await {
            done += 1;
            context.progress(done, total);
            match result {
                Ok(Some(judged)) => checked.judged.push(judged),
                Ok(None) => checked.gone += 1,
                Err(halt) => {
                    // Without a budget the images whose labels are known, or paid for, still go through.
                    if !matches!(halt, Halt::Budget) {
                        labeller.halt();
                    }
                    checked.halt = Some(halt.or_worse(checked.halt.take()));
                }
            }
        }
        checked
    }

    /// `None` when the image was rejected or deleted meanwhile.
    async fn judge(
        &self,
        job: &CleaningJob,
        labeller: &Labeller<'_>,
        id: ImageId,
    ) -> Result<Option<Judged>, Halt> {
        if labeller.is_halted() {
            return Err(Halt::Stopped);
        }
        let App { pool, blobs, .. } = &*self.app;
        let Some(image) = dataset::find_image(pool, id).await? else {
            return Ok(None);
        };
        if !matches!(image.state, ImageState::Accepted | ImageState::Flagged) {
            return Ok(None);
        }
        let original = Original::of_image(blobs, image.dataset_id, image.sha256);
        let scene = Scene { pool, blobs, job, image: &image, original: &original, labeller };
        let findings = checks::judge(&scene).await?;
        Ok(Some(Judged { image: id, sha256: image.sha256, findings }))
    }

    /// What was judged is kept even when the batch stopped before its end.
    async fn record(
        &self,
        context: &Context,
        job: &CleaningJob,
        checked: Checked,
    ) -> Result<(), TaskError> {
        let Checked { mut judged, gone, halt } = checked;
        judged.sort_by_key(|judged| judged.image);
        let mut transaction = self.app.pool.begin().await?;
        if let Some(halt) = halt {
            context.hold(&mut transaction).await?;
            cleaning::record(&mut transaction, job, judged, 0).await?;
            transaction.commit().await?;
            return Err(halt.into());
        }
        context.complete(&mut transaction).await?;
        cleaning::record(&mut transaction, job, judged, gone).await?;
        job::finish_if_done(&mut transaction, job.id).await?;
        fail::fail_point!("cleaning-record", |_| {
            Err(TaskError::Retry(anyhow::anyhow!("stopped before the commit")))
        });
        transaction.commit().await?;
        Ok(())
    }
}
