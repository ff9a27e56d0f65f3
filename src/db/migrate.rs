//! Brings a database to the schema of this binary, under a lock.

use anyhow::anyhow;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection as _, PgPool};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Applies the migrations that the database lacks. Any number of processes may call this at once:
/// the first one works, the others wait for it.
///
/// # Errors
///
/// The database is newer than this binary, a landed migration was edited, or a migration failed;
/// nothing of a failed migration stays.
pub async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    // A connection of its own: a migration may take longer than the pool's statement timeout, and
    // the lock must end with the connection.
    let mut connection = pool.acquire().await?.detach();
    sqlx::raw_sql("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
        .execute(&mut connection)
        .await?;
    let outcome = MIGRATIONS.run(&mut connection).await;
    connection.close().await.ok();
    outcome.map_err(explain)
}

fn explain(error: MigrateError) -> anyhow::Error {
    match error {
        MigrateError::VersionMissing(version) => anyhow!(
            "the database was set up by a newer shipshape (it has migration {version}, which this \
             version does not know): start that version, or restore a backup made before the upgrade"
        ),
        MigrateError::VersionMismatch(version) => anyhow!(
            "the database was set up by a different build (its migration {version} is not the one \
             of this version): start the build that made it, or use another database"
        ),
        error => anyhow::Error::new(error)
            .context("the database could not be brought to this version's schema"),
    }
}

/// Number of the newest migration that the database has.
pub async fn version(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations")
        .fetch_one(pool)
        .await
}
