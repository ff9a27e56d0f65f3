//! What a process holds, built once, here only.

use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::blobs::Blobs;
use crate::config::Config;
use crate::db;

/// The parts that handlers and tasks take as arguments.
pub struct App {
    /// The settings.
    pub config: Config,
    /// Connections to Postgres.
    pub pool: PgPool,
    /// Bytes by key.
    pub blobs: Blobs,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
}

/// The app, and the private Postgres that must outlive it.
pub struct Started {
    /// The parts.
    pub app: Arc<App>,
    /// The private Postgres; none with `DATABASE_URL`.
    pub embedded: Option<db::Embedded>,
}

impl App {
    /// Connects, migrates and builds every part.
    pub async fn start(config: Config, metrics: PrometheusHandle) -> anyhow::Result<Started> {
        let data = config.data_dir()?;
        std::fs::create_dir_all(&data)
            .with_context(|| format!("cannot create the data directory {}", data.display()))?;
        let embedded = match &config.database_url {
            Some(_) => None,
            None => Some(db::Embedded::start(&data, config.pg_bin.as_deref()).await?),
        };
        let url = match (&config.database_url, &embedded) {
            (Some(url), _) => url.expose_secret().to_owned(),
            (None, Some(embedded)) => embedded.url(),
            (None, None) => unreachable!("without a URL the private Postgres was started"),
        };
        let pool = db::connect(&url, config.database_connections).await?;
        db::migrate(&pool).await?;
        let spec = match &config.blobs {
            Some(spec) => spec.clone(),
            None => data.join("blobs").to_string_lossy().into_owned(),
        };
        let blobs = Blobs::open(&spec).await?;
        let shutdown = CancellationToken::new();
        Ok(Started { app: Arc::new(Self { config, pool, blobs, metrics, shutdown }), embedded })
    }
}
