//! The private Postgres: shared, stopped by its last user, and sound after kills.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, getpgid, kill_process, test_kill_process};
use shipshape::db::embedded::{Download, Embedded};
use shipshape::db::{self, Sha256};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Process, end_with_parent, eventually};

const ENTRY: &str = "embedded::server_entry";
const FOLDER: &str = "SHIPSHAPE_TEST_DATA_DIR";

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("shipshape-test-").tempdir().unwrap()
}

async fn start(folder: &Path) -> Embedded {
    Embedded::start(folder, None).await.unwrap()
}

fn pid(server: &Embedded) -> Pid {
    Pid::from_raw(server.pid().unwrap().cast_signed()).unwrap()
}

fn runs(pid: Pid) -> bool {
    // A zombie child of this process counts as ended.
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && !status.is_ok_and(|status| status.contains(") Z "))
}

async fn execute(server: &Embedded, statement: &'static str) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn ask(server: &Embedded, question: &'static str) -> String {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process that uses a private Postgres, which other tests start"]
async fn server_entry() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    end_with_parent();
    let server = start(Path::new(&folder)).await;
    execute(&server, "create table if not exists seen (who int); insert into seen values (1)")
        .await;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn it_keeps_its_data_in_a_deep_folder_with_odd_characters() {
    let folder = folder();
    let deep = folder.path().join(format!("a b+c&d=é%'/{}", "deep/".repeat(20)));
    let server = start(&deep).await;
    execute(&server, "create table kept as select 7 as n").await;
    let first = pid(&server);
    server.shutdown().await.unwrap();
    assert!(!runs(first));
    let server = start(&deep).await;
    assert_eq!(ask(&server, "select n::text from kept").await, "7");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_is_reached_by_its_owner_through_a_socket_only_and_survives_ctrl_c() {
    let folder = folder();
    let server = start(folder.path()).await;
    assert_eq!(ask(&server, "show fsync").await, "on");
    assert_eq!(ask(&server, "show listen_addresses").await, "");
    assert_eq!(ask(&server, "show data_checksums").await, "on");
    for name in ["postgres", "postgres.socket"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
    assert_ne!(getpgid(Some(pid(&server))).unwrap(), getpgid(None).unwrap());
    let pool = db::connect(&server.url(), 2).await.unwrap();
    db::migrate(&pool).await.unwrap();
    pool.close().await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn two_that_start_at_once_share_one_server_until_the_last_leaves() {
    let folder = folder();
    let (first, second) = tokio::join!(start(folder.path()), start(folder.path()));
    let server = pid(&first);
    assert_eq!(server, pid(&second));
    first.shutdown().await.unwrap();
    assert!(runs(server));
    execute(&second, "create table still_here ()").await;
    second.shutdown().await.unwrap();
    eventually("the last one stops it", Duration::from_secs(5), async || !runs(server)).await;
}

#[tokio::test]
async fn the_starter_may_be_killed_and_the_next_one_attaches() {
    let folder = folder();
    let data_dir = folder.path().to_string_lossy().into_owned();
    let mut starter = Process::spawn(ENTRY, &[(FOLDER, &data_dir)]);
    let log = folder.path().join("postgres.log");
    eventually("it starts", Duration::from_secs(30), async || log.exists()).await;
    let server = start(folder.path()).await;
    let orphan = pid(&server);
    eventually("it writes", Duration::from_secs(10), async || {
        ask(&server, "select count(*)::text from pg_tables where tablename = 'seen'").await == "1"
    })
    .await;
    starter.kill();
    assert!(runs(orphan));
    assert_eq!(ask(&server, "select count(*)::text from seen").await, "1");
    let next = start(folder.path()).await;
    assert_eq!(pid(&next), orphan);
    server.shutdown().await.unwrap();
    next.shutdown().await.unwrap();
    eventually("the last one stops it", Duration::from_secs(5), async || !runs(orphan)).await;
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_what_was_committed() {
    let folder = folder();
    let mut server = start(folder.path()).await;
    execute(&server, "create table kept (n int)").await;
    for round in 1..=3 {
        execute(&server, "insert into kept values (1)").await;
        kill_process(pid(&server), Signal::KILL).unwrap();
        let next = start(folder.path()).await;
        assert_eq!(ask(&next, "select count(*)::text from kept").await, round.to_string());
        drop(server);
        server = next;
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_of_somebody_elses_process_is_no_server() {
    let folder = folder();
    let server = start(folder.path()).await;
    let file = folder.path().join("postgres/postmaster.pid");
    let text = std::fs::read_to_string(&file).unwrap();
    kill_process(pid(&server), Signal::KILL).unwrap();
    eventually("it is dead", Duration::from_secs(5), async || !runs(pid(&server))).await;
    drop(server);
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();
    start(folder.path()).await.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_version_is_refused_with_the_package_to_install() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("postgres")).unwrap();
    std::fs::write(folder.path().join("postgres/PG_VERSION"), "9\n").unwrap();
    let options = shipshape::db::embedded::Options::default();
    let error = Embedded::start_with(folder.path(), &options).await.unwrap_err().to_string();
    assert!(error.contains("PostgreSQL 9") && error.contains("postgresql-9"), "{error}");
}

/// Serves `body` to every request.
async fn serve(body: Vec<u8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/postgres.tgz", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _some = socket.read(&mut request).await.unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&body).await.unwrap();
        }
    });
    url
}

/// An archive whose binaries hand over to the installed ones, laid out as npm packages are.
fn archive(binaries: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |path: &str, text: String| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    };
    for name in ["postgres", "initdb"] {
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", binaries.join(name).display());
        add(&format!("package/native/bin/{name}"), script);
    }
    add("package/native/lib/libpq.so.5.17", "library".into());
    let link = r#"[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]"#;
    add("package/native/pg-symlinks.json", link.into());
    archive.into_inner().unwrap().finish().unwrap()
}

fn installed_binaries() -> PathBuf {
    let shelf = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let shelved = shelf.map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(shelved);
    folders.find(|folder| folder.join("initdb").exists()).expect("no initdb to test with")
}

#[tokio::test]
async fn binaries_are_downloaded_once_and_only_with_the_right_checksum() {
    let folder = folder();
    let bytes = archive(&installed_binaries());
    let sha256 = Sha256::of(&bytes);
    let url = serve(bytes).await;
    let wrong = Download { url: url.clone(), sha256: Sha256::of(b"something else") };
    let error = format!("{:#}", wrong.fetch(folder.path()).await.unwrap_err());
    assert!(error.contains("it was not kept"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let right = Download { url, sha256 };
    let binaries = right.fetch(folder.path()).await.unwrap();
    let link = std::fs::read_link(binaries.join("../lib/libpq.so.5")).unwrap();
    assert_eq!(link, Path::new("libpq.so.5.17"));
    let offline = Download { url: "http://127.0.0.1:9/".into(), sha256 };
    assert_eq!(offline.fetch(folder.path()).await.unwrap(), binaries);

    let server = Embedded::start(&folder.path().join("data"), Some(&binaries)).await.unwrap();
    assert_eq!(ask(&server, "select 'up'").await, "up");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_archive_that_leaves_its_folder_is_refused() {
    let folder = folder();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let link = br#"[{"source":"../../x","target":"../../escaped"}]"#;
    let mut header = tar::Header::new_gnu();
    header.set_size(link.len() as u64);
    archive.append_data(&mut header, "package/native/pg-symlinks.json", &link[..]).unwrap();
    let bytes = archive.into_inner().unwrap().finish().unwrap();
    let download = Download { sha256: Sha256::of(&bytes), url: serve(bytes).await };
    let error = format!("{:#}", download.fetch(folder.path()).await.unwrap_err());
    assert!(error.contains("out of its folder"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
