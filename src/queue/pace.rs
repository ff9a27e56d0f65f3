//! Rate limits shared by all workers: a row per key says when the next call may start, in the database's time.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::{PgConnection, PgExecutor, PgPool, query, query_scalar};

/// How much slower than allowed turns begin that are [`reserve_ramped`], so that an idle service is not met by a burst.
const START: f32 = 4.0;
/// Most by which they are slowed down.
const SLOWEST: f32 = 16.0;
/// Time in which a slowdown falls by half.
const HALF_LIFE: Duration = Duration::from_secs(5);
/// Without a turn for so long, a key begins slowly again.
const IDLE: Duration = Duration::from_mins(1);
/// Refusals within this time are one: calls that were under way together are refused together.
const BURST: Duration = Duration::from_secs(1);

/// A turn at what a key limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Taken: it begins after this time.
    Taken(Duration),
    /// Not taken, for the next one begins only after this time.
    Busy(Duration),
}

/// A turn that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is limited.
    pub key: &'a str,
    /// Time that this turn keeps the key from the next one.
    pub interval: Duration,
    /// Longest wait; a turn further away is not taken.
    pub patience: Duration,
}

/// Takes the key's next turn, however far away it is: the time to wait for it.
pub async fn reserve(
    executor: impl PgExecutor<'_>,
    key: &str,
    interval: Duration,
) -> sqlx::Result<Duration> {
    let wait = query_scalar!(
        r#"insert into pace as p (key, next_at) values ($1, clock_timestamp() + $2)
           on conflict (key) do update set next_at = greatest(p.next_at, clock_timestamp()) + $2
           returning extract(epoch from p.next_at - $2 - clock_timestamp())::float8 as "wait!""#,
        key,
        pg_interval(interval),
    )
    .fetch_one(executor)
    .await?;
    Ok(seconds(wait))
}

/// Takes the key's next turn as [`reserve`] does, at a rate that begins at a quarter, doubles every five seconds up to the
/// whole, and is halved by [`slow_down`].
pub async fn reserve_ramped(
    pool: &PgPool,
    key: &str,
    interval: Duration,
) -> sqlx::Result<Duration> {
    let known = slowdown(pool, key).await?;
    let stretch = if let Some(known) = known.filter(|known| !known.is_idle) {
        known.left
    } else {
        begin_slowly(pool, key).await?;
        START
    };
    reserve(pool, key, interval.mul_f32(stretch)).await
}

/// Halves the rate of the key's ramped turns, because one was refused; refusals within a second are one.
pub async fn slow_down(pool: &PgPool, key: &str) -> sqlx::Result<()> {
    let Some(known) = slowdown(pool, key).await? else { return Ok(()) };
    query!(
        "update pace set slowdown = $2, slowed_at = clock_timestamp()
         where key = $1 and slowed_at < clock_timestamp() - $3::interval",
        key,
        (2.0 * known.left).min(SLOWEST),
        pg_interval(BURST),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How a key is slowed down.
struct Slowdown {
    /// By how much now.
    left: f32,
    /// Whether it had no turn for long.
    is_idle: bool,
}

async fn slowdown(pool: &PgPool, key: &str) -> sqlx::Result<Option<Slowdown>> {
    let row = query!(
        r#"select slowdown, extract(epoch from clock_timestamp() - slowed_at)::float8 as "age!",
               next_at < clock_timestamp() - $2::interval as "is_idle!"
           from pace where key = $1"#,
        key,
        pg_interval(IDLE),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| {
        let halved = 0.5_f64.powf(row.age / HALF_LIFE.as_secs_f64());
        let left = (f64::from(row.slowdown) * halved).max(1.0) as f32;
        Slowdown { left, is_idle: row.is_idle }
    }))
}

async fn begin_slowly(pool: &PgPool, key: &str) -> sqlx::Result<()> {
    query!(
        "insert into pace (key, next_at, slowdown, slowed_at)
         values ($1, clock_timestamp(), $2, clock_timestamp())
         on conflict (key) do update
         set slowdown = excluded.slowdown, slowed_at = excluded.slowed_at",
        key,
        START,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes the key's next turn if it is near enough. A [`pause`] of the key moves it.
pub async fn reserve_within(connection: &mut PgConnection, ask: Ask<'_>) -> sqlx::Result<Turn> {
    let taken = query_scalar!(
        r#"insert into pace as p (key, next_at)
           select $1, start + $3
           from (select greatest(clock_timestamp(),
                                 (select next_at from pace where key = $2)) as start) first
           where start <= clock_timestamp() + $4
           on conflict (key) do update
           set next_at = greatest(p.next_at + $3, excluded.next_at)
           where p.next_at <= clock_timestamp() + $4
           returning extract(epoch from p.next_at - $3 - clock_timestamp())::float8 as "wait!""#,
        ask.key,
        pause_key(ask.key),
        pg_interval(ask.interval),
        pg_interval(ask.patience),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(wait) = taken {
        return Ok(Turn::Taken(seconds(wait)));
    }
    let keys = [ask.key.to_owned(), pause_key(ask.key)];
    left(connection, &keys).await.map(Turn::Busy)
}

/// Keeps new turns of the key away for a while.
pub async fn pause(executor: impl PgExecutor<'_>, key: &str, pause: Duration) -> sqlx::Result<()> {
    query!(
        "insert into pace as p (key, next_at) values ($1, clock_timestamp() + $2)
         on conflict (key) do update set next_at = greatest(p.next_at, excluded.next_at)",
        pause_key(key),
        pg_interval(pause),
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// What is left of the key's pause.
pub async fn paused(executor: impl PgExecutor<'_>, key: &str) -> sqlx::Result<Duration> {
    left(executor, &[pause_key(key)]).await
}

/// Forgets keys whose turn came more than an hour ago.
pub async fn sweep(executor: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let swept = query!("delete from pace where next_at < now() - interval '1 hour'")
        .execute(executor)
        .await?;
    Ok(swept.rows_affected())
}

async fn left(executor: impl PgExecutor<'_>, keys: &[String]) -> sqlx::Result<Duration> {
    let wait = query_scalar!(
        "select extract(epoch from max(next_at) - clock_timestamp())::float8
         from pace where key = any($1)",
        keys,
    )
    .fetch_one(executor)
    .await?;
    Ok(seconds(wait.unwrap_or_default()))
}

fn pause_key(key: &str) -> String {
    format!("{key} (pause)")
}

/// Clocks run on between two readings, so a little less than nothing is nothing.
fn seconds(wait: f64) -> Duration {
    Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(Duration::MAX)
}

/// To the microsecond; 30 years at most, which no limit of ours comes near.
fn pg_interval(duration: Duration) -> PgInterval {
    let most = Duration::from_hours(262_800);
    PgInterval { months: 0, days: 0, microseconds: duration.min(most).as_micros() as i64 }
}
