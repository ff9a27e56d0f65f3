//! What a worker clears away now and then: expired idempotency keys, old turns, what networks of jobs long ended
//! have said, half-written files.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::cleaning::learning;
use crate::db::idempotency;
use crate::queue::pace;

/// Each time costs a walk over the blob directory.
const EVERY: Duration = Duration::from_hours(6);

/// Clears away at the start and every six hours until the shutdown. Any number of processes may do it at once.
pub async fn keep_house(app: Arc<App>) {
    let rounds = async {
        let mut due = interval(EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            match clear(&app).await {
                Ok(0) => {}
                Ok(cleared) => tracing::info!(cleared, "cleared away what nobody needs"),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "clearing away failed"),
            }
        }
    };
    app.shutdown.run_until_cancelled(rounds).await;
}

async fn clear(app: &App) -> anyhow::Result<u64> {
    let keys = idempotency::sweep(&app.pool).await?;
    let turns = pace::sweep(&app.pool).await?;
    let networks = learning::sweep(&app.pool).await?;
    Ok(keys + turns + networks + app.blobs.sweep().await? as u64)
}
