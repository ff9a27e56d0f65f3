//! What the subcommands do.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret;
use shipshape::app::{App, Started};
use shipshape::config::Config;
use shipshape::demo::{self, DemoOptions, SampleWeb};
use shipshape::queue::{Lane, Settings, Stuck, Worker};
use shipshape::{api, db, doctor, tasks, telemetry, web};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Requests per second to a host of the demo's own.
const DEMO_RATE: f64 = 500.0;
/// Downloads at a time from a host of the demo's own.
const DEMO_CONCURRENCY: usize = 8;

/// How long queries that are under way may hold up the end of the process.
const LAST_QUERIES: Duration = Duration::from_secs(2);

/// From a search phrase to a served image classifier.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How many tasks a process runs at a time.
#[derive(Args, Clone)]
pub(crate) struct Workers {
    /// Tasks at a time in each lane; a lane with 0, or left out, is left to other processes.
    #[arg(long, env = "SHIPSHAPE_LANES", value_delimiter = ',', value_parser = lane,
          default_value = "net=4,tag=2,cpu=2,train=1")]
    lanes: Vec<(Lane, usize)>,
}

fn lane(text: &str) -> Result<(Lane, usize), String> {
    let (name, count) = text.split_once('=').ok_or("write net=4,tag=2,cpu=2,train=1")?;
    let lane = match name {
        "net" => Lane::Net,
        "tag" => Lane::Tag,
        "cpu" => Lane::Cpu,
        "train" => Lane::Train,
        _ => return Err(format!("there is no lane {name}: net, tag, cpu, train")),
    };
    Ok((lane, count.parse().map_err(|_| format!("{count} is no number"))?))
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The API, the page and the workers in one process.
    Serve {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        workers: Workers,
    },
    /// Workers only; any number of processes share the queue.
    Work {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        workers: Workers,
    },
    /// The main job on a sample web: phrase, pictures, cleaning, training, answer.
    Demo {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        workers: Workers,
        #[command(flatten)]
        options: DemoOptions,
    },
    /// Bring the database to this version; the other subcommands do so at their start.
    Migrate {
        #[command(flatten)]
        config: Config,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Check what must hold between rows, counts and files.
    Doctor {
        #[command(flatten)]
        config: Config,
    },
}

/// Cancels `shutdown` at the first SIGINT or SIGTERM and ends the process at the second.
fn watch_signals(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if !first {
                std::process::exit(130);
            }
            tracing::info!("stopping; once more ends at once");
            shutdown.cancel();
        }
    });
    Ok(())
}

async fn start(config: Config) -> anyhow::Result<Started> {
    let started = App::start(config, telemetry::metrics()).await?;
    watch_signals(started.app.shutdown.clone())?;
    Ok(started)
}

/// Starts the worker; when it ends, however it ends, so does the process.
fn spawn_worker(app: &Arc<App>, workers: Workers) -> JoinHandle<Result<(), Stuck>> {
    let lanes = workers.lanes.into_iter().filter(|(_, count)| *count > 0).collect();
    let settings = Settings { lanes, ..Settings::default() };
    let worker = Worker::new(&app.pool, tasks::handlers(app), settings);
    tokio::spawn(tasks::keep_house(app.clone()));
    let shutdown = app.shutdown.clone();
    tokio::spawn(async move {
        let ended = worker.run(shutdown.clone()).await;
        shutdown.cancel();
        ended
    })
}

async fn stop(started: Started) -> anyhow::Result<()> {
    // A connection that stuck work holds is never returned.
    timeout(LAST_QUERIES, started.app.pool.close()).await.ok();
    match started.embedded {
        Some(embedded) => embedded.shutdown().await,
        None => Ok(()),
    }
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    config.check_listen()?;
    let hint = || format!("cannot listen on {}: choose another one by --listen", config.listen);
    TcpListener::bind(config.listen).await.with_context(hint)
}

pub(crate) async fn serve(config: Config, workers: Workers) -> anyhow::Result<()> {
    telemetry::log(config.log_json, "info");
    let listener = listen(&config).await?;
    let started = start(config).await?;
    let address = listener.local_addr()?;
    tracing::info!("listening on http://{address}");
    let worker = spawn_worker(&started.app, workers);
    let router = api::router(started.app.clone(), web::routes());
    api::serve(listener, router, started.app.shutdown.clone()).await;
    let ended = worker.await?;
    stop(started).await?;
    Ok(ended?)
}

