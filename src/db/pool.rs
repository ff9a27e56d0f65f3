//! The connection pool, and which of its errors pass by themselves.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// How long a caller waits for a free or new connection. Short, so that a database that is away
/// answers requests with an error instead of holding them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of every session: no statement and no forgotten transaction holds locks for ever, and
/// the server notices clients that vanished (a powered-off worker) within about half a minute.
const SESSION: [(&str, &str); 6] = [
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("tcp_keepalives_idle", "15"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("client_connection_check_interval", "10s"),
];

/// Opens a pool of at most `max_connections` on the database at `url` and proves it with one
/// connection.
///
/// # Errors
///
/// The URL cannot be parsed, or the database does not accept a connection within 3 seconds.
pub async fn connect(url: &str, max_connections: u32) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::from_str(url)
        .context("the database URL cannot be read")?
        .application_name("shipshape")
        .options(SESSION);
    let place = options
        .get_socket()
        .map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .with_context(|| format!("the database at {place} cannot be reached"))
}

/// Whether `error` tells of a state of the database that passes by itself (it is away, full of
/// connections, restarting, or chose this transaction as the victim of a conflict), so that the
/// same statements can succeed later.
///
/// The codes are from the PostgreSQL manual, appendix A.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            matches!(
                &*code,
                "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "53300" | "25006"
            ) || code.starts_with("08")
        }),
        _ => false,
    }
}

/// Answers when the database does.
pub async fn ping(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query!("select 1 as one").fetch_one(pool).await?;
    Ok(())
}
