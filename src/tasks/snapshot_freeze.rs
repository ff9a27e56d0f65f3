//! `snapshot_freeze`: reads a dataset's accepted images, splits them, and writes the snapshot at once; what waited to be
//! trained on it begins.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::app::App;
use crate::db::SnapshotId;
use crate::queue::{self, Context, Failure, Handler, Lane, Task, TaskError};
use crate::snapshot::{self, Division, Draft, Split, TooSmall, leaks};
use crate::training;

/// Runs the tasks of this kind.
pub(super) struct SnapshotFreeze {
    /// The process's parts.
    pub app: Arc<App>,
}

impl Handler for SnapshotFreeze {
    fn kind(&self) -> &'static str {
        snapshot::FREEZE
    }

    fn lane(&self) -> Lane {
        Lane::Cpu
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), TaskError>> {
        self.freeze(context).boxed()
    }

    fn failed<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        task: &'a Task,
        failure: &'a Failure,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let id = SnapshotId(task.subject);
            snapshot::fail(&mut *connection, id, failure).await?;
            Ok(training::fail_waiting(connection, id, &failure.message).await?)
        }
        .boxed()
    }
}

impl SnapshotFreeze {
    async fn freeze(&self, context: &Context) -> Result<(), TaskError> {
        let id = SnapshotId(context.task.subject);
        let pool = &self.app.pool;
        let mut transaction = pool.begin().await?;
        context.hold(&mut transaction).await?;
        snapshot::start(&mut *transaction, id).await?;
        let row = snapshot::find(&mut *transaction, id).await?.context("the snapshot is gone")?;
        transaction.commit().await?;

        // One state of the dataset, whatever changes meanwhile.
        let mut reading =
            pool.begin_with("begin isolation level repeatable read read only").await?;
        let draft = snapshot::draft(&mut reading, row.dataset_id, row.keeps_split_of).await?;
        reading.commit().await?;

        let division = Division { test_fraction: row.test_fraction, seed: row.seed as u64 };
        let frozen = context.spawn_blocking(move || {
            let splits = divide(&draft, division)?;
            Ok::<_, TaskError>((draft, splits))
        });
        let (draft, splits) = frozen.await.context("the split was cut off")??;
        let mut transaction = pool.begin().await?;
        context.complete(&mut transaction).await?;
        snapshot::finish(&mut transaction, id, &draft, &splits).await?;
        let frozen =
            snapshot::find(&mut *transaction, id).await?.context("the snapshot is gone")?;
        for run in training::release(&mut transaction, &frozen).await? {
            queue::enqueue(&mut *transaction, training::train_task(run)).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn divide(draft: &Draft, division: Division) -> Result<Vec<Split>, TaskError> {
    if draft.classes.len() < 2 {
        let error = anyhow!(
            "a classifier needs at least two classes with accepted images; the dataset has {}",
            draft.classes.len()
        );
        return Err(TaskError::Fail { code: "too_few_classes".into(), error });
    }
    let labels: Vec<usize> = draft.members.iter().map(|member| member.label).collect();
    let groups = leaks::groups(labels.len(), &draft.pairs);
    snapshot::split(&labels, &groups, &draft.kept, division).map_err(|TooSmall { label }| {
        let error = anyhow!(
            "the class {:?} needs two pictures that are not near-duplicates, one to train on and one to \
             hold out",
            draft.classes[label]
        );
        TaskError::Fail { code: "class_too_small".into(), error }
    })
}