pub(crate) async fn work(config: Config, workers: Workers) -> anyhow::Result<()> {
    telemetry::log(config.log_json, "info");
    refuse_private_blobs(&config)?;
    let started = start(config).await?;
    let ended = spawn_worker(&started.app, workers).await?;
    stop(started).await?;
    Ok(ended?)
}

/// A worker on another machine than the database's cannot see a directory of the service's machine.
fn refuse_private_blobs(config: &Config) -> anyhow::Result<()> {
    let Some(url) = &config.database_url else { return Ok(()) };
    let url = url::Url::parse(url.expose_secret()).context("DATABASE_URL cannot be read")?;
    let here = matches!(url.host_str(), None | Some("" | "localhost" | "127.0.0.1" | "[::1]"));
    let shared = config.blobs.as_ref().is_some_and(|blobs| blobs.starts_with("s3://"));
    anyhow::ensure!(
        here || shared || config.blobs.is_some(),
        "the database is on another machine, so pictures must lie where all workers see them: \
         set SHIPSHAPE_BLOBS=s3://bucket/prefix, or a directory that all machines mount"
    );
    Ok(())
}

/// Points the service at the sample web, at rates that its own loopback hosts can bear.
fn configure(config: &mut Config, sample: &SampleWeb) -> anyhow::Result<()> {
    config.bing_url = sample.bing_url().parse()?;
    config.rekognition_url = Some(sample.rekognition_url());
    config.allow_hosts.extend(sample.allow_hosts());
    config.host_rate = DEMO_RATE;
    config.host_concurrency = DEMO_CONCURRENCY;
    config.rekognition_rate = DEMO_RATE;
    Ok(())
}

pub(crate) async fn demo(
    mut config: Config,
    workers: Workers,
    options: DemoOptions,
) -> anyhow::Result<()> {
    telemetry::log(config.log_json, "warn");
    let sample = demo::prepare(&options).await?;
    configure(&mut config, &sample)?;
    let listener = match listen(&config).await {
        Ok(listener) => listener,
        // The default port may be another service's; the demo's own place matters little.
        Err(_) if config.listen.port() == 8080 => TcpListener::bind("127.0.0.1:0").await?,
        Err(error) => return Err(error),
    };
    let started = start(config).await?;
    let app = started.app.clone();
    let base = format!("http://{}", listener.local_addr()?);
    let worker = spawn_worker(&app, workers);
    let router = api::router(app.clone(), web::routes());
    let server = tokio::spawn(api::serve(listener, router, app.shutdown.clone()));
    let outcome = tokio::select! {
        report = demo::run(&options, &base, &sample) => report.map(|_| ()),
        () = app.shutdown.cancelled() => Err(anyhow::anyhow!("stopped before the demo was done")),
    };
    if outcome.is_ok() && !options.exit {
        app.shutdown.cancelled().await;
    }
    app.shutdown.cancel();
    server.await?;
    let ended = worker.await?;
    stop(started).await?;
    ended?;
    outcome
}

pub(crate) async fn migrate(config: Config) -> anyhow::Result<()> {
    telemetry::log(config.log_json, "info");
    let started = App::start(config, telemetry::metrics()).await?;
    let version = db::version(&started.app.pool).await?;
    writeln!(std::io::stdout(), "the database is at version {version}")?;
    stop(started).await
}

pub(crate) fn openapi() -> anyhow::Result<()> {
    let document = api::document().to_pretty_json()?;
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}

pub(crate) async fn doctor(config: Config) -> anyhow::Result<()> {
    telemetry::log(config.log_json, "warn");
    let data = config.data_dir()?;
    anyhow::ensure!(
        config.database_url.is_some() || data.exists(),
        "there is no data directory {}: name the service's own by --data",
        data.display()
    );
    let started = App::start(config, telemetry::metrics()).await?;
    let mut findings = doctor::examine(&started.app.pool, &started.app.blobs).await?;
    for tagger in started.app.taggers.all() {
        let fault = tagger.fault().await;
        findings.extend(fault.map(|why| format!("tagger {}: {why}", tagger.name())));
    }
    let mut out = std::io::stdout();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    stop(started).await?;
    anyhow::ensure!(findings.is_empty(), "{} findings", findings.len());
    writeln!(out, "all is well")?;
    Ok(())
}
