//! What a process holds, built once, here only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_s3::config::Credentials;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::blobs::{self, Blobs};
use crate::classify::{self, Classifier};
use crate::cleaning::{CleaningJob, Labeller, Terms};
use crate::config::Config;
use crate::db;
use crate::model::pretrained::{self, Pretrained, Published};
use crate::scrape::SharedPace;
use crate::scrape::fetch::{FetchPolicy, Fetcher, HostPort, SystemLookup};
use crate::scrape::source::{self, Sources};
use crate::tag::{Local, Rekognition, SiglipFiles, Tagger, TaggerName, Taggers, ZeroShot};

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
    /// Give labels.
    pub taggers: Taggers,
    /// Weights of the network that others are trained over.
    pub pretrained: Pretrained,
    /// Answers for photos.
    pub classifier: Arc<Classifier>,
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
        let blobs = Blobs::open(&spec, bucket_keys(&config)).await?;
        let app = Arc::new(Self::build(config, pool, blobs, metrics).await?);
        Ok(Started { app, embedded })
    }

    async fn build(
        config: Config,
        pool: PgPool,
        blobs: Blobs,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let shutdown = CancellationToken::new();
        let fetcher = fetcher(&config, &pool)?;
        let sources = sources(&config)?;
        let pretrained = pretrained(&config)?;
        let taggers = Taggers {
            rekognition: Tagger::Rekognition(rekognition(&config).await),
            local: Tagger::Local(Local::new(tagger_weights(&config, &pretrained))),
            zero_shot: Tagger::ZeroShot(ZeroShot::new(siglip(&config)?)),
        };
        let classifier = classifier(&pool, &blobs, &shutdown).await?;
        Ok(Self {
            config,
            pool,
            blobs,
            fetcher,
            sources,
            taggers,
            pretrained,
            classifier,
            metrics,
            shutdown,
        })
    }

    /// Gives labels within the shared pace and the budget of a cleaning job; `stop` ends its waiting.
    pub fn labeller(&self, job: &CleaningJob, stop: CancellationToken) -> Labeller<'_> {
        let name = job.tags.clone().unwrap_or_default().tagger;
        let tagger = self.taggers.named(name, &job.phrases);
        Labeller::new(&self.pool, tagger, job.id, self.terms(name), stop)
    }

    /// What a call of a tagger costs, in time and dollars.
    pub fn terms(&self, tagger: TaggerName) -> Terms {
        let interval = Duration::try_from_secs_f64(self.config.rekognition_rate.recip());
        match tagger {
            TaggerName::Rekognition => Terms {
                interval: interval.unwrap_or(Duration::MAX),
                price_usd: self.config.rekognition_price,
            },
            TaggerName::Local | TaggerName::ZeroShot => {
                Terms { interval: Duration::ZERO, price_usd: 0.0 }
            }
        }
    }
}

/// Keys of the bucket, where it has its own.
fn bucket_keys(config: &Config) -> Option<Credentials> {
    let id = config.s3_access_key_id.as_ref()?;
    let secret = config.s3_secret_access_key.as_ref()?.expose_secret();
    Some(Credentials::new(id, secret, None, None, "shipshape"))
}

/// Downloads by the settings; the turns of the hosts are shared by all processes on the database.
fn fetcher(config: &Config, pool: &PgPool) -> anyhow::Result<Fetcher> {
    let allowed = config.allow_hosts.iter().filter(|host| !host.trim().is_empty());
    let policy = FetchPolicy {
        user_agent: config.user_agent(),
        allow_hosts: allowed.map(|host| host.parse::<HostPort>()).collect::<Result<_, _>>()?,
        deny_hosts: own_hosts(config),
        host_rate: config.host_rate,
        host_concurrency: config.host_concurrency,
        ..FetchPolicy::default()
    };
    Fetcher::with(policy, Arc::new(SystemLookup), Arc::new(SharedPace::new(pool.clone())))
}

/// Hosts of the services that this one uses: no search hit is fetched from them.
fn own_hosts(config: &Config) -> Vec<String> {
    let database = config.database_url.as_ref().map(|url| url.expose_secret().to_owned());
    let urls = [database, config.rekognition_url.clone(), blobs::s3_endpoint()];
    let parsed = urls.into_iter().flatten().filter_map(|url| url::Url::parse(&url).ok());
    parsed.filter_map(|url| url.host_str().map(str::to_owned)).collect()
}

fn sources(config: &Config) -> anyhow::Result<Sources> {
    Sources::open(&source::Settings {
        endpoints: [("bing".to_owned(), config.bing_url.clone())].into(),
        contact: config.contact.clone(),
    })
}

