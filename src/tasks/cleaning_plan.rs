//! `cleaning_plan`: labels the references of a cleaning job, freezes its images, and splits its work into tasks.

use std::sync::Arc;

use anyhow::anyhow;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::{cleaning_check, cleaning_label, cleaning_learn};
use crate::app::App;
use crate::cleaning::checks::TAGS;
use crate::cleaning::job::Left;
use crate::cleaning::{
    self, CleaningJob, Halt, Labeller, Original, ReferenceTags, Unlabelled, job, learning,
    quarantine,
};
use crate::dataset;
use crate::db::{CleaningJobId, ImageId, Sha256};
use crate::queue::{self, Context, Failure, Handler, JobError, Lane, NewTask, Task, TaskError};

/// Pictures that one task labels.
const BATCH: usize = 16;

/// Runs [`job::plan_task`].
pub(super) struct CleaningPlan {
    pub(super) app: Arc<App>,
}

impl Handler for CleaningPlan {
    fn kind(&self) -> &'static str {
        job::PLAN
    }

    fn lane(&self) -> Lane {
        Lane::Tag
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.plan(context))
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

/// Ends the cleaning job of a failed task.
pub(super) async fn fail_job(
    connection: &mut PgConnection,
    task: &Task,
    failure: &Failure,
) -> anyhow::Result<()> {
    let error = JobError { code: failure.code.clone(), message: failure.message.clone() };
    cleaning::abort(connection, CleaningJobId(task.subject), &error).await?;
    Ok(())
}

impl CleaningPlan {
    async fn plan(&self, context: &Context) -> Result<(), TaskError> {
        let pool = &self.app.pool;
        let id = CleaningJobId(context.task.subject);
        let mut transaction = pool.begin().await?;
        context.hold(&mut transaction).await?;
        job::start(&mut *transaction, id).await?;
        transaction.commit().await?;
        let Some(job) = job::find(pool, id).await? else {
            return Ok(());
        };
        let references =
            if job.asks_for(TAGS) { self.references(context, &job).await? } else { Vec::new() };

        let mut transaction = pool.begin().await?;
        context.complete(&mut transaction).await?;
        let images = cleaning::remaining(&mut *transaction, id).await?;
        let (tasks, steps) = self.preparation(context, &job, &images).await?;
        let left = Left { steps: steps + images.len(), preparing: tasks.len() };
        job::plan(&mut *transaction, id, &references, left).await?;
        quarantine::resume(&mut transaction, job.dataset_id, id).await?;
        if tasks.is_empty() {
            cleaning_check::begin(&mut transaction, id).await?;
        }
        for task in tasks {
            queue::enqueue(&mut *transaction, task).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The tasks that must end before an image is judged, and how many steps they are.
    async fn preparation(
        &self,
        context: &Context,
        job: &CleaningJob,
        images: &[(ImageId, Sha256)],
    ) -> Result<(Vec<NewTask>, usize), TaskError> {
        let (mut tasks, mut steps) = (Vec::new(), 0);
        if job.asks_for(TAGS) {
            let labeller = self.app.labeller(job, context.stopping().child_token());
            let pictures: Vec<Sha256> = images.iter().map(|(_, sha256)| *sha256).collect();
            let unlabelled = labeller.unlabelled(&pictures).await?;
            steps += unlabelled.len();
            tasks.extend(unlabelled.chunks(BATCH).map(|batch| cleaning_label::task(job.id, batch)));
        }
        if job.learns()
            && !images.is_empty()
            && !learning::is_learnt(&self.app.pool, job.id).await?
        {
            let kept = learning::kept(&self.app.pool, job.id).await?;
            steps += learning::NETWORKS.saturating_sub(kept);
            tasks.push(cleaning_learn::task(job.id));
        }
        Ok((tasks, steps))
    }

    /// The references with their tags, and one image labelled: a missing right shows here, after one call, and not in
    /// every batch at once.
    async fn references(
        &self,
        context: &Context,
        job: &CleaningJob,
    ) -> Result<Vec<ReferenceTags>, TaskError> {
        let labeller = self.app.labeller(job, context.stopping().child_token());
        let work = async {
            let references = if job.planned_at.is_some() {
                job.references.clone()
            } else {
                self.label_references(job, &labeller).await?
            };
            self.probe(job, &labeller).await?;
            Ok(references)
        };
        tokio::select! {
            references = work => references,
            () = context.cancelled().cancelled() => Err(TaskError::LeaseLost),
        }
    }

    async fn label_references(
        &self,
        job: &CleaningJob,
        labeller: &Labeller<'_>,
    ) -> Result<Vec<ReferenceTags>, TaskError> {
        let settings = job.tags.clone().unwrap_or_default();
        let classes = cleaning::classes_in_use(&self.app.pool, job.dataset_id).await?;
        let mut found = Vec::new();
        let mut unreadable = Vec::new();
        for reference in dataset::list_references(&self.app.pool, job.dataset_id).await? {
            if !classes.iter().any(|class| class.id == reference.class_id) {
                continue;
            }
            let sha256 = reference.sha256;
            let original = Original::of_reference(&self.app.blobs, job.dataset_id, sha256);
            match labeller.labels(&[&original]).await {
                Ok(labels) => {
                    let top = labels[0].top_k(settings.k as usize, settings.min_confidence);
                    found.push(ReferenceTags {
                        class_id: reference.class_id,
                        class: reference.class,
                        sha256,
                        model_version: labels[0].model_version.clone(),
                        tags: top.iter().map(|label| label.name.clone()).collect(),
                    });
                }
                Err(Unlabelled::Unscannable { code, .. }) => unreadable.push((sha256, code)),
                Err(Unlabelled::Halted(halt)) => return Err(halt.into()),
            }
        }
        for class in classes {
            let tags = found.iter().filter(|reference| reference.class_id == class.id);
            if tags.flat_map(|reference| &reference.tags).next().is_none() {
                return Err(TaskError::Fail {
                    code: if class.referenced {
                        "references_unusable"
                    } else {
                        "references_missing"
                    }
                    .into(),
                    error: anyhow!(
                        "the class {:?} has no reference with tags (unreadable: {unreadable:?})",
                        class.name
                    ),
                });
            }
        }
        Ok(found)
    }

    async fn probe(&self, job: &CleaningJob, labeller: &Labeller<'_>) -> Result<(), TaskError> {
        let images = cleaning::remaining(&self.app.pool, job.id).await?;
        let addresses: Vec<_> = images.into_iter().map(|(_, sha256)| sha256).collect();
        let Some(&sha256) = labeller.unlabelled(&addresses).await?.first() else {
            return Ok(());
        };
        let original = Original::of_image(&self.app.blobs, job.dataset_id, sha256);
        match labeller.labels(&[&original]).await {
            // The budget ends the job behind the images that need no call.
            Ok(_) | Err(Unlabelled::Unscannable { .. } | Unlabelled::Halted(Halt::Budget)) => {
                Ok(())
            }
            Err(Unlabelled::Halted(halt)) => Err(halt.into()),
        }
    }
}
