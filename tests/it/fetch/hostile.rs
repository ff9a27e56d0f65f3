//! Hosts that answer badly: one outcome each, in bounded time and memory, with one request.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use shipshape::scrape::fetch::{FetchPolicy, Fetcher};

use super::{PICTURE, code, policy, routes};
use crate::support::origin::{Origin, Reply, ok, raw, with_head};

/// Fetches every reply from one host at once and expects the outcome that stands before it.
async fn expect(cases: Vec<(&str, Vec<Reply>)>) {
    let mut table = Vec::new();
    for (outcome, replies) in cases {
        for reply in replies {
            table.push((format!("/{outcome}/{}", table.len()), outcome, reply));
        }
    }
    let routes: HashMap<String, Reply> =
        table.iter().map(|(path, _, reply)| (path.clone(), reply.clone())).collect();
    let origin = &Origin::serve(routes).await;
    let fetch = &Fetcher::new(policy(origin)).unwrap();
    let begun = Instant::now();
    join_all(table.iter().map(|(path, outcome, _)| async move {
        let error = fetch.fetch(&origin.url(path)).await.map(|_| ()).expect_err(path);
        assert_eq!(code(&error), *outcome, "{path}");
        let passing = ["failed:timeout", "failed:truncated", "failed:http_500"];
        assert_eq!(error.retryable(), passing.contains(outcome), "{path}");
        assert_eq!(origin.hits(path), 1, "{path}");
    }))
    .await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

fn length(length: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
}

fn plain(head: &str) -> Reply {
    raw(&format!("HTTP/1.1 200 OK\r\n{head}\r\n"), b"")
}

#[tokio::test]
async fn a_host_that_is_too_slow_at_any_point_is_given_up() {
    let tick = Duration::from_millis(50);
    let almost = [length("100000").as_bytes(), &vec![0; 99_000]].concat();
    let slow = vec![
        Reply::Silent,
        Reply::Drip(b"HTTP/1.1 200 OK\r\n".into(), b"x".into(), tick),
        Reply::Drip(length("1000").into(), b"x".into(), tick),
        Reply::Drip(almost, vec![], tick),
    ];
    expect(vec![("failed:timeout", slow)]).await;
}

#[tokio::test]
async fn a_head_that_is_not_http_or_too_large_is_refused() {
    let lines = |line: &str, times| plain(&line.repeat(times));
    let bad = vec![
        lines(&format!("X: {}\r\n", "x".repeat(64 * 1024)), 1),
        lines("X: y\r\n", 10_000),
        lines(&format!("X: {}\r\n", "x".repeat(500)), 90),
        raw("\0\x01\x02 not http\r\n\r\n", b""),
        plain("Content-Length: 1\r\nContent-Length: 2\r\n"),
        plain("Content-Length: 99999999999999999999999\r\n"),
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b""),
    ];
    expect(vec![("failed:protocol", bad)]).await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_a_picture() {
    let early = vec![
        raw("", b""),
        raw(&length("1000"), b"0123456789"),
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b""),
        Reply::Reset([length("1000").as_bytes(), b"0123"].concat()),
    ];
    let empty = vec![with_head("200 OK", b"")];
    expect(vec![("failed:truncated", early), ("failed:empty", empty)]).await;
}

#[tokio::test]
async fn an_announced_length_above_the_limit_and_any_coding_are_refused_unread() {
    let large =
        vec![raw(&length("104857601"), &[0; 100]), raw(&length("9223372036854775808"), b"x")];
    let coded = ["gzip", "GZIP", "identity, gzip", "gzip, gzip", "br", "zstd", "deflate"];
    let mut coded: Vec<Reply> = coded
        .iter()
        .map(|coding| with_head(&format!("200 OK\r\nContent-Encoding: {coding}"), b"\x1f\x8b"))
        .collect();
    coded.push(plain("Transfer-Encoding: gzip, chunked\r\n"));
    expect(vec![("rejected:too_large", large), ("rejected:encoding", coded)]).await;
}

#[tokio::test]
async fn a_status_other_than_200_says_itself() {
    let partial = with_head("206 Partial\r\nContent-Range: bytes 0-3/100", b"0123");
    expect(vec![
        ("failed:http_204", vec![raw("HTTP/1.1 204 No Content\r\n\r\n", b"")]),
        ("failed:http_206", vec![partial]),
        ("failed:http_304", vec![raw("HTTP/1.1 304 Not Modified\r\n\r\n", b"")]),
        ("failed:http_403", vec![with_head("403 Forbidden", b"no")]),
        ("failed:http_404", vec![with_head("404 Not Found", b"no")]),
        ("failed:http_410", vec![with_head("410 Gone", b"no")]),
        ("failed:http_500", vec![with_head("500 Oh", b"no")]),
    ])
    .await;
}

#[tokio::test]
async fn whatever_the_headers_say_no_more_than_the_limit_is_read() {
    let chunk = [b"10000\r\n".as_slice(), &vec![7; 65_536], b"\r\n"].concat();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let no_length = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let lying = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec();
    let origin = Origin::serve(routes(vec![
        ("/chunked", Reply::Drip(chunked, chunk.clone(), Duration::ZERO)),
        ("/no-length", Reply::Drip(no_length, chunk.clone(), Duration::ZERO)),
        ("/lying", Reply::Drip(lying, chunk, Duration::ZERO)),
    ]))
    .await;
    let patient = Duration::from_secs(30);
    let fetch = Fetcher::new(FetchPolicy { total_timeout: patient, ..policy(&origin) }).unwrap();
    for path in ["/chunked", "/no-length"] {
        let before = origin.sent();
        let error = fetch.fetch(&origin.url(path)).await.unwrap_err();
        assert_eq!(code(&error), "rejected:too_large");
        // What the sockets' buffers took is not read; they hold a few megabytes on loopback.
        assert!(origin.sent() - before < 36 << 20, "{}", origin.sent() - before);
    }
    // By its own length this body ends after ten bytes; the decoder judges them.
    assert_eq!(fetch.fetch(&origin.url("/lying")).await.unwrap().bytes.len(), 10);
}

#[tokio::test]
async fn slow_hosts_do_not_hold_up_good_ones() {
    let origin =
        Origin::serve(routes(vec![("/slow", Reply::Silent), ("/good", ok("image/png", PICTURE))]))
            .await;
    let fetch = Fetcher::new(FetchPolicy {
        host_concurrency: 500,
        // 400 requests begin in one poll of one thread: none may time out for want of the processor.
        connect_timeout: Duration::from_secs(3),
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
    assert!(good.into_iter().max().unwrap() < Duration::from_secs(3), "before the slow ones ended");
}
