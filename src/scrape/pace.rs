//! The clock of image hosts that all processes share, in the database.

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::PgPool;

use super::fetch::{Ask, Pace, Slot};
use crate::queue::pace::{self, Turn};

/// Host turns as rows: a host is asked at its rate however many workers there are.
pub struct SharedPace {
    pool: PgPool,
}

impl SharedPace {
    /// On the database of `pool`.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn key(host: &str) -> String {
    format!("host:{host}")
}

impl Pace for SharedPace {
    fn reserve<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, anyhow::Result<Slot>> {
        Box::pin(async move {
            let mut connection = self.pool.acquire().await?;
            let key = key(ask.host);
            let ask = pace::Ask { key: &key, interval: ask.interval, patience: ask.patience };
            Ok(match pace::reserve_within(&mut connection, ask).await? {
                Turn::Taken(wait) => Slot::Taken(wait),
                Turn::Busy(wait) => Slot::Busy(wait),
            })
        })
    }

    fn pause<'a>(&'a self, host: &'a str, pause: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { Ok(pace::pause(&self.pool, &key(host), pause).await?) })
    }

    fn paused<'a>(&'a self, host: &'a str) -> BoxFuture<'a, anyhow::Result<Duration>> {
        Box::pin(async move { Ok(pace::paused(&self.pool, &key(host)).await?) })
    }
}
