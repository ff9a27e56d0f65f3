//! Finds Postgres binaries: the configured folder, PATH, the distribution's folders, a download.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::Options;
use super::layout::Layout;

/// The oldest major version that the migrations work on.
const OLDEST: u32 = 14;

/// The folder of `postgres` and `initdb`, of the major version `wanted` when a cluster exists.
pub(super) async fn find(
    layout: &Layout,
    options: &Options,
    wanted: Option<u32>,
) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &options.pg_bin {
        return configured(folder, wanted);
    }
    let found = installed(std::env::var_os("PATH").as_deref(), Path::new("/usr/lib/postgresql"));
    let fitting = found.iter().find(|(_, version)| fits(*version, wanted));
    if let Some((folder, _)) = fitting {
        return Ok(folder.clone());
    }
    let missing = sentence(wanted);
    let Some(download) = &options.download else {
        bail!(missing);
    };
    let folder = download.fetch(&layout.root).await.context(missing.clone())?;
    if !version(&folder).is_some_and(|version| fits(version, wanted)) {
        bail!("{missing}; the downloaded ones do not fit or do not run here");
    }
    Ok(folder)
}

fn sentence(wanted: Option<u32>) -> String {
    let what = wanted.map_or_else(
        || format!("no PostgreSQL server binaries of version {OLDEST} or newer were found"),
        |wanted| format!("the data directory was made by PostgreSQL {wanted}, which is not here"),
    );
    let package =
        wanted.map_or_else(|| "postgresql".into(), |wanted| format!("postgresql-{wanted}"));
    format!(
        "{what}: install them (apt-get install {package}), name their folder in SHIPSHAPE_PG_BIN, \
         or set DATABASE_URL"
    )
}

fn fits(version: u32, wanted: Option<u32>) -> bool {
    wanted.map_or(version >= OLDEST, |wanted| version == wanted)
}

fn configured(folder: &Path, wanted: Option<u32>) -> anyhow::Result<PathBuf> {
    match version(folder) {
        None => bail!("SHIPSHAPE_PG_BIN: {} holds no PostgreSQL server", folder.display()),
        Some(version) if !fits(version, wanted) => bail!(
            "SHIPSHAPE_PG_BIN: {} holds PostgreSQL {version}, but {} is needed",
            folder.display(),
            wanted.map_or_else(|| format!("{OLDEST} or newer"), |wanted| wanted.to_string()),
        ),
        Some(_) => Ok(folder.to_path_buf()),
    }
}

/// Folders with a server and their versions: `path`'s in its order, then the newest of `shelf`.
fn installed(path: Option<&OsStr>, shelf: &Path) -> Vec<(PathBuf, u32)> {
    let with_version = |folder: PathBuf| version(&folder).map(|version| (folder, version));
    let in_path: Vec<_> =
        path.into_iter().flat_map(std::env::split_paths).filter_map(with_version).collect();
    let shelved = std::fs::read_dir(shelf).into_iter().flatten().flatten();
    let mut shelved: Vec<_> =
        shelved.filter_map(|entry| with_version(entry.path().join("bin"))).collect();
    shelved.sort_by_key(|&(_, version)| std::cmp::Reverse(version));
    in_path.into_iter().chain(shelved).collect()
}

/// The major version of the server in `folder`; `None` when a part of it is missing.
fn version(folder: &Path) -> Option<u32> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    major(std::str::from_utf8(&output.stdout).ok()?)
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)` and `postgres (PostgreSQL) 19beta1`.
fn major(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_releases_and_betas() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major("pg_ctl: no database\n"), None);
    }

    #[tokio::test]
    async fn missing_binaries_are_answered_with_the_package_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        let error = find(&layout, &Options::default(), Some(9)).await.unwrap_err().to_string();
        assert!(error.contains("apt-get install postgresql-9"), "{error}");
        let options = Options { pg_bin: Some(folder.path().into()), ..Options::default() };
        let error = find(&layout, &options, None).await.unwrap_err().to_string();
        assert!(error.contains("SHIPSHAPE_PG_BIN"), "{error}");
    }
}
