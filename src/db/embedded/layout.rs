//! Where the private Postgres keeps its cluster, socket, log and binaries in a data directory.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sqlx::postgres::PgConnectOptions;

use crate::db::Sha256;

/// The cluster's superuser; trusted, as only the owner of the socket's folder reaches it.
pub(super) const USER: &str = "shipshape";
/// The database that shipshape works in.
pub(super) const DATABASE: &str = "shipshape";
/// Part of the socket's name only: the server listens on no TCP port.
pub(super) const PORT: u16 = 5432;
/// `sockaddr_un` holds 108 bytes on Linux and 104 on macOS; the socket's name follows the folder.
const LONGEST_SOCKET_FOLDER: usize = 103 - "/.s.PGSQL.5432".len();

/// The paths of one private Postgres.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The data directory, absolute.
    pub(super) root: PathBuf,
    /// The cluster (`PGDATA`).
    pub(super) cluster: PathBuf,
    /// The folder of the socket.
    pub(super) socket: PathBuf,
    /// The server's log.
    pub(super) log: PathBuf,
}

impl Layout {
    /// Creates the data directory and the socket's folder.
    pub(super) fn create(data_dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(data_dir)
            .and_then(|()| data_dir.canonicalize())
            .with_context(|| format!("the data directory {} cannot be made", data_dir.display()))
            .and_then(Self::within)
    }

    fn within(root: PathBuf) -> anyhow::Result<Self> {
        let socket = socket_folder(&root);
        private_folder(&socket)?;
        Ok(Self { cluster: root.join("postgres"), log: root.join("postgres.log"), socket, root })
    }

    /// The URL of one of the cluster's databases.
    pub(super) fn url(&self, database: &str) -> String {
        let folder = self.socket.to_string_lossy();
        let folder: String = url::form_urlencoded::byte_serialize(folder.as_bytes()).collect();
        format!("postgres://{USER}@localhost:{PORT}/{database}?host={}", folder.replace('+', "%20"))
    }

    /// How to reach one of the cluster's databases.
    pub(super) fn connection(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(PORT)
            .username(USER)
            .database(database)
    }

    /// The major version of the cluster; `None` before it is made.
    pub(super) fn version(&self) -> anyhow::Result<Option<u32>> {
        let path = self.cluster.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let version = text.trim().parse();
                version.map(Some).with_context(|| format!("{} is damaged", path.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// The server's process id as its pid file says; it may be stale.
    pub(super) fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// The file by which the server marks its cluster as in use.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.cluster.join("postmaster.pid")
    }
}

fn socket_folder(root: &Path) -> PathBuf {
    let inside = root.join("postgres.socket");
    if inside.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
        return inside;
    }
    // The same for every process on this data directory.
    let digest = Sha256::of(root.as_os_str().as_bytes()).to_string();
    let user = rustix::process::geteuid().as_raw();
    Path::new("/tmp").join(format!("shipshape-{user}-{}", &digest[..16]))
}

/// Makes a folder that only its owner can enter; an existing one must be such a folder too, as
/// anybody can make one in `/tmp`.
fn private_folder(path: &Path) -> anyhow::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => {
            return made.with_context(|| format!("the folder {} cannot be made", path.display()));
        }
    }
    let found = fs::symlink_metadata(path)?;
    let own = rustix::process::geteuid();
    let others = found.mode() & 0o077;
    let trusted = found.is_dir() && others == 0;
    if !trusted || !(own.is_root() || found.uid() == own.as_raw()) {
        bail!("{} exists but is not a private folder of this user", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_of_a_deep_data_directory_stays_short() {
        let deep = PathBuf::from(format!("/srv/{}", "deep/".repeat(40)));
        let folder = socket_folder(&deep);
        assert!(folder.as_os_str().len() <= LONGEST_SOCKET_FOLDER);
        assert_eq!(folder, socket_folder(&deep));
        assert_ne!(folder, socket_folder(&deep.join("other")));
    }

    #[test]
    fn the_url_reaches_a_folder_with_odd_characters() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(&folder.path().join("a b+c&d=é%")).unwrap();
        let parsed: PgConnectOptions = layout.url(DATABASE).parse().unwrap();
        assert_eq!(parsed.get_socket(), Some(&layout.socket));
        assert_eq!(parsed.get_username(), USER);
        assert_eq!(parsed.get_database(), Some(DATABASE));
    }
}
