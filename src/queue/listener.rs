//! Hears the database's notifications: new tasks wake their lane, cancelled ones beat at once.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::worker::Shared;

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
        while let Some(notification) = listener.try_recv().await? {
            dispatch(shared, &notification);
        }
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
