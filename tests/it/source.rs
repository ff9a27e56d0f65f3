//! Sources against a stand-in of their service: paging by true offset, and why it ends.

use std::collections::BTreeMap;

use shipshape::scrape::source::{Cursor, Page, Query, SearchError, Settings, Sources, StopReason};
use url::Url;

use crate::support::origin::{Origin, Reply, ok, with_head};

fn tile(n: u32) -> String {
    format!(
        r#"<li><div class="iuscp"><div class="imgpt"><a class="iusc" m='{{"murl":"http://img.example/{n}.jpg",
        "purl":"http://page.example/{n}","md5":"{n:032x}","t":"ship {n}"}}' href="?expw=800&amp;exph=600"></a></div></div></li>"#
    )
}

fn tiles(numbers: std::ops::Range<u32>) -> Reply {
    let list: String = numbers.map(tile).collect();
    ok("text/html; charset=utf-8", format!("<ul class=\"dgControl_list\">{list}</ul>").as_bytes())
}

fn first(path: &str) -> u32 {
    let url = Url::parse("http://h").unwrap().join(path).unwrap();
    let (_, value) = url.query_pairs().find(|(name, _)| name == "first").unwrap();
    value.parse().unwrap()
}

fn bing(origin: &Origin) -> Sources {
    let endpoints = BTreeMap::from([("bing".to_owned(), origin.url("/bing").parse().unwrap())]);
    Sources::open(&Settings { endpoints, contact: None }).unwrap()
}

fn ships() -> Query {
    Query { phrase: "zumwalt destroyer".into(), ..Query::default() }
}

/// All pages to the end; the cursor goes through text as a job's row does.
async fn walk(origin: &Origin) -> (Vec<Page>, StopReason) {
    let sources = bing(origin);
    let source = sources.find("bing").unwrap();
    let (mut cursor, mut pages) = (Cursor::default(), Vec::new());
    loop {
        let page = source.search(&ships(), cursor).await.unwrap();
        let (next, stop) = (page.next.clone(), page.stop);
        pages.push(page);
        match (next, stop) {
            (Some(next), None) => {
                cursor = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
            }
            (None, Some(stop)) => return (pages, stop),
            other => panic!("{other:?}"),
        }
    }
}

fn total(pages: &[Page]) -> usize {
    pages.iter().map(|page| page.hits.len()).sum()
}

#[tokio::test]
async fn every_result_is_found_once_whatever_the_page_size() {
    // 27 to 34 tiles a page, 200 results, then an empty list.
    let origin = Origin::answer(|path| {
        let first = first(path);
        tiles(first..(first + 27 + first % 8).min(201))
    })
    .await;
    let (pages, stop) = walk(&origin).await;
    let urls: Vec<&str> =
        pages.iter().flat_map(|page| &page.hits).map(|hit| hit.url.as_str()).collect();
    let expected: Vec<String> = (1..=200).map(|n| format!("http://img.example/{n}.jpg")).collect();
    assert_eq!(
        (urls, stop),
        (expected.iter().map(String::as_str).collect(), StopReason::Exhausted)
    );
    let seen = origin.seen();
    assert!(
        seen[0]
            .path
            .starts_with("/bing/images/async?q=zumwalt+destroyer&async=1&first=1&count=35&")
    );
    for request in &seen {
        assert!(request.head.contains("accept-language: en-us,en;q=0.9"), "{}", request.head);
        assert!(request.head.contains("mozilla/5.0"), "{}", request.head);
    }
    assert_eq!(first(&seen.last().unwrap().path), 1, "the end was confirmed by the first page");
}

#[tokio::test]
async fn page_one_again_is_the_end_before_the_cap() {
    let origin = Origin::answer(|path| {
        let first = first(path);
        if first > 90 { tiles(1..31) } else { tiles(first..first + 30) }
    })
    .await;
    let (pages, stop) = walk(&origin).await;
    assert_eq!((total(&pages), pages.len(), stop), (90, 4, StopReason::Exhausted));
}

