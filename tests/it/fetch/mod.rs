//! Downloads: what a good one gives, what redirects lead to, and the parts for hosts that are not so good.

mod guard;
mod hostile;
mod polite;

use std::collections::HashMap;
use std::time::Duration;

use shipshape::scrape::OutcomeKind;
use shipshape::scrape::fetch::{FetchError, FetchPolicy, Fetcher, user_agent};

use crate::support::origin::{Origin, Reply, ok, redirect, with_head};

const PICTURE: &[u8] = b"\x89PNG picture";

fn policy(origin: &Origin) -> FetchPolicy {
    FetchPolicy {
        user_agent: user_agent(Some("mailto:someone@example.com")),
        allow_hosts: vec![origin.address.to_string().parse().unwrap()],
        robots: false,
        host_rate: 1e6,
        host_concurrency: 64,
        connect_timeout: Duration::from_millis(500),
        first_byte_timeout: Duration::from_millis(700),
        total_timeout: Duration::from_secs(3),
        speed_window: Duration::from_millis(500),
        ..FetchPolicy::default()
    }
}

fn code(error: &FetchError) -> String {
    let (kind, code) = error.outcome();
    let kind = match kind {
        OutcomeKind::Rejected => "rejected",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Skipped => "skipped",
        other => panic!("{other:?} is no error"),
    };
    format!("{kind}:{code}")
}

fn routes(entries: Vec<(&str, Reply)>) -> HashMap<String, Reply> {
    entries.into_iter().map(|(path, reply)| (path.to_owned(), reply)).collect()
}

#[tokio::test]
async fn a_good_picture_comes_whole_and_we_say_who_we_are_and_nothing_else() {
    let origin = Origin::serve(routes(vec![
        (
            "/start",
            with_head("302 Found\r\nLocation: next?a=1#part\r\nSet-Cookie: id=7; Path=/", b""),
        ),
        ("/next?a=1", ok("image/png; charset=x", PICTURE)),
    ]))
    .await;
    let fetch = Fetcher::new(policy(&origin)).unwrap();
    let fetched = fetch.fetch(&origin.url("/start#top")).await.unwrap();
    assert_eq!(&fetched.bytes[..], PICTURE);
    assert_eq!(fetched.final_url.as_str(), origin.url("/next?a=1"));
    assert_eq!(fetched.status, 200);
    assert_eq!(fetched.content_type.as_deref(), Some("image/png; charset=x"));
    for seen in origin.seen() {
        assert!(seen.head.contains("accept-encoding: identity\r\n"), "{}", seen.head);
        assert!(seen.head.contains("user-agent: shipshape/"), "{}", seen.head);
        assert!(seen.head.contains("(+mailto:someone@example.com)\r\n"), "{}", seen.head);
        assert!(!seen.head.contains("cookie:") && !seen.head.contains("referer:"), "{}", seen.head);
    }
}

#[test]
fn a_proxy_in_the_environment_is_ignored() {
    let test = "fetch::a_good_picture_comes_whole_and_we_say_who_we_are_and_nothing_else";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        child.env(name, "http://127.0.0.1:9/");
    }
    let output = child.args([test, "--exact"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn redirects_end_after_five_or_where_they_lead_nowhere() {
    let mut entries: HashMap<String, Reply> =
        (0..10).map(|n| (format!("/hop/{n}"), redirect(302, &format!("/hop/{}", n + 1)))).collect();
    entries.insert("/hop/10".into(), ok("image/png", PICTURE));
    entries.insert("/loop".into(), redirect(301, "/loop"));
    entries.insert("/nowhere".into(), with_head("302 Found", b""));
    entries.insert("/empty".into(), with_head("302 Found\r\nLocation:", b""));
    entries.insert("/choices".into(), with_head("300 Choices\r\nLocation: /hop/10", b"x"));
    entries.insert("/broken".into(), redirect(302, "http://[::1"));
    let origin = Origin::serve(entries).await;
    let fetch = Fetcher::new(policy(&origin)).unwrap();
    assert!(fetch.fetch(&origin.url("/hop/5")).await.is_ok());
    for path in ["/hop/4", "/loop", "/nowhere", "/empty", "/choices", "/broken"] {
        let error = fetch.fetch(&origin.url(path)).await.unwrap_err();
        assert_eq!(
            (code(&error).as_str(), error.retryable()),
            ("failed:redirect", false),
            "{path}"
        );
    }
    assert_eq!(origin.hits("/loop"), 6);
}
