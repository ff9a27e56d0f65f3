//! Idempotency keys: what the first create with a key answered.

use sqlx::{PgConnection, PgExecutor, query, query_as};

use super::Sha256;

/// The answer of the first request with a key; without status while that request is still open.
pub struct Stored {
    /// Digest of the first request's body.
    pub body_sha256: Sha256,
    /// HTTP status.
    pub status: Option<i16>,
    /// `Location` header.
    pub location: Option<String>,
    /// Body, word for word.
    pub response: Option<String>,
}

/// Takes the key in the caller's transaction, or gives what was stored under it. Waits for a concurrent
/// transaction that has taken the same key.
pub async fn claim(
    connection: &mut PgConnection,
    route: &str,
    key: &str,
    body: Sha256,
) -> sqlx::Result<Option<Stored>> {
    let inserted = query!(
        "insert into idempotency_keys (key, route, body_sha256) values ($1, $2, $3)
         on conflict do nothing",
        key,
        route,
        body as Sha256,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(None);
    }
    query_as!(
        Stored,
        r#"select body_sha256 as "body_sha256: Sha256", status, location, response
           from idempotency_keys where route = $1 and key = $2"#,
        route,
        key,
    )
    .fetch_one(connection)
    .await
    .map(Some)
}

/// Stores the answer, in the transaction that took the key.
pub async fn store(
    executor: impl PgExecutor<'_>,
    route: &str,
    key: &str,
    answer: &Stored,
) -> sqlx::Result<()> {
    query!(
        "update idempotency_keys set status = $3, location = $4, response = $5
         where route = $1 and key = $2",
        route,
        key,
        answer.status,
        answer.location,
        answer.response,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Forgets keys older than a day.
pub async fn sweep(executor: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let swept =
        query!("delete from idempotency_keys where created_at < now() - interval '24 hours'")
            .execute(executor)
            .await?;
    Ok(swept.rows_affected())
}
