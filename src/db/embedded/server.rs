//! The server's life: the cluster, start, readiness, attach, stop.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{sleep, timeout};

use super::account::Account;
use super::layout::{DATABASE, Layout, PORT, USER};

const POLL: Duration = Duration::from_millis(50);
/// A server that ends within this time is started again: after a kill -9 of the last one, its
/// shared memory and pid file can look alive for a moment.
const RETRY: Duration = Duration::from_secs(12);
/// A server that neither answers nor says that it recovers is given up.
const SILENCE: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_mins(1);
/// A process id that no system gives out.
const NO_PROCESS: u32 = 2_147_483_646;

/// What the socket says.
enum Answer {
    Ready(PgConnection),
    /// It is starting, recovering or shutting down.
    Wait,
    Nobody,
}

async fn ask(layout: &Layout) -> Answer {
    let options = layout.connection("postgres");
    let connecting = PgConnection::connect_with(&options);
    match timeout(Duration::from_secs(5), connecting).await {
        Ok(Ok(connection)) => Answer::Ready(connection),
        Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("57P03") => {
            Answer::Wait
        }
        Ok(Err(sqlx::Error::Database(error))) => {
            tracing::debug!(%error, "the private Postgres refuses");
            Answer::Wait
        }
        Ok(Err(_)) => Answer::Nobody,
        Err(_) => Answer::Wait,
    }
}

/// Whether a server already runs on the cluster and answers; waits while one starts or stops.
pub(super) async fn attach(layout: &Layout) -> anyhow::Result<bool> {
    let begun = Instant::now();
    loop {
        match ask(layout).await {
            Answer::Ready(mut connection) => {
                let cluster: String =
                    sqlx::query_scalar("show data_directory").fetch_one(&mut connection).await?;
                connection.close().await.ok();
                if Path::new(&cluster) != layout.cluster {
                    bail!("another server, of {cluster}, listens in {}", layout.socket.display());
                }
                return Ok(true);
            }
            Answer::Nobody => return Ok(false),
            Answer::Wait if begun.elapsed() > SILENCE => {
                bail!("a private Postgres is there but does not get ready{}", log_end(layout));
            }
            Answer::Wait => sleep(POLL).await,
        }
    }
}

/// Makes the cluster beside its place and renames it, so that it is complete or absent.
pub(super) fn create_cluster(
    layout: &Layout,
    binaries: &Path,
    account: &Account,
) -> anyhow::Result<()> {
    tracing::info!(cluster = %layout.cluster.display(), "creating the private Postgres");
    let draft = layout.root.join("postgres.new");
    let mut output = None;
    // Not every system knows C.UTF-8.
    for locale in ["C.UTF-8", "C"] {
        fs::remove_dir_all(&draft).ok();
        fs::create_dir(&draft)
            .with_context(|| format!("{} cannot be written", layout.root.display()))?;
        account.take(&draft)?;
        let mut command = account.command(&binaries.join("initdb"));
        command.arg("-D").arg(&draft).args(["-U", USER, "-E", "UTF8", "--auth=trust"]);
        command.args(["--data-checksums", &format!("--locale={locale}")]);
        let run = quiet(&mut command, layout).output();
        let done = run.context("initdb cannot be run")?;
        if done.status.success() {
            fs::rename(&draft, &layout.cluster)?;
            return Ok(());
        }
        output = Some(done);
    }
    fs::remove_dir_all(&draft).ok();
    let output = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    bail!("initdb failed: {}", output.unwrap_or_default().trim())
}