/// Where pretrained weights come from; a setting that is empty counts as none.
fn pretrained(config: &Config) -> anyhow::Result<Pretrained> {
    let text = |setting: &Option<String>| setting.clone().filter(|text| !text.is_empty());
    let sha256 = text(&config.backbone_sha256).map(|digest| digest.parse()).transpose();
    let sha256 = sha256.context("SHIPSHAPE_BACKBONE_SHA256 is no hex SHA-256")?;
    if let Some(path) = config.backbone_weights.clone().filter(|path| !path.as_os_str().is_empty())
    {
        return Ok(Pretrained::File { path, sha256 });
    }
    if config.hf_endpoint.is_empty() {
        return Ok(Pretrained::Nowhere);
    }
    let pinned = || pretrained::SHA256.parse().expect("the pinned digest is hex");
    let published = Published {
        endpoint: config.hf_endpoint.clone(),
        repository: text(&config.backbone_repository).unwrap_or(pretrained::REPOSITORY.into()),
        revision: text(&config.backbone_revision).unwrap_or(pretrained::REVISION.into()),
        file: pretrained::FILE.into(),
        sha256: sha256.unwrap_or_else(pinned),
    };
    Ok(Pretrained::Hub { published, cache: config.data_dir()?.join("backbones") })
}

/// The local tagger's own weights, or those that others are trained over: one file has both.
fn tagger_weights(config: &Config, pretrained: &Pretrained) -> Pretrained {
    match config.tagger_weights.clone().filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Pretrained::File { path, sha256: None },
        None => pretrained.clone(),
    }
}

/// Where the zero-shot tagger's network comes from.
fn siglip(config: &Config) -> anyhow::Result<SiglipFiles> {
    let folder = config.zero_shot_weights.as_deref().filter(|path| !path.as_os_str().is_empty());
    Ok(match folder {
        Some(folder) => SiglipFiles::folder(folder),
        None if config.hf_endpoint.is_empty() => SiglipFiles::nowhere(),
        None => SiglipFiles::hub(&config.hf_endpoint, &config.data_dir()?.join("siglip")),
    })
}

/// A tagger on this machine is a stand-in: it gets made-up credentials, so that none are needed and no real ones leave.
async fn rekognition(config: &Config) -> Rekognition {
    let endpoint = config.rekognition_url.clone();
    let url = endpoint.as_deref().and_then(|endpoint| url::Url::parse(endpoint).ok());
    let loopback = url.as_ref().and_then(url::Url::host).is_some_and(|host| match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    });
    match endpoint {
        Some(endpoint) if loopback => Rekognition::stand_in(endpoint).await,
        endpoint => Rekognition::new(endpoint).await,
    }
}

/// The engine with the active models, kept fresh until the shutdown.
async fn classifier(
    pool: &PgPool,
    blobs: &Blobs,
    shutdown: &CancellationToken,
) -> anyhow::Result<Arc<Classifier>> {
    let settings = classify::Settings::default();
    let classifier = Arc::new(Classifier::new(pool.clone(), blobs.clone(), settings)?);
    classifier.refresh().await?;
    let (fresh, until) = (Arc::clone(&classifier), shutdown.clone());
    tokio::spawn(async move { fresh.keep_fresh(until).await });
    Ok(classifier)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn config(flags: &[&str]) -> Config {
        let command = Config::augment_args(Command::new("shipshape"));
        let matches = command.try_get_matches_from([&["shipshape"], flags].concat()).unwrap();
        Config::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn pretrained_weights_come_from_a_path_a_hub_or_nowhere() {
        let path = pretrained(&config(&["--backbone-weights", "/w.safetensors"])).unwrap();
        assert!(matches!(path, Pretrained::File { sha256: None, .. }));
        let hub = pretrained(&config(&["--hf-endpoint", "http://127.0.0.1:1"])).unwrap();
        let Pretrained::Hub { published, .. } = hub else { panic!("{hub:?}") };
        assert_eq!(published.sha256.to_string(), pretrained::SHA256);
        assert_eq!(pretrained(&config(&["--hf-endpoint", ""])).unwrap(), Pretrained::Nowhere);
        assert!(pretrained(&config(&["--backbone-sha256", "xyz"])).is_err());
        let own = config(&["--tagger-weights", "/t.safetensors"]);
        assert!(
            matches!(tagger_weights(&own, &path), Pretrained::File { path, .. } if path.ends_with("t.safetensors"))
        );
        assert_eq!(tagger_weights(&config(&[]), &path), path);
        let folder = config(&["--zero-shot-weights", "/siglip", "--hf-endpoint", ""]);
        assert_eq!(siglip(&folder).unwrap(), SiglipFiles::folder(Path::new("/siglip")));
        let nowhere = config(&["--hf-endpoint", ""]);
        assert_eq!(siglip(&nowhere).unwrap(), SiglipFiles::nowhere());
        let hub = config(&["--hf-endpoint", "http://127.0.0.1:1", "--data", "/data"]);
        let kept = SiglipFiles::hub("http://127.0.0.1:1", Path::new("/data/siglip"));
        assert_eq!(siglip(&hub).unwrap(), kept);
    }

    #[test]
    fn the_hosts_of_the_services_in_use_are_known() {
        let config = config(&["--database-url", "postgres://me:secret@db.example.com/x"]);
        assert!(own_hosts(&config).contains(&"db.example.com".to_owned()));
    }
}
