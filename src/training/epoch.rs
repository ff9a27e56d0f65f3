//! The learning curve in the database: one row per evaluated epoch.

use sqlx::{PgExecutor, query};

use super::EpochSummary;
use crate::db::TrainingRunId;

/// Records an epoch; one that was recorded before gets these numbers.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    run: TrainingRunId,
    epoch: &EpochSummary,
) -> sqlx::Result<()> {
    query!(
        "insert into epochs (run_id, epoch, running_accuracy, train_accuracy, train_loss, test_accuracy,
                             test_loss, seconds, learning_rate)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (run_id, epoch) do update
         set (running_accuracy, train_accuracy, train_loss, test_accuracy, test_loss, seconds,
              learning_rate)
             = (excluded.running_accuracy, excluded.train_accuracy, excluded.train_loss,
                excluded.test_accuracy, excluded.test_loss, excluded.seconds,
                excluded.learning_rate)",
        run as TrainingRunId,
        epoch.epoch as i32,
        epoch.running_accuracy,
        epoch.train_accuracy,
        epoch.train_loss,
        epoch.test_accuracy,
        epoch.test_loss,
        epoch.seconds,
        epoch.learning_rate,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// The learning curve, first epoch first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    run: TrainingRunId,
) -> sqlx::Result<Vec<EpochSummary>> {
    let rows = query!(
        "select epoch, running_accuracy, train_accuracy, train_loss, test_accuracy, test_loss, seconds,
             learning_rate
         from epochs where run_id = $1 order by epoch",
        run as TrainingRunId,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| EpochSummary {
            epoch: row.epoch as u32,
            running_accuracy: row.running_accuracy,
            train_accuracy: row.train_accuracy,
            train_loss: row.train_loss,
            test_accuracy: row.test_accuracy,
            test_loss: row.test_loss,
            seconds: row.seconds,
            learning_rate: row.learning_rate,
        })
        .collect())
}

pub(super) async fn clear(executor: impl PgExecutor<'_>, run: TrainingRunId) -> sqlx::Result<()> {
    query!("delete from epochs where run_id = $1", run as TrainingRunId).execute(executor).await?;
    Ok(())
}
