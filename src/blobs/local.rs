//! Objects as files: written to a temporary name, flushed, renamed, and the directory flushed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use tempfile::NamedTempFile;

use super::{Key, Meta};

/// Names of files that are still being written; a listing skips them.
const UNFINISHED: &str = ".unfinished-";

/// A directory of objects.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    /// Opens the directory at `root`, making it if it is absent and checking that it can be written.
    pub async fn open(root: &Path) -> anyhow::Result<Self> {
        let root = root.to_owned();
        blocking(move || {
            fs::create_dir_all(&root)
                .and_then(|()| tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&root))
                .with_context(|| {
                    format!("the blob directory {} cannot be written", root.display())
                })?;
            Ok(Self { root })
        })
        .await
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.to_string())
    }

    /// Does the work when the directory is there: without it nothing is "not found", and nothing is to be written to
    /// the disk below a mount that went away.
    async fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let root = self.root.clone();
        blocking(move || {
            fs::read_dir(&root)
                .with_context(|| format!("the blob directory {} is away", root.display()))?;
            work()
        })
        .await
    }

    pub(super) async fn put(&self, key: &Key, bytes: Bytes) -> anyhow::Result<()> {
        let path = self.path(key);
        self.within(move || publish(&path, &mut &bytes[..])).await
    }

    pub(super) async fn put_file(&self, key: &Key, source: &Path) -> anyhow::Result<()> {
        let (path, source) = (self.path(key), source.to_owned());
        self.within(move || publish(&path, &mut File::open(source)?)).await
    }

    pub(super) async fn get(&self, key: &Key) -> anyhow::Result<Option<Bytes>> {
        let path = self.path(key);
        self.within(move || Ok(present(fs::read(path))?.map(Bytes::from))).await
    }

    pub(super) async fn get_file(&self, key: &Key, to: &Path) -> anyhow::Result<Option<u64>> {
        let (path, to) = (self.path(key), to.to_owned());
        self.within(move || {
            let Some(mut source) = present(File::open(path))? else {
                return Ok(None);
            };
            Ok(Some(io::copy(&mut source, &mut File::create(to)?)?))
        })
        .await
    }

    pub(super) async fn head(&self, key: &Key) -> anyhow::Result<Option<Meta>> {
        let path = self.path(key);
        self.within(move || {
            Ok(present(fs::metadata(path))?.map(|meta| Meta { size: meta.len(), etag: None }))
        })
        .await
    }

    pub(super) async fn copy(&self, from: &Key, to: &Key) -> anyhow::Result<Option<Meta>> {
        let (from, to) = (self.path(from), self.path(to));
        self.within(move || {
            let Some(mut source) = present(File::open(from))? else {
                return Ok(None);
            };
            let size = source.metadata()?.len();
            publish(&to, &mut source)?;
            let copied = fs::metadata(&to)?.len();
            anyhow::ensure!(copied == size, "{copied} of {size} bytes arrived");
            Ok(Some(Meta { size, etag: None }))
        })
        .await
    }

    pub(super) async fn delete(&self, key: &Key) -> anyhow::Result<()> {
        let path = self.path(key);
        self.within(move || {
            if present(fs::remove_file(&path))?.is_some() {
                flush_directory(&path)?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || {
            let mut found = Vec::new();
            walk(&root, "", &prefix, &mut |path, name| {
                if !name.starts_with(UNFINISHED) {
                    found.push(path);
                }
            })?;
            found.sort_unstable();
            Ok(found)
        })
        .await
    }

    /// Removes files that a process which died had begun to write, once they are `age` old; how many.
    pub(super) async fn sweep(&self, age: Duration) -> anyhow::Result<usize> {
        let root = self.root.clone();
        blocking(move || {
            let mut unfinished = Vec::new();
            walk(&root, "", "", &mut |path, name| {
                if name.starts_with(UNFINISHED) {
                    unfinished.push(root.join(path));
                }
            })?;
            let mut removed = 0;
            for path in unfinished {
                let Some(meta) = present(fs::metadata(&path))? else { continue };
                if meta.modified()?.elapsed().is_ok_and(|old| old >= age) {
                    removed += usize::from(present(fs::remove_file(path))?.is_some());
                }
            }
            Ok(removed)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the file operation was cut off")?
}

/// Makes "not there" an answer.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Puts all of `source` at `path` in one step that survives a power cut.
fn publish(path: &Path, source: &mut impl Read) -> anyhow::Result<()> {
    let directory = path.parent().context("a key has a directory")?;
    make_directories(directory)?;
    let mut file: NamedTempFile =
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    io::copy(source, file.as_file_mut())?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    flush_directory(path)?;
    Ok(())
}

/// Makes `directory` and flushes the parent of each level that was missing: a new directory is an entry in its
/// parent, and can be lost in a power cut like a file.
fn make_directories(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_directories(parent)?;
    }
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => flush_directory(directory),
    }
}

/// Flushes the directory that holds `path`.
fn flush_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Shows each file whose path begins with `prefix`: its path below `root`, and its name.
fn walk(
    root: &Path,
    at: &str,
    prefix: &str,
    found: &mut impl FnMut(String, &str),
) -> io::Result<()> {
    let Some(entries) = present(fs::read_dir(root.join(at)))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
        if entry.file_type()?.is_dir() {
            // Only a directory on the way to the prefix, or below it, can hold a match.
            let inside = format!("{path}/");
            if inside.starts_with(prefix) || prefix.starts_with(&inside) {
                walk(root, &path, prefix, found)?;
            }
        } else if path.starts_with(prefix) {
            found(path, &name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sweep_removes_what_dead_writers_left_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let local = Local::open(root.path()).await.unwrap();
        let key = Key::Thumbnail(crate::db::Sha256::of(b"a"));
        local.put(&key, Bytes::from_static(b"a")).await.unwrap();
        let left = root.path().join("thumbnails/.unfinished-x");
        fs::write(&left, b"half").unwrap();

        assert_eq!(local.sweep(Duration::from_hours(1)).await.unwrap(), 0);
        assert!(left.exists(), "it may still be written");
        assert_eq!(local.sweep(Duration::ZERO).await.unwrap(), 1);
        assert!(!left.exists());
        assert_eq!(local.get(&key).await.unwrap().as_deref(), Some(&b"a"[..]));
    }
}
