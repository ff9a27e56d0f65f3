//! Two file locks of a data directory: who starts or stops the server, and who uses it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use anyhow::Context as _;

use super::layout::Layout;

/// Held while the server is looked for, started or stopped; freed by drop or by death.
#[derive(Debug)]
pub(super) struct Starting {
    _file: File,
}

impl Starting {
    /// Waits for the other process that starts or stops the server, if there is one.
    pub(super) async fn wait(layout: &Layout) -> anyhow::Result<Self> {
        let path = layout.root.join("postgres.lock");
        let file = open(&path)?;
        let file = tokio::task::spawn_blocking(move || file.lock().map(|()| file))
            .await?
            .with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(Self { _file: file })
    }
}

/// The share of this process in the server; the death of the process frees it.
#[derive(Debug)]
pub(super) struct Locks {
    users: File,
}

impl Locks {
    /// Joins the users. Call it while [`Starting`] is held.
    pub(super) fn share(layout: &Layout) -> anyhow::Result<Self> {
        let users = open(&layout.root.join("postgres.users.lock"))?;
        users.lock_shared().context("the lock of the private Postgres cannot be taken")?;
        Ok(Self { users })
    }

    /// Leaves the users; `true` when nobody is left. Call it while [`Starting`] is held, so that
    /// nobody joins meanwhile.
    pub(super) fn leave_as_last(&self) -> anyhow::Result<bool> {
        self.users.unlock()?;
        match self.users.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))
}
