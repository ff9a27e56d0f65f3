//! A throw-away Postgres per test binary, and in it one migrated database per test.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use shipshape::db;
use shipshape::db::embedded::{Download, Embedded, Options};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool};

const TEMPLATE: &str = "template_shipshape";

/// A migrated database of its own; it goes away with the test binary.
pub(crate) struct TestDatabase {
    /// A pool on it.
    pub(crate) pool: PgPool,
    /// The same for another process.
    pub(crate) url: String,
}

/// A new, migrated, empty database.
pub(crate) async fn database() -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(start)).await.unwrap();
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    run(&server.url, format!("create database {name} template {TEMPLATE}")).await;
    let url = named(&server.url, &name);
    TestDatabase { pool: db::connect(&url, 8).await.unwrap(), url }
}

static SERVER: OnceLock<Server> = OnceLock::new();

struct Server {
    url: String,
    // Kept for their locks and pipe: both end with this process, however it ends.
    _embedded: Embedded,
    _watchdog: Child,
}

/// Runs on a thread of its own: each test has another async runtime.
fn start() -> Server {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::Builder::new().prefix("shipshape-test-").tempdir().unwrap().keep();
        // Durability is not what these tests test; many of them run at once on many cores.
        let settings = [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "1000"),
        ];
        let options = Options {
            pg_bin: std::env::var_os("SHIPSHAPE_PG_BIN").map(Into::into),
            download: Download::configured().unwrap(),
            settings: settings.map(|(name, value)| (name.into(), value.into())).into(),
        };
        let embedded = Embedded::start_with(&folder, &options).await.unwrap();
        let watchdog = watchdog(embedded.pid().unwrap(), &folder.to_string_lossy());
        let url = embedded.url();
        run(&url, format!("create database {TEMPLATE}")).await;
        let pool = db::connect(&named(&url, TEMPLATE), 1).await.unwrap();
        db::migrate(&pool).await.unwrap();
        pool.close().await;
        Server { url, _embedded: embedded, _watchdog: watchdog }
    })
}

/// A process that outlives this one by a moment: when the pipe to it closes, it stops the server
/// and removes its folder. It works for failed, aborted and killed test binaries alike.
fn watchdog(server: u32, folder: &str) -> Child {
    let script = "read -r _; kill -QUIT $0; for _ in 1 2 3 4 5; do kill -0 $0 || break; sleep 0.2; \
                  done; rm -rf \"$1\"";
    Command::new("sh")
        .args(["-c", script, &server.to_string(), folder])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn named(url: &str, name: &str) -> String {
    url.replace("/shipshape?", &format!("/{name}?"))
}

async fn run(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}