#[tokio::test]
async fn an_endless_list_ends_at_the_cap() {
    let origin = Origin::answer(|path| tiles(first(path)..first(path) + 35)).await;
    let (pages, stop) = walk(&origin).await;
    assert_eq!((total(&pages), pages.len(), stop), (1015, 29, StopReason::CapReached));
}

#[tokio::test]
async fn an_empty_page_is_the_end_only_if_the_first_page_still_answers() {
    let blocked = std::sync::atomic::AtomicBool::new(false);
    let origin = Origin::answer(move |path| {
        let first = first(path);
        if first > 60 {
            blocked.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        if blocked.load(std::sync::atomic::Ordering::SeqCst) {
            ok("text/html", b" ")
        } else {
            tiles(first..first + 30)
        }
    })
    .await;
    let (pages, stop) = walk(&origin).await;
    assert_eq!((total(&pages), stop), (60, StopReason::BlockedSuspected));
}

#[tokio::test]
async fn a_good_status_without_results_is_an_alarm() {
    let home =
        b"<html><head><title>Bing</title></head><body><form id=sb_form></form></body></html>";
    let drift = b"<ul class='dgControl_list'><li><a class='iuscV2' data-m='{}'></a></li></ul>";
    let cases: [(Reply, StopReason); 5] = [
        (ok("text/html", home), StopReason::BlockedSuspected),
        (ok("text/html", b""), StopReason::BlockedSuspected),
        (with_head("403 Forbidden", b""), StopReason::BlockedSuspected),
        (ok("text/html", drift), StopReason::ParseDrift),
        (ok("text/html", b"<a class='iusc' m='{'></a>"), StopReason::ParseDrift),
    ];
    for (n, (reply, expected)) in cases.into_iter().enumerate() {
        let origin = Origin::answer(move |_| reply.clone()).await;
        let (pages, stop) = walk(&origin).await;
        assert_eq!((total(&pages), stop, origin.accepts()), (0, expected, 1), "case {n}");
    }
}

#[tokio::test]
async fn a_refusal_says_whether_waiting_helps() {
    let limited = |seconds: Option<u64>| SearchError::RateLimited {
        retry_after: seconds.map(std::time::Duration::from_secs),
    };
    let transient = |text: &str| SearchError::Transient(text.into());
    let cases = [
        (with_head("429 Too Many\r\nRetry-After: 30", b""), limited(Some(30))),
        (with_head("429 Too Many", b""), limited(None)),
        (with_head("503 Busy\r\nRetry-After: 1e9", b""), limited(Some(600))),
        (with_head("502 Bad Gateway", b""), transient("HTTP 502 Bad Gateway")),
        (with_head("400 Bad Request", b""), SearchError::Refused("HTTP 400 Bad Request".into())),
    ];
    for (reply, expected) in cases {
        let origin = Origin::answer(move |_| reply.clone()).await;
        let sources = bing(&origin);
        let answer = sources.find("bing").unwrap().search(&ships(), Cursor::default()).await;
        assert_eq!(answer.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn an_unreachable_source_is_named_with_the_cause() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{free}/").parse().unwrap();
    let endpoints = [("bing".to_owned(), address)].into();
    let sources = Sources::open(&Settings { endpoints, ..Settings::default() }).unwrap();
    let answer = sources.find("bing").unwrap().search(&ships(), Cursor::default()).await;
    let text = answer.unwrap_err().to_string();
    assert!(text.contains("127.0.0.1") && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn the_registry_knows_its_sources_and_what_they_take() {
    let sources = Sources::open(&Settings::default()).unwrap();
    assert_eq!(Sources::names().collect::<Vec<_>>(), ["bing", "urls"]);
    assert!(
        Sources::names()
            .all(|name| { sources.find(name).is_some_and(|source| source.name() == name) })
    );
    assert!(sources.find("altavista").is_none());
    let bing = sources.find("bing").unwrap();
    assert!(bing.validate(&ships()).is_ok());
    for phrase in ["", "  ", "two\nlines", &"x".repeat(501)] {
        let query = Query { phrase: phrase.into(), ..Query::default() };
        assert_eq!(bing.validate(&query).unwrap_err().field, "phrase");
    }
}
