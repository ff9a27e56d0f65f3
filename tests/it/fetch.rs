//! Downloads from hosts good and bad: one outcome each, in bounded time and memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use shipshape::scrape::OutcomeKind;
use shipshape::scrape::fetch::{FetchError, FetchPolicy, Fetcher, user_agent};

use crate::support::origin::{Origin, Reply, ok, raw, redirect, with_head};

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
    entries
        .into_iter()
        .map(|(path, reply)| (path.to_owned(), reply))
        .collect()
}

#[tokio::test]
async fn a_good_picture_comes_whole_and_we_say_who_we_are_and_nothing_else() {
    let origin = Origin::serve(routes(vec![
        (
            "/start",
            with_head(
                "302 Found\r\nLocation: next?a=1#part\r\nSet-Cookie: id=7; Path=/",
                b"",
            ),
        ),
        ("/next?a=1", ok("image/png; charset=x", PICTURE)),
    ]))
    .await;
    let fetch = Fetcher::new(policy(&origin)).unwrap();
    let fetched = fetch.fetch(&origin.url("/start#top")).await.unwrap();
    assert_eq!(&fetched.bytes[..], PICTURE);
    assert_eq!(fetched.final_url.as_str(), origin.url("/next?a=1"));
    assert_eq!(fetched.status, 200);
    assert_eq!(
        fetched.content_type.as_deref(),
        Some("image/png; charset=x")
    );
    for seen in origin.seen() {
        assert!(
            seen.head.contains("accept-encoding: identity\r\n"),
            "{}",
            seen.head
        );
        assert!(
            seen.head.contains("user-agent: shipshape/"),
            "{}",
            seen.head
        );
        assert!(
            seen.head.contains("(+mailto:someone@example.com)\r\n"),
            "{}",
            seen.head
        );
        assert!(
            !seen.head.contains("cookie:") && !seen.head.contains("referer:"),
            "{}",
            seen.head
        );
    }
}

