//! A socket before the database's that refuses, or swallows what is said, when a test says so.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const SOCKET: &str = ".s.PGSQL.5432";

/// What the way to the database is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it should be.
    Open,
    /// Connections are ended, new ones are ended at once.
    Refusing,
    /// Connections stand and nothing gets through; those of this time stay mute for ever.
    Mute,
}

/// The proxy; it is gone with this value.
pub(crate) struct Proxy {
    /// The database's URL by way of the proxy.
    pub(crate) url: String,
    way: watch::Sender<Way>,
    faults: Arc<AtomicU64>,
    listen: JoinHandle<()>,
    _folder: TempDir,
}

impl Proxy {
    /// An open way to the database at `url`.
    pub(crate) fn before(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options: PgConnectOptions = url.parse().unwrap();
        let server = options.get_socket().unwrap().join(SOCKET);
        let (base, _) = url.split_once("?host=").unwrap();
        let url = format!("{base}?host={}", folder.path().display());
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let (way, seen) = watch::channel(Way::Open);
        let faults = Arc::new(AtomicU64::new(0));
        let listen = tokio::spawn(listen(listener, server, seen, Arc::clone(&faults)));
        Self { url, way, faults, listen, _folder: folder }
    }

    /// Changes the way.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Connections refused and pieces of data swallowed so far.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listen.abort();
    }
}

async fn listen(
    listener: UnixListener,
    server: PathBuf,
    way: watch::Receiver<Way>,
    faults: Arc<AtomicU64>,
) {
    let mut streams = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        streams.spawn(carry(client, server.clone(), way.clone(), Arc::clone(&faults)));
    }
}

async fn carry(
    mut client: UnixStream,
    server: PathBuf,
    mut way: watch::Receiver<Way>,
    faults: Arc<AtomicU64>,
) {
    let mut server = UnixStream::connect(&server).await.unwrap();
    tokio::select! {
        biased;
        changed = way.wait_for(|way| *way != Way::Open) => {
            if changed.is_ok_and(|way| *way == Way::Refusing) {
                faults.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
    }
    // The server's side stands, too: it was not told either.
    let mut swallowed = [0; 1024];
    while client.read(&mut swallowed).await.is_ok_and(|read| read > 0) {
        faults.fetch_add(1, Ordering::Relaxed);
    }
}
