//! Rate, concurrency, pauses and robots.txt, as a host sees them.

use std::time::{Duration, Instant};

use futures::future::join_all;
use shipshape::scrape::fetch::{FetchError, FetchPolicy, Fetcher};

use super::{PICTURE, code, policy, routes};
use crate::support::origin::{Origin, Reply, ok, redirect, with_head};

#[tokio::test]
async fn a_host_that_says_too_many_is_left_alone() {
    let origin = Origin::serve(routes(vec![
        ("/busy", with_head("429 Too Many\r\nRetry-After: 7", b"")),
        ("/good", ok("image/png", PICTURE)),
    ]))
    .await;
    let patience = Duration::from_millis(100);
    let fetch = Fetcher::new(FetchPolicy { patience, ..policy(&origin) }).unwrap();
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
        let picture = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PICTURE.len());
        Reply::Late(Duration::from_millis(60), [picture.as_bytes(), PICTURE].concat())
    })
    .await;
    let polite = FetchPolicy { host_rate: 40.0, host_concurrency: 2, ..policy(&origin) };
    let fetch = Fetcher::new(polite).unwrap();
    let urls: Vec<String> = (0..40).map(|n| origin.url(&format!("/{n}"))).collect();
    let begun = Instant::now();
    join_all(urls.iter().map(|url| async { fetch.fetch(url).await.unwrap() })).await;
    let mut starts: Vec<Instant> = origin.seen().iter().map(|seen| seen.at).collect();
    starts.sort();
    assert_eq!((starts.len(), origin.most_open()), (40, 2));
    assert!(begun.elapsed() >= Duration::from_millis(25 * 39));
    // Any second sees its rate, give or take the one that was late before it.
    assert!(starts.windows(21).all(|few| few[20] - few[0] > Duration::from_millis(450)));
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
        ("/tagged", with_head("200 OK\r\nX-Robots-Tag: noindex, noai", PICTURE)),
        ("/indexed", with_head("200 OK\r\nX-Robots-Tag: noindex", PICTURE)),
    ]))
    .await;
    let fetch = Fetcher::new(FetchPolicy { robots: true, ..policy(&origin) }).unwrap();
    for path in ["/ours/x", "/to-ours", "/tagged"] {
        let error = fetch.fetch(&origin.url(path)).await.unwrap_err();
        assert_eq!((code(&error).as_str(), error.retryable()), ("skipped:robots", false), "{path}");
    }
    assert!(fetch.fetch(&origin.url("/private/x")).await.is_ok(), "our own group alone counts");
    assert!(fetch.fetch(&origin.url("/indexed")).await.is_ok());
    assert_eq!((origin.hits("/robots.txt"), origin.hits("/ours/x")), (1, 0));
}

#[tokio::test]
async fn a_missing_robots_txt_allows_and_a_broken_one_forbids_for_now() {
    let cases = [
        (with_head("404 Not Found", b"User-agent: *\nDisallow: /"), None),
        (with_head("403 Forbidden", b""), None),
        (with_head("200 OK", b""), None),
        (redirect(302, "http://10.0.0.1/robots.txt"), None),
        (with_head("503 Busy\r\nRetry-After: 30", b""), Some(30)),
        (with_head("500 Oh", b""), Some(60)),
        (Reply::Silent, Some(60)),
    ];
    for (n, (robots, wait)) in cases.into_iter().enumerate() {
        let origin =
            Origin::serve(routes(vec![("/robots.txt", robots), ("/x", ok("image/png", PICTURE))]))
                .await;
        let fetch = Fetcher::new(FetchPolicy { robots: true, ..policy(&origin) }).unwrap();
        let fetched = fetch.fetch(&origin.url("/x")).await.map(|_| ());
        let expected = wait.map_or(Ok(()), |seconds| {
            Err(FetchError::RobotsUnreachable { retry_after: Duration::from_secs(seconds) })
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
    let fetch = Fetcher::new(FetchPolicy { robots: true, ..policy(&origin) }).unwrap();
    assert_eq!(code(&fetch.fetch(&origin.url("/early/x")).await.unwrap_err()), "skipped:robots");
    assert!(fetch.fetch(&origin.url("/late/x")).await.is_ok());
}
