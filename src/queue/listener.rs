//! Hears the database's notifications: new tasks wake their lane, cancelled ones beat at once.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgNotification};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::worker::Shared;

/// Silence after which the connection is asked whether it still stands.
const SILENCE: Duration = Duration::from_secs(20);
/// How long its answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Listens until `shutdown`. A notification that is missed costs one polling period.
pub(super) async fn listen(shared: Arc<Shared>, shutdown: CancellationToken) {
    let hear = async {
        loop {
            if let Err(error) = hear(&shared).await {
                shared.outage.failed(&error);
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    shutdown.run_until_cancelled(hear).await;
}

async fn hear(shared: &Shared) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(&shared.pool).await?;
    listener.listen_all(["task_available", "task_cancelled"]).await?;
    loop {
        // Whatever was said before the connection stood went by unheard.
        shared.wake_all();
        while let Some(notification) = next(&mut listener).await? {
            dispatch(shared, &notification);
        }
    }
}

/// The next notification; `None` when the connection was lost and stands again. A connection whose other end is gone
/// without a word looks like one on which nothing is said, so now and then it must answer.
async fn next(listener: &mut PgListener) -> sqlx::Result<Option<PgNotification>> {
    loop {
        if let Ok(heard) = timeout(SILENCE, listener.try_recv()).await {
            return heard;
        }
        let answer = timeout(ANSWER, listener.execute("select 1")).await;
        answer.map_err(|_| sqlx::Error::PoolTimedOut)??;
    }
}

fn dispatch(shared: &Shared, notification: &PgNotification) {
    match notification.channel() {
        "task_available" => shared.wake(notification.payload()),
        _ => {
            if let Ok(subject) = notification.payload().parse() {
                shared.beat_at_once(subject);
            } else {
                tracing::debug!(payload = notification.payload(), "not a subject");
            }
        }
    }
}
