//! Under which user the server runs: Postgres refuses root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::layout::Layout;

/// The user of the server's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// The user of this process, which is not root.
    Own,
    /// Root outside, an ordinary user in a user namespace: files stay root's.
    Mapped { uid: u32, gid: u32 },
    /// An ordinary user; the files are given to it.
    Dropped { uid: u32, gid: u32 },
}

impl Account {
    /// Chooses the account and gives it the cluster and the socket's folder.
    pub(super) fn detect(layout: &Layout, binaries: &Path) -> anyhow::Result<Self> {
        let account = Self::choose()?;
        let owner = match account {
            Self::Own => return Ok(account),
            Self::Mapped { .. } => (0, 0),
            Self::Dropped { uid, gid } => {
                open_to_others(&layout.root)?;
                for path in [&layout.root, &layout.socket, binaries] {
                    reachable(path.parent().unwrap_or(path))?;
                }
                (uid, gid)
            }
        };
        for path in [&layout.cluster, &layout.socket] {
            give(path, owner)
                .with_context(|| format!("{} cannot change its owner", path.display()))?;
        }
        Ok(account)
    }

    fn choose() -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let Some((uid, gid)) = find(&passwd, "postgres").or_else(|| find(&passwd, "nobody")) else {
            bail!(
                "Postgres refuses to run as root, and there is no account postgres or nobody: run \
                 shipshape as an ordinary user, or set DATABASE_URL"
            );
        };
        let mapped = Self::Mapped { uid, gid };
        let works = mapped
            .command(Path::new("true"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        Ok(if works { mapped } else { Self::Dropped { uid, gid } })
    }

    /// A command of `program` under this account.
    pub(super) fn command(self, program: &Path) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Mapped { uid, gid } => {
                let mut command = Command::new("unshare");
                command.arg("--user");
                command.arg(format!("--map-user={uid}")).arg(format!("--map-group={gid}"));
                command.arg("--").arg(program);
                command
            }
            Self::Dropped { uid, gid } => {
                let mut command = Command::new(program);
                command.uid(uid).gid(gid);
                command
            }
        }
    }

    /// Lets the account write into the folder `path`, which exists.
    pub(super) fn take(self, path: &Path) -> anyhow::Result<()> {
        if let Self::Dropped { uid, gid } = self {
            give(path, (uid, gid))?;
        }
        Ok(())
    }
}

/// User and group id of `name` in the text of `/etc/passwd`.
fn find(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Gives `path` and what is below it to `owner`, if it exists and is somebody else's.
fn give(path: &Path, owner: (u32, u32)) -> std::io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if found.uid() != owner.0 {
        std::os::unix::fs::lchown(path, Some(owner.0), Some(owner.1))?;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), owner)?;
        }
    }
    Ok(())
}

/// Lets other accounts pass through our own folder, without listing it.
fn open_to_others(folder: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(folder)?.mode();
    fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o011))?;
    Ok(())
}

fn reachable(folder: &Path) -> anyhow::Result<()> {
    for above in folder.ancestors() {
        if fs::metadata(above)?.mode() & 0o001 == 0 {
            bail!(
                "Postgres refuses to run as root, and no other account can enter {}: choose \
                 another data directory, run as an ordinary user, or set DATABASE_URL",
                above.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:7::/:\npostgres:x:101:104:a,b:/:";
        assert_eq!(find(passwd, "postgres"), Some((101, 104)));
        assert_eq!(find(passwd, "nobody"), None);
    }
}