#[test]
fn a_proxy_in_the_environment_is_ignored() {
    let test = "fetch::a_good_picture_comes_whole_and_we_say_who_we_are_and_nothing_else";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        child.env(name, "http://127.0.0.1:9/");
    }
    let output = child.args([test, "--exact"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
async fn redirects_end_after_five_or_where_they_lead_nowhere() {
    let mut entries: HashMap<String, Reply> = (0..10)
        .map(|n| {
            (
                format!("/hop/{n}"),
                redirect(302, &format!("/hop/{}", n + 1)),
            )
        })
        .collect();
    entries.insert("/hop/10".into(), ok("image/png", PICTURE));
    entries.insert("/loop".into(), redirect(301, "/loop"));
    entries.insert("/nowhere".into(), with_head("302 Found", b""));
    entries.insert("/empty".into(), with_head("302 Found\r\nLocation:", b""));
    entries.insert(
        "/choices".into(),
        with_head("300 Choices\r\nLocation: /hop/10", b"x"),
    );
    entries.insert("/broken".into(), redirect(302, "http://[::1"));
    let origin = Origin::serve(entries).await;
    let fetch = Fetcher::new(policy(&origin)).unwrap();
    assert!(fetch.fetch(&origin.url("/hop/5")).await.is_ok());
    for path in [
        "/hop/4", "/loop", "/nowhere", "/empty", "/choices", "/broken",
    ] {
        let error = fetch.fetch(&origin.url(path)).await.unwrap_err();
        assert_eq!(
            (code(&error).as_str(), error.retryable()),
            ("failed:redirect", false),
            "{path}"
        );
    }
    assert_eq!(origin.hits("/loop"), 6);
}

#[tokio::test]
async fn every_hostile_answer_has_one_outcome_in_bounded_time() {
    let tick = Duration::from_millis(50);
    let head = |length: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let long_line = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many_lines = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let coded = |coding: &str| with_head(&format!("200 OK\r\n{coding}"), b"\x1f\x8b");
    let cases: Vec<(&str, Reply, &str)> = vec![
        ("/silent", Reply::Silent, "failed:timeout"),
        (
            "/head-drip",
            Reply::Drip(b"HTTP/1.1 200 OK\r\n".into(), b"x".into(), tick),
            "failed:timeout",
        ),
        (
            "/body-drip",
            Reply::Drip(head("1000").into(), b"x".into(), tick),
            "failed:timeout",
        ),
        (
            "/stall",
            Reply::Drip(
                [head("100000").as_bytes(), &[0; 99_000]].concat(),
                vec![],
                tick,
            ),
            "failed:timeout",
        ),
        ("/long-line", raw(&long_line, b""), "failed:protocol"),
        ("/many-lines", raw(&many_lines, b""), "failed:protocol"),
        (
            "/garbage",
            raw("\0\x01\x02 not http\r\n\r\n", b""),
            "failed:protocol",
        ),
        (
            "/two-lengths",
            raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                b"xy",
            ),
            "failed:protocol",
        ),
        (
            "/bad-chunk",
            raw(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"",
            ),
            "failed:protocol",
        ),
        ("/nothing", raw("", b""), "failed:truncated"),
        (
            "/announced",
            raw(&head("104857601"), &[0; 100]),
            "rejected:too_large",
        ),
        (
            "/absurd",
            raw(&head("9223372036854775808"), b"x"),
            "rejected:too_large",
        ),
        (
            "/beyond",
            raw(&head("99999999999999999999999"), b"x"),
            "failed:protocol",
        ),
        (
            "/short",
            raw(&head("1000"), b"0123456789"),
            "failed:truncated",
        ),
        (
            "/open-chunk",
            raw(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                b"",
            ),
            "failed:truncated",
        ),
        (
            "/reset",
            Reply::Reset([head("1000").as_bytes(), b"0123"].concat()),
            "failed:truncated",
        ),
        (
            "/gzip",
            coded("Content-Encoding: gzip"),
            "rejected:encoding",
        ),
        (
            "/GZIP",
            coded("Content-Encoding: GZIP"),
            "rejected:encoding",
        ),
        (
            "/nested",
            coded("Content-Encoding: identity, gzip"),
            "rejected:encoding",
        ),
        ("/br", coded("Content-Encoding: br"), "rejected:encoding"),
        (
            "/zstd",
            coded("Content-Encoding: zstd"),
            "rejected:encoding",
        ),
        (
            "/te",
            raw(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                b"",
            ),
            "rejected:encoding",
        ),
        ("/empty", with_head("200 OK", b""), "failed:empty"),
        (
            "/204",
            raw("HTTP/1.1 204 No Content\r\n\r\n", b""),
            "failed:http_204",
        ),
        (
            "/206",
            with_head("206 Partial\r\nContent-Range: bytes 0-3/100", b"0123"),
            "failed:http_206",
        ),
        (
            "/304",
            raw("HTTP/1.1 304 Not Modified\r\n\r\n", b""),
            "failed:http_304",
        ),
        ("/403", with_head("403 Forbidden", b"no"), "failed:http_403"),
        ("/404", with_head("404 Not Found", b"no"), "failed:http_404"),
        ("/410", with_head("410 Gone", b"no"), "failed:http_410"),
        ("/500", with_head("500 Oh", b"no"), "failed:http_500"),
    ];
    let origin = Origin::serve(
        cases
            .iter()
            .map(|(path, reply, _)| ((*path).to_owned(), reply.clone()))
            .collect::<HashMap<_, _>>(),
    )
    .await;
    let fetch = Fetcher::new(policy(&origin)).unwrap();
    let begun = Instant::now();
    let (fetch, asked) = (&fetch, &origin);
    join_all(cases.iter().map(|(path, _, expected)| async move {
        let error = fetch
            .fetch(&asked.url(path))
            .await
            .map(|_| ())
            .expect_err(path);
        assert_eq!(code(&error), *expected, "{path}");
        let passing = ["failed:timeout", "failed:truncated", "failed:http_500"];
        assert_eq!(error.retryable(), passing.contains(expected), "{path}");
    }))
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        cases.iter().all(|(path, ..)| origin.hits(path) == 1),
        "one request each"
    );
}

