//! The private Postgres of a data directory: started when nobody has, shared, stopped by its last user.

mod account;
mod binaries;
mod download;
mod layout;
mod lock;
mod server;

use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::Context as _;

use self::account::Account;
pub use self::download::Download;
use self::layout::Layout;
use self::lock::{Locks, Starting};

/// How to find the binaries and run the server, beyond the defaults.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder of `postgres` and `initdb`; searched for when absent.
    pub pg_bin: Option<PathBuf>,
    /// Where binaries come from when none are installed; `None` forbids downloading.
    pub download: Option<Download>,
    /// More server settings, such as `("fsync", "off")` for a throw-away server.
    pub settings: Vec<(String, String)>,
}

/// A running private Postgres that this process uses.
#[derive(Debug)]
pub struct Embedded {
    layout: Layout,
    locks: Locks,
    server: Option<Child>,
}

impl Embedded {
    /// Attaches to the server of `data_dir`, or starts it, creating the cluster on first use.
    /// `pg_bin` is the folder of the Postgres binaries; without it they are looked for in `PATH`
    /// and `/usr/lib/postgresql/*/bin`, then downloaded ([`Download::configured`]).
    ///
    /// # Errors
    ///
    /// One sentence each: no binaries, binaries of another version than the cluster, a folder that
    /// cannot be written, or a server that does not start, with the end of its log.
    pub async fn start(data_dir: &Path, pg_bin: Option<&Path>) -> anyhow::Result<Self> {
        let options = Options {
            pg_bin: pg_bin.map(Path::to_path_buf),
            download: Download::configured()?,
            settings: Vec::new(),
        };
        Self::start_with(data_dir, &options).await
    }

    /// [`Self::start`] with every choice given.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_with(data_dir: &Path, options: &Options) -> anyhow::Result<Self> {
        let layout = Layout::create(data_dir)?;
        // One process at a time looks, starts and attaches.
        let starting = Starting::wait(&layout).await?;
        let locks = Locks::share(&layout)?;
        let server = if server::attach(&layout).await? {
            tracing::debug!(cluster = %layout.cluster.display(), "attached to the private Postgres");
            None
        } else {
            Some(launch(&layout, options).await?)
        };
        server::create_database(&layout).await?;
        drop(starting);
        Ok(Self { layout, locks, server })
    }

    /// The URL of the database; it names the user and works from this machine only.
    pub fn url(&self) -> String {
        self.layout.url(layout::DATABASE)
    }

    /// The process id of the server, whoever started it.
    ///
    /// # Errors
    ///
    /// The server is gone.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.layout.pid().context("the private Postgres has stopped")
    }

    /// Leaves the server, and stops it when no other process uses it. Close the pool before.
    ///
    /// # Errors
    ///
    /// The locks cannot be taken or the server does not stop.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let starting = Starting::wait(&self.layout).await?;
        if self.locks.leave_as_last()? {
            server::stop(&self.layout, self.server).await?;
        }
        drop(starting);
        Ok(())
    }
}

async fn launch(layout: &Layout, options: &Options) -> anyhow::Result<Child> {
    let version = layout.version()?;
    let binaries = binaries::find(layout, options, version).await?;
    let account = Account::detect(layout, &binaries)?;
    if version.is_none() {
        server::create_cluster(layout, &binaries, &account)?;
    }
    server::start(layout, &binaries, &account, &options.settings).await
}
