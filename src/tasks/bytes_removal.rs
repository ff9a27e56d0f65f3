//! `bytes_removal`: what a deletion has left in the blob store goes, unless a row points to it again.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::PgConnection;

use crate::app::App;
use crate::blobs::Key;
use crate::dataset::{self, Removal, import};
use crate::queue::{Context, Failure, Handler, JobStatus, Lane, Task, TaskError};
use crate::{model, training};

/// Objects that are removed at once.
const PARALLEL: usize = 8;

/// Runs [`dataset::removal_task`].
pub(super) struct BytesRemoval {
    pub(super) app: Arc<App>,
}

impl Handler for BytesRemoval {
    fn kind(&self) -> &'static str {
        dataset::REMOVE
    }

    fn lane(&self) -> Lane {
        Lane::Cpu
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        Box::pin(self.remove(context))
    }

    fn failed<'a>(
        &'a self,
        _: &'a mut PgConnection,
        _: &'a Task,
        _: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        // `doctor` names what stayed behind.
        Box::pin(async { Ok(()) })
    }
}

impl BytesRemoval {
    async fn remove(&self, context: &Context) -> Result<(), TaskError> {
        let Removal { prefixes } = context.payload()?;
        for prefix in prefixes {
            let paths = self.app.blobs.list(&prefix).await?;
            let total = paths.len() as u64;
            let removals = stream::iter(paths).map(|path| async move {
                if context.stopping().is_cancelled() {
                    return Err(TaskError::GiveBack);
                }
                self.remove_one(path.parse()?).await.map_err(TaskError::from)
            });
            let mut removals = removals.buffer_unordered(PARALLEL);
            let mut done = 0;
            while let Some(()) = removals.try_next().await? {
                done += 1;
                context.progress(done, total);
            }
        }
        let mut transaction = self.app.pool.begin().await?;
        context.complete(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn remove_one(&self, key: Key) -> anyhow::Result<()> {
        let mut transaction = self.app.pool.begin().await?;
        let blobs = &self.app.blobs;
        if let Key::Image(..) | Key::Flagged(..) | Key::Reference(..) = key {
            dataset::remove_unless_wanted(&mut transaction, blobs, key).await?;
        } else if !is_wanted(&mut transaction, key).await? {
            blobs.delete(&key).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether a row points to an object that is no picture.
async fn is_wanted(connection: &mut PgConnection, key: Key) -> sqlx::Result<bool> {
    Ok(match key {
        Key::Model(sha256) => {
            // The same file may be imported just now.
            dataset::lock_address(&mut *connection, sha256).await?;
            model::is_published(connection, sha256).await?
        }
        Key::Checkpoint(run, _) => training::find(connection, run).await?.is_some(),
        Key::Upload(id) => import::find(connection, id)
            .await?
            .is_some_and(|job| job.status != JobStatus::Succeeded),
        Key::Image(..) | Key::Flagged(..) | Key::Reference(..) | Key::Thumbnail(_) => true,
    })
}
