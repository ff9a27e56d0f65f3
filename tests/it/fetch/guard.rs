//! The fetch guard against canaries: listeners that must never be reached, counted by their accepts.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use shipshape::scrape::fetch::{FetchError, FetchPolicy, Fetcher, HostPort, LocalPace, Lookup};
use tokio::net::TcpListener;

use crate::support::origin::{Origin, redirect, with_head};

/// One port on every address of this machine; counts connections.
struct Canary {
    port: u16,
    accepts: Arc<AtomicUsize>,
}

impl Canary {
    async fn perch() -> Self {
        let accepts = Arc::new(AtomicUsize::new(0));
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut listeners = vec![first];
        for other in [Some("::1".parse().unwrap()), own_address()].into_iter().flatten() {
            // A machine without IPv6 or without a network has one canary fewer.
            listeners.extend(TcpListener::bind(SocketAddr::new(other, port)).await.ok());
        }
        for listener in listeners {
            let accepts = Arc::clone(&accepts);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    accepts.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, accepts }
    }

    async fn accepts(&self) -> usize {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.accepts.load(Ordering::SeqCst)
    }
}

/// This machine's address on its network; nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// Answers from a list per name, one after the other, the last for ever.
#[derive(Default)]
struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    fn with(entries: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let answers = entries.iter().map(|(name, answers)| {
            let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
            ((*name).to_owned(), answers.iter().map(parse).collect())
        });
        Arc::new(Self { answers: Mutex::new(answers.collect()), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Names {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.lock().unwrap();
        let answer = answers.get(&name).map(|list| list[nth % list.len()].clone());
        Box::pin(async move { answer.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

fn policy(canary: &Canary) -> FetchPolicy {
    FetchPolicy {
        extra_ports: vec![canary.port],
        robots: false,
        host_rate: 1e6,
        host_concurrency: 64,
        connect_timeout: Duration::from_millis(50),
        ..FetchPolicy::default()
    }
}

fn fetcher(policy: FetchPolicy, names: Arc<Names>) -> Fetcher {
    Fetcher::with(policy, names, Arc::new(LocalPace::default())).unwrap()
}

fn code(error: &FetchError) -> String {
    error.outcome().1.into_owned()
}

#[tokio::test]
async fn no_spelling_of_this_machine_is_connected_to() {
    let canary = Canary::perch().await;
    let port = canary.port;
    let fetch = fetcher(policy(&canary), Arc::default());
    let mut hosts: Vec<String> = "127.0.0.1 127.0.0.100 localhost localhost. foo.localhost 2130706433 \
        0x7f000001 0x7f.1 0177.0.0.1 127.1 0 0.0.0.0 １２７.０.０.１ ⓛocalhost [::1] [::] [::ffff:127.0.0.1] \
        [::ffff:7f00:1] [::127.0.0.1] [2002:7f00:1::] [64:ff9b::7f00:1]"
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    hosts.extend(
        own_address()
            .filter(|ip| !shipshape::scrape::fetch::is_public(*ip, false))
            .map(|ip| ip.to_string()),
    );
    for host in &hosts {
        let error = fetch.fetch(&format!("http://{host}:{port}/x.png")).await.unwrap_err();
        assert_eq!(code(&error), "ssrf", "{host}");
        let error = fetch.fetch(&format!("https://{host}:{port}/x.png")).await.unwrap_err();
        assert_eq!(code(&error), "ssrf", "{host}");
    }
    assert_eq!(canary.accepts().await, 0);

    // The canary does sing: the same fetch is let through where the policy says so.
    let here = HostPort { host: "127.0.0.1".into(), port };
    let short = Duration::from_millis(200);
    let allowed =
        FetchPolicy { allow_hosts: vec![here], first_byte_timeout: short, ..policy(&canary) };
    fetcher(allowed, Arc::default()).fetch(&format!("http://127.1:{port}/")).await.unwrap_err();
    assert_eq!(canary.accepts().await, 1);
}

#[tokio::test]
async fn a_name_with_any_closed_address_is_refused_whole() {
    let canary = Canary::perch().await;
    let names = Names::with(&[
        ("127.0.0.1.nip.io", &[&["127.0.0.1"]]),
        ("lvh.me", &[&["127.0.0.1", "::1"]]),
        ("localtest.me", &[&["::1"]]),
        ("mixed.test", &[&["8.8.8.8", "127.0.0.1"]]),
        ("mixed-too.test", &[&["127.0.0.1", "8.8.8.8"]]),
        ("mapped.test", &[&["::ffff:127.0.0.1"]]),
        ("intranet.test", &[&["10.0.0.1"]]),
        ("metadata.test", &[&["169.254.169.254"]]),
        ("nobody.test", &[&[]]),
    ]);
    let fetch = fetcher(policy(&canary), Arc::clone(&names));
    let all: Vec<String> = names.answers.lock().unwrap().keys().cloned().collect();
    for name in all {
        let error = fetch.fetch(&format!("http://{name}:{}/x.png", canary.port)).await.unwrap_err();
        let expected = if name == "nobody.test" { "dns" } else { "ssrf" };
        assert_eq!(code(&error), expected, "{name}");
    }
    let error = fetch.fetch("http://unknown.test/x.png").await.unwrap_err();
    assert_eq!(code(&error), "dns");
    assert_eq!(canary.accepts().await, 0);
}

#[tokio::test]
async fn a_second_answer_of_the_resolver_is_never_dialled() {
    let canary = Canary::perch().await;
    // The public one is of a range that no route leads to from a test machine; if one does, it times out.
    let names = Names::with(&[("rebind.test", &[&["2a00:ffff::1"], &["127.0.0.1"]])]);
    let fetch = fetcher(policy(&canary), Arc::clone(&names));
    let url = format!("http://rebind.test:{}/x.png", canary.port);
    let codes: Vec<String> = futures::stream::iter(0..1000)
        .map(|_| async { code(&fetch.fetch(&url).await.unwrap_err()) })
        .buffer_unordered(50)
        .collect()
        .await;
    assert_eq!(canary.accepts().await, 0);
    assert!(names.asked.load(Ordering::SeqCst) >= 900, "the resolver was asked");
    assert!(codes.iter().filter(|code| *code == "ssrf").count() >= 400);
    assert!(codes.iter().any(|code| code != "ssrf"), "the public answer was dialled");
}

#[tokio::test]
async fn an_allowed_name_does_not_open_its_other_ports() {
    let canary = Canary::perch().await;
    let origin = Origin::serve([("/x".to_owned(), with_head("200 OK", b"picture"))]).await;
    let names = Names::with(&[("intranet.test", &[&["127.0.0.1"]])]);
    let here = HostPort { host: "intranet.test".into(), port: origin.address.port() };
    let fetch = fetcher(FetchPolicy { allow_hosts: vec![here], ..policy(&canary) }, names);
    let url = |port: u16| format!("http://intranet.test:{port}/x");
    assert_eq!(&fetch.fetch(&url(origin.address.port())).await.unwrap().bytes[..], b"picture");
    assert_eq!(code(&fetch.fetch(&url(canary.port)).await.unwrap_err()), "ssrf");
    assert_eq!(code(&fetch.fetch("http://intranet.test/").await.unwrap_err()), "ssrf");
    assert_eq!(canary.accepts().await, 0);
}

#[tokio::test]
async fn every_redirect_hop_is_checked_again() {
    let canary = Canary::perch().await;
    let port = canary.port;
    let targets = [
        (format!("http://127.0.0.1:{port}/"), "ssrf"),
        (format!("http://[::1]:{port}/"), "ssrf"),
        (format!("//127.0.0.1:{port}/x"), "ssrf"),
        (format!("http://lvh.me:{port}/"), "ssrf"),
        ("http://169.254.169.254/latest/meta-data/".into(), "ssrf"),
        ("http://10.0.0.1/".into(), "ssrf"),
        (format!("http://user:pass@127.0.0.100:{port}/"), "userinfo"),
        ("http://example.com:22/".into(), "port"),
        ("file:///etc/passwd".into(), "bad_url"),
        ("ftp://example.com/".into(), "bad_url"),
        ("data:image/png;base64,AAAA".into(), "bad_url"),
    ];
    let statuses = [301, 302, 303, 307, 308];
    let mut routes = HashMap::new();
    for status in statuses {
        for (n, (target, _)) in targets.iter().enumerate() {
            routes.insert(format!("/{status}/{n}"), redirect(status, target));
        }
    }
    let origin = Origin::serve(routes).await;
    let here = origin.address.to_string().parse().unwrap();
    let names = Names::with(&[("lvh.me", &[&["127.0.0.1"]])]);
    let fetch = fetcher(FetchPolicy { allow_hosts: vec![here], ..policy(&canary) }, names);
    for status in statuses {
        for (n, (target, expected)) in targets.iter().enumerate() {
            let path = format!("/{status}/{n}");
            let error = fetch.fetch(&origin.url(&path)).await.unwrap_err();
            assert_eq!(
                (code(&error).as_str(), origin.hits(&path)),
                (*expected, 1),
                "{status} {target}"
            );
        }
    }
    assert_eq!(canary.accepts().await, 0);
}
