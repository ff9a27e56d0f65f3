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
use crate::scrape::SharedPace;
use crate::scrape::fetch::{FetchPolicy, Fetcher, HostPort, SystemLookup};
use crate::scrape::source::{self, Sources};

/// The parts that handlers and tasks take as arguments.
pub struct App {
    /// The settings.
    pub config: Config,
    /// Connections to Postgres.
    pub pool: PgPool,
    /// Bytes by key.
    pub blobs: Blobs,
    /// Downloads pictures.
    pub fetcher: Fetcher,
    /// Where candidates come from.
    pub sources: Sources,
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
        let fetcher = fetcher(&config, &pool)?;
        let sources = sources(&config)?;
        let shutdown = CancellationToken::new();
        Ok(Started { app: Arc::new(Self { config, pool, blobs, fetcher, sources, metrics, shutdown }), embedded })
    }
}

/// Downloads by the settings; the turns of the hosts are shared by all processes on the database.
fn fetcher(config: &Config, pool: &PgPool) -> anyhow::Result<Fetcher> {
    let allowed = config.allow_hosts.iter().filter(|host| !host.trim().is_empty());
    let policy = FetchPolicy {
        user_agent: config.user_agent(),
        allow_hosts: allowed.map(|host| host.parse::<HostPort>()).collect::<Result<_, _>>()?,
        host_rate: config.host_rate,
        host_concurrency: config.host_concurrency,
        ..FetchPolicy::default()
    };
    Fetcher::with(policy, Arc::new(SystemLookup), Arc::new(SharedPace::new(pool.clone())))
}

fn sources(config: &Config) -> anyhow::Result<Sources> {
    Sources::open(&source::Settings {
        endpoints: [("bing".to_owned(), config.bing_url.clone())].into(),
        contact: config.contact.clone(),
    })
}