#[tokio::test]
async fn whatever_the_headers_say_no_more_than_the_limit_is_read() {
    let chunk = [b"10000\r\n".as_slice(), &[7; 65_536], b"\r\n"].concat();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let no_length = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let lying = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec();
    let origin = Origin::serve(routes(vec![
        (
            "/chunked",
            Reply::Drip(chunked, chunk.clone(), Duration::ZERO),
        ),
        (
            "/no-length",
            Reply::Drip(no_length, chunk.clone(), Duration::ZERO),
        ),
        ("/lying", Reply::Drip(lying, chunk, Duration::ZERO)),
    ]))
    .await;
    let patient = Duration::from_secs(30);
    let fetch = Fetcher::new(FetchPolicy {
        total_timeout: patient,
        ..policy(&origin)
    })
    .unwrap();
    for path in ["/chunked", "/no-length"] {
        let before = origin.sent();
        let error = fetch.fetch(&origin.url(path)).await.unwrap_err();
        assert_eq!(code(&error), "rejected:too_large");
        // What the sockets' buffers took is not read; they hold a few megabytes on loopback.
        assert!(
            origin.sent() - before < 36 << 20,
            "{}",
            origin.sent() - before
        );
    }
    // By its own length this body ends after ten bytes; the decoder judges them.
    assert_eq!(
        fetch
            .fetch(&origin.url("/lying"))
            .await
            .unwrap()
            .bytes
            .len(),
        10
    );
}

#[tokio::test]
async fn slow_hosts_do_not_hold_up_good_ones() {
    let origin = Origin::serve(routes(vec![
        ("/slow", Reply::Silent),
        ("/good", ok("image/png", PICTURE)),
    ]))
    .await;
    let fetch = Fetcher::new(FetchPolicy {
        host_concurrency: 500,
        first_byte_timeout: Duration::from_secs(3),
        total_timeout: Duration::from_secs(6),
        ..policy(&origin)
    })
    .unwrap();
    let begun = Instant::now();
    let slow =
        join_all((0..200).map(|_| async { fetch.fetch(&origin.url("/slow")).await.is_err() }));
    let good = join_all((0..200).map(|_| async {
        fetch.fetch(&origin.url("/good")).await.unwrap();
        begun.elapsed()
    }));
    let (slow, good) = futures::join!(slow, good);
    assert!(slow.into_iter().all(|failed| failed));
    assert!(
        good.into_iter().max().unwrap() < Duration::from_secs(3),
        "before the slow ones ended"
    );
}

#[tokio::test]
async fn a_host_that_says_too_many_is_left_alone() {
    let origin = Origin::serve(routes(vec![
        ("/busy", with_head("429 Too Many\r\nRetry-After: 7", b"")),
        ("/good", ok("image/png", PICTURE)),
    ]))
    .await;
    let patience = Duration::from_millis(100);
    let fetch = Fetcher::new(FetchPolicy {
        patience,
        ..policy(&origin)
    })
    .unwrap();
    let error = fetch.fetch(&origin.url("/busy")).await.unwrap_err();
    assert_eq!(code(&error), "failed:http_429");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.retryable() && error.is_throttle());
    let error = fetch.fetch(&origin.url("/good")).await.unwrap_err();
    assert_eq!(code(&error), "failed:host_busy");
    assert!(error.retry_after().unwrap() > Duration::from_secs(6) && error.is_throttle());
    assert_eq!(origin.accepts(), 1, "nothing was sent during the pause");
}

#[tokio::test]
async fn one_host_is_asked_no_faster_and_no_more_at_once_than_agreed() {
    let origin = Origin::answer(|_| {
        let picture = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            PICTURE.len()
        );
        Reply::Late(
            Duration::from_millis(60),
            [picture.as_bytes(), PICTURE].concat(),
        )
    })
    .await;
    let polite = FetchPolicy {
        host_rate: 40.0,
        host_concurrency: 2,
        ..policy(&origin)
    };
    let fetch = Fetcher::new(polite).unwrap();
    let urls: Vec<String> = (0..40).map(|n| origin.url(&format!("/{n}"))).collect();
    let begun = Instant::now();
    join_all(
        urls.iter()
            .map(|url| async { fetch.fetch(url).await.unwrap() }),
    )
    .await;
    let mut starts: Vec<Instant> = origin.seen().iter().map(|seen| seen.at).collect();
    starts.sort();
    assert_eq!((starts.len(), origin.most_open()), (40, 2));
    assert!(begun.elapsed() >= Duration::from_millis(25 * 39));
    // Any second sees its rate, give or take the one that was late before it.
    assert!(
        starts
            .windows(21)
            .all(|few| few[20] - few[0] > Duration::from_millis(450))
    );
}

