//! `import_archive`: an uploaded archive becomes images, entry by entry; a resumed job goes on behind the last settled one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::app::App;
use crate::blobs::Key;
use crate::dataset::archive::{self, Entry};
use crate::dataset::import::{self, ImportJob};
use crate::dataset::{self, Arrival, Origin};
use crate::db::{ClassId, ImportJobId};
use crate::picture::{self, Limits};
use crate::queue::{self, Context, Failure, Handler, JobError, JobStatus, Lane, Task, TaskError};

/// Entries that are unpacked ahead of the one being stored.
const AHEAD: usize = 4;

/// Runs [`import::task`].
pub(super) struct ImportArchive {
    pub(super) app: Arc<App>,
}

impl Handler for ImportArchive {
    fn kind(&self) -> &'static str {
        import::IMPORT
    }

    fn lane(&self) -> Lane {
        Lane::Cpu
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.import(context))
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let error = JobError { code: failure.code.clone(), message: failure.message.clone() };
            let id = ImportJobId(task.subject);
            import::finish(connection, id, JobStatus::Failed, Some(&error)).await?;
            Ok(())
        })
    }
}

impl ImportArchive {
    async fn import(&self, context: &Context) -> Result<(), TaskError> {
        let id = ImportJobId(context.task.subject);
        let job = import::find(&self.app.pool, id).await?.context("the import job is gone")?;
        let file = tempfile::NamedTempFile::new().context("cannot create a temporary file")?;
        let key = Key::Upload(id);
        if self.app.blobs.get_file(&key, file.path()).await?.is_none() {
            let error = anyhow::anyhow!("the uploaded archive is gone");
            return Err(TaskError::Fail { code: "archive_missing".into(), error });
        }
        let bad = |error| TaskError::Fail { code: "bad_archive".into(), error };
        let path = file.path().to_owned();
        let total = blocking(context, move || archive::count(&path)).await?.map_err(bad)?;
        let mut transaction = self.app.pool.begin().await?;
        context.hold(&mut transaction).await?;
        let done = import::start(&mut *transaction, id, total as i32).await?;
        transaction.commit().await?;

        self.entries(context, &job, file.path(), done as usize).await?;

        let mut transaction = self.app.pool.begin().await?;
        context.hold(&mut transaction).await?;
        import::finish(&mut *transaction, id, JobStatus::Succeeded, None).await?;
        let removal = dataset::removal_task(job.dataset_id, vec![key.to_string()]);
        queue::enqueue(&mut *transaction, removal).await?;
        context.complete(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn entries(
        &self,
        context: &Context,
        job: &ImportJob,
        path: &Path,
        done: usize,
    ) -> Result<(), TaskError> {
        let limits = Limits::default();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(AHEAD);
        let (path, max_bytes) = (path.to_owned(), limits.max_bytes);
        let reader = context.spawn_blocking(move || {
            archive::read(&path, done, max_bytes as u64, |entry| {
                let examined = picture::examine(&entry.bytes, &limits);
                // A closed channel means that nobody wants more.
                Ok(sender.blocking_send((entry, examined)).is_ok())
            })
        });
        while let Some((entry, examined)) = receiver.recv().await {
            if context.stopping().is_cancelled() {
                return Err(TaskError::GiveBack);
            }
            if context.cancelled().is_cancelled() {
                return Err(TaskError::LeaseLost);
            }
            self.settle(context, job, entry, examined).await?;
        }
        let read = reader.await.context("the reader panicked")?;
        read.map_err(|error| TaskError::Fail { code: "bad_archive".into(), error })
    }

    async fn settle(
        &self,
        context: &Context,
        job: &ImportJob,
        entry: Entry,
        examined: Result<picture::Examined, picture::Rejection>,
    ) -> Result<(), TaskError> {
        let class = self.class(job, &entry).await?;
        let mut transaction = self.app.pool.begin().await?;
        let (blobs, dataset) = (&self.app.blobs, job.dataset_id);
        if let (Some(_), Ok(examined)) = (class, &examined) {
            let bytes = Bytes::from(entry.bytes);
            dataset::store(&mut transaction, blobs, dataset, bytes, examined).await?;
        }
        if let Err(lost) = context.hold(&mut transaction).await {
            if let (TaskError::LeaseLost, Ok(examined)) = (&lost, &examined) {
                let key = Key::Image(dataset, examined.facts.sha256);
                dataset::remove_unless_wanted(&mut transaction, blobs, key).await?;
            }
            return Err(lost);
        }
        let outcome = match (class, examined) {
            (None, _) => "rejected:unknown_class".to_owned(),
            (_, Err(rejection)) => format!("rejected:{}", rejection.code()),
            (Some(class), Ok(examined)) => {
                let origin = Origin::Upload(entry.path);
                let arrival = Arrival { dataset, class, facts: &examined.facts, origin };
                dataset::admit(&mut transaction, blobs, &arrival).await?.outcome().to_owned()
            }
        };
        import::settle_entry(&mut transaction, job.id, &outcome).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn class(&self, job: &ImportJob, entry: &Entry) -> Result<Option<ClassId>, TaskError> {
        let Some(name) = job.class.as_deref().or(entry.folder()) else {
            return Ok(None);
        };
        Ok(dataset::find_class(&self.app.pool, job.dataset_id, name).await?)
    }
}

async fn blocking<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TaskError> {
    Ok(context.spawn_blocking(work).await.context("a blocking task panicked")?)
}
