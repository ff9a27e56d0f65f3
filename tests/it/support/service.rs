//! The service in this process: its API over HTTP, and workers, on a database and a folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::Value;
use shipshape::app::App;
use shipshape::blobs::Blobs;
use shipshape::config::Config;
use shipshape::queue::{Settings, Stuck, Worker};
use shipshape::{api, tasks, telemetry};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::proxy::Proxy;
use super::{TestDatabase, database};

/// A running service without workers.
pub(crate) struct Service {
    pub app: Arc<App>,
    pub address: SocketAddr,
    /// What another process needs to be a part of it, its blob store apart.
    pub flags: Vec<String>,
    http: reqwest::Client,
    folder: TempDir,
    _database: Option<TestDatabase>,
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// A service with these flags beside those of its database and folder.
pub(crate) async fn service(flags: &[&str]) -> Service {
    service_on(flags, None).await
}

/// The same with its bytes in another place than its folder.
pub(crate) async fn service_on(flags: &[&str], blobs: Option<Blobs>) -> Service {
    let database = database().await;
    let url = database.url.clone();
    start(&url, Some(database), flags, blobs).await
}

/// A service on the database behind `proxy`, which outlives it.
pub(crate) async fn service_behind(proxy: &Proxy) -> Service {
    start(&proxy.url, None, &[], None).await
}

async fn start(
    url: &str,
    database: Option<TestDatabase>,
    flags: &[&str],
    blobs: Option<Blobs>,
) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let own = ["--data", data, "--database-url", url];
    let flags: Vec<String> = own.iter().chain(flags).map(|&flag| flag.to_owned()).collect();
    let app = app(&flags, 10, blobs).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = api::router(app.clone(), Router::new());
    tokio::spawn(api::serve(listener, router, app.shutdown.clone()));
    Service { app, address, flags, http: reqwest::Client::new(), folder, _database: database }
}

/// The parts of a service with these flags and so many connections to its database.
pub(crate) async fn app(flags: &[String], connections: usize, blobs: Option<Blobs>) -> Arc<App> {
    let connections = connections.to_string();
    let own = ["shipshape", "--database-connections", &connections];
    let arguments = own.into_iter().chain(flags.iter().map(String::as_str));
    let config = Cli::parse_from(arguments).config;
    let mut app = App::start(config, telemetry::metrics()).await.unwrap().app;
    if let Some(blobs) = blobs {
        Arc::get_mut(&mut app).expect("nobody else has it yet").blobs = blobs;
    }
    app
}

/// A worker in this process.
pub(crate) struct TestWorker {
    stop: CancellationToken,
    run: JoinHandle<Result<(), Stuck>>,
}

impl TestWorker {
    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.run.await.unwrap().unwrap();
    }
}

impl Service {
    /// Starts a worker that is quick to look and quick to stop.
    pub(crate) fn work(&self) -> TestWorker {
        let settings = Settings {
            poll: Duration::from_millis(100),
            heartbeat: Duration::from_millis(500),
            drain: Duration::from_secs(5),
            backoff: Duration::from_millis(100),
            ..Settings::default()
        };
        let worker = Worker::new(&self.app.pool, tasks::handlers(&self.app), settings);
        let stop = CancellationToken::new();
        TestWorker { run: tokio::spawn(worker.run(stop.clone())), stop }
    }

    /// The status and the JSON of an answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(self.url(path))).await
    }

    /// The same for a POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.post(self.url(path)).json(body)).await
    }

    /// The same for a form.
    pub(crate) async fn send_form(&self, method: Method, path: &str, form: Form) -> (u16, Value) {
        answer(self.http.request(method, self.url(path)).multipart(form)).await
    }

    /// The same for a DELETE.
    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.http.delete(self.url(path))).await
    }

    /// The same with an idempotency key.
    pub(crate) async fn post_once(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        answer(self.http.post(self.url(path)).header("idempotency-key", key).json(body)).await
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until the job at `path` has ended and returns it.
    pub(crate) async fn ended(&self, path: &str, limit: Duration) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let (status, job) = self.get(path).await;
            assert_eq!(status, 200, "{job}");
            if matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")) {
                return job;
            }
            assert!(begun.elapsed() < limit, "still {job}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the events of one connection showed of the job at `path`, to the end of the stream.
    pub(crate) async fn events(&self, path: &str, limit: Duration) -> Vec<Value> {
        let response = reqwest::get(self.url(&format!("{path}/events"))).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = tokio::time::timeout(limit, response.text()).await.unwrap().unwrap();
        let known = |line: &str| {
            line.is_empty()
                || line.starts_with(':')
                || line == "event: job"
                || line.starts_with("data: ")
        };
        assert!(text.lines().all(known), "{text}");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|job| serde_json::from_str(job).unwrap()).collect()
    }

    /// Paths of all stored blobs, half-written files included.
    pub(crate) fn files(&self, under: &str) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().join("blobs").join(under)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.to_string_lossy().into_owned());
                }
            }
        }
        files
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