#[tokio::test]
async fn robots_txt_and_the_robots_header_are_obeyed() {
    let origin = Origin::serve(routes(vec![
        (
            "/robots.txt",
            ok(
                "text/plain",
                b"User-agent: *\nDisallow: /private/\n\nUser-agent: shipshape\nDisallow: /ours/",
            ),
        ),
        ("/private/x", ok("image/png", PICTURE)),
        ("/ours/x", ok("image/png", PICTURE)),
        ("/to-ours", redirect(302, "/ours/x")),
        (
            "/tagged",
            with_head("200 OK\r\nX-Robots-Tag: noindex, noai", PICTURE),
        ),
        (
            "/indexed",
            with_head("200 OK\r\nX-Robots-Tag: noindex", PICTURE),
        ),
    ]))
    .await;
    let fetch = Fetcher::new(FetchPolicy {
        robots: true,
        ..policy(&origin)
    })
    .unwrap();
    for path in ["/ours/x", "/to-ours", "/tagged"] {
        let error = fetch.fetch(&origin.url(path)).await.unwrap_err();
        assert_eq!(
            (code(&error).as_str(), error.retryable()),
            ("skipped:robots", false),
            "{path}"
        );
    }
    assert!(
        fetch.fetch(&origin.url("/private/x")).await.is_ok(),
        "our own group alone counts"
    );
    assert!(fetch.fetch(&origin.url("/indexed")).await.is_ok());
    assert_eq!((origin.hits("/robots.txt"), origin.hits("/ours/x")), (1, 0));
}

#[tokio::test]
async fn a_missing_robots_txt_allows_and_a_broken_one_forbids_for_now() {
    let cases = [
        (
            with_head("404 Not Found", b"User-agent: *\nDisallow: /"),
            None,
        ),
        (with_head("403 Forbidden", b""), None),
        (with_head("200 OK", b""), None),
        (redirect(302, "http://10.0.0.1/robots.txt"), None),
        (with_head("503 Busy\r\nRetry-After: 30", b""), Some(30)),
        (with_head("500 Oh", b""), Some(60)),
        (Reply::Silent, Some(60)),
    ];
    for (n, (robots, wait)) in cases.into_iter().enumerate() {
        let origin = Origin::serve(routes(vec![
            ("/robots.txt", robots),
            ("/x", ok("image/png", PICTURE)),
        ]))
        .await;
        let fetch = Fetcher::new(FetchPolicy {
            robots: true,
            ..policy(&origin)
        })
        .unwrap();
        let fetched = fetch.fetch(&origin.url("/x")).await.map(|_| ());
        let expected = wait.map_or(Ok(()), |seconds| {
            Err(FetchError::RobotsUnreachable {
                retry_after: Duration::from_secs(seconds),
            })
        });
        assert_eq!(
            (fetched, origin.hits("/x")),
            (expected, usize::from(wait.is_none())),
            "case {n}"
        );
    }
}

#[tokio::test]
async fn a_long_robots_txt_is_read_to_its_limit() {
    let filler = "# filler filler filler filler filler\n".repeat(20_000);
    let text = format!("User-agent: *\nDisallow: /early/\n{filler}Disallow: /late/\n");
    let origin = Origin::serve(routes(vec![
        ("/robots.txt", ok("text/plain", text.as_bytes())),
        ("/late/x", ok("image/png", PICTURE)),
    ]))
    .await;
    let fetch = Fetcher::new(FetchPolicy {
        robots: true,
        ..policy(&origin)
    })
    .unwrap();
    assert_eq!(
        code(&fetch.fetch(&origin.url("/early/x")).await.unwrap_err()),
        "skipped:robots"
    );
    assert!(fetch.fetch(&origin.url("/late/x")).await.is_ok());
}

#[tokio::test]
async fn what_is_not_tls_or_not_trusted_is_a_tls_failure() {
    let origin = Origin::answer(|_| with_head("200 OK", PICTURE)).await;
    let fetch = Fetcher::new(policy(&origin)).unwrap();
    let url = origin.url("/x").replace("http://", "https://");
    let error = fetch.fetch(&url).await.unwrap_err();
    assert_eq!(
        code(&error),
        "failed:timeout",
        "a host that waits for a request head"
    );
}