/// Starts the server and waits until it answers.
pub(super) async fn start(
    layout: &Layout,
    binaries: &Path,
    account: &Account,
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let begun = Instant::now();
    loop {
        forget_dead_server(layout);
        let mut child = spawn(layout, binaries, account, settings)?;
        let spawned = Instant::now();
        loop {
            match ask(layout).await {
                Answer::Ready(connection) => {
                    connection.close().await.ok();
                    return Ok(child);
                }
                Answer::Nobody if spawned.elapsed() > SILENCE => {
                    child.kill().ok();
                    child.wait().ok();
                    bail!("the private Postgres does not answer{}", log_end(layout));
                }
                // Recovery takes as long as it takes.
                Answer::Wait | Answer::Nobody => {}
            }
            if child.try_wait()?.is_some() {
                break;
            }
            sleep(POLL).await;
        }
        if begun.elapsed() > RETRY {
            bail!("the private Postgres does not start{}", log_end(layout));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn spawn(
    layout: &Layout,
    binaries: &Path,
    account: &Account,
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(&layout.log);
    let log = log.with_context(|| format!("{} cannot be written", layout.log.display()))?;
    let folder = layout.socket.display().to_string().replace('"', "\"\"");
    let mut command = account.command(&binaries.join("postgres"));
    command.arg("-D").arg(&layout.cluster).args(["-p", &PORT.to_string()]);
    let fixed = [
        ("listen_addresses", String::new()),
        ("unix_socket_directories", format!("\"{folder}\"")),
        ("unix_socket_permissions", "0700".into()),
        ("max_connections", "200".into()),
        ("logging_collector", "off".into()),
    ];
    let more = settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in fixed.into_iter().chain(more) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    // Ctrl-C in the terminal must not reach it before the pool closes.
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.current_dir(&layout.cluster);
    command.spawn().context("postgres cannot be run")
}

/// After a restart of the machine or container the pid in the lock files can be some other
/// process's, and a killed server can stay a zombie; Postgres takes either for a live server. The
/// file itself stays: Postgres finds by it whether processes of the dead server still write.
fn forget_dead_server(layout: &Layout) {
    for file in [layout.pid_file(), layout.socket.join(format!(".s.PGSQL.{PORT}.lock"))] {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        if first.trim().parse().is_ok_and(is_no_server) {
            fs::write(&file, format!("{NO_PROCESS}\n{rest}")).ok();
        }
    }
}

/// Whether there is a process `pid` that cannot be a server. Without `/proc` nothing is known.
fn is_no_server(pid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let Some((name, state)) = status.rsplit_once(") ") else {
        return false;
    };
    state.starts_with('Z') || !name.contains("(postgres")
}

/// Makes shipshape's database in a new cluster.
pub(super) async fn create_database(layout: &Layout) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(&layout.connection("postgres")).await?;
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        connection.execute("create database shipshape").await?;
    }
    connection.close().await?;
    Ok(())
}

/// Ends the server by a fast shutdown: sessions are cut, everything committed is kept.
pub(super) async fn stop(layout: &Layout, child: Option<Child>) -> anyhow::Result<()> {
    // The pid may be another process's by now: the server was killed, and its file stayed.
    let Some(pid) = layout.pid().filter(|pid| !is_no_server(*pid)) else {
        return Ok(());
    };
    let pid = Pid::from_raw(pid.cast_signed()).context("the pid file is damaged")?;
    kill_process(pid, Signal::INT).ok();
    let begun = Instant::now();
    let mut child = child;
    while layout.pid_file().exists() {
        // A server that was killed leaves its file.
        if let Some(child) = &mut child
            && child.try_wait()?.is_some()
        {
            return Ok(());
        }
        if begun.elapsed() > STOP {
            bail!("the private Postgres does not stop{}", log_end(layout));
        }
        sleep(POLL).await;
    }
    if let Some(mut child) = child {
        tokio::task::spawn_blocking(move || child.wait()).await??;
    }
    Ok(())
}

fn quiet<'a>(command: &'a mut Command, layout: &Layout) -> &'a mut Command {
    command.process_group(0).stdin(Stdio::null()).current_dir(&layout.root)
}

/// The last lines of the server's log, for an error message.
fn log_end(layout: &Layout) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut text = Vec::new();
    let read = File::open(&layout.log).and_then(|mut log| {
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(1500)))?;
        log.read_to_end(&mut text)
    });
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(6).collect();
    if read.is_err() || lines.is_empty() {
        return format!("; its log is {}", layout.log.display());
    }
    let lines: Vec<_> = lines.into_iter().rev().collect();
    format!("; its log {} ends with:\n{}", layout.log.display(), lines.join("\n"))
}
