//! A list of URLs as a source: nothing is searched, each is downloaded under the fetch guard.

use std::collections::HashSet;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Cursor, Hit, Invalid, Page, Query, SearchError, Settings, Source, StopReason};

/// Its name in the API.
pub(super) const NAME: &str = "urls";
/// Longest list.
const MAX_URLS: usize = 100_000;
/// URLs of one page.
const PAGE: usize = 500;

#[expect(clippy::unnecessary_wraps, reason = "the shape of the registry")]
pub(super) fn open(_: &Settings) -> anyhow::Result<Box<dyn Source>> {
    Ok(Box::new(Urls))
}

struct Urls;

/// Where the next page begins in the list.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    offset: usize,
}

impl Source for Urls {
    fn name(&self) -> &'static str {
        NAME
    }

    fn validate(&self, query: &Query) -> Result<(), Invalid> {
        if query.urls.is_empty() || query.urls.len() > MAX_URLS {
            return Err(Invalid::new("urls", format!("must hold 1 to {MAX_URLS} URLs")));
        }
        // A database text holds no NUL; what else is wrong with a URL is its own candidate's outcome.
        if let Some(at) = query.urls.iter().position(|url| url.contains('\0')) {
            return Err(Invalid::new("urls", format!("number {} holds a NUL", at + 1)));
        }
        if !query.phrase.trim().is_empty() {
            return Err(Invalid::new("phrase", "belongs to a search"));
        }
        if query.filters != super::Filters::default() {
            return Err(Invalid::new("filters", "belong to a search"));
        }
        Ok(())
    }

    fn search<'a>(
        &'a self,
        query: &'a Query,
        cursor: Cursor,
    ) -> BoxFuture<'a, Result<Page, SearchError>> {
        Box::pin(async move { Ok(page(&query.urls, cursor.read()?)) })
    }
}

fn page(urls: &[String], Place { offset }: Place) -> Page {
    let start = offset.min(urls.len());
    let end = start.saturating_add(PAGE).min(urls.len());
    let mut seen: HashSet<&str> = urls[..start].iter().map(|url| url.trim()).collect();
    let mut hits = Vec::with_capacity(end - start);
    for (at, url) in urls[start..end].iter().enumerate() {
        if seen.insert(url.trim()) {
            hits.push(hit(url.trim(), start + at));
        }
    }
    let more = end < urls.len();
    Page {
        hits,
        skipped_tiles: 0,
        next: more.then(|| Cursor::of(&Place { offset: end })),
        stop: (!more).then_some(StopReason::Exhausted),
    }
}

fn hit(url: &str, at: usize) -> Hit {
    Hit {
        url: url.to_owned(),
        page_url: None,
        title: None,
        rank: i32::try_from(at + 1).unwrap_or(i32::MAX),
        thumbnail_url: None,
        licence: None,
        engine_md5: None,
        width: None,
        height: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_url_comes_once_and_in_order() {
        let urls: Vec<String> = (0..1200).map(|n| format!("http://h/{}", n % 700)).collect();
        let query = Query { urls, ..Query::default() };
        assert_eq!(Urls.validate(&query), Ok(()));
        let (mut cursor, mut all, mut pages) = (Cursor::default(), Vec::new(), 0);
        loop {
            let page = Urls.search(&query, cursor).await.unwrap();
            all.extend(page.hits.into_iter().map(|hit| (hit.rank, hit.url)));
            pages += 1;
            match page.next {
                // Through text and back, as a job's row does.
                Some(next) => {
                    cursor = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
                }
                None => break assert_eq!(page.stop, Some(StopReason::Exhausted)),
            }
        }
        assert_eq!(pages, 3);
        assert_eq!(all.len(), 700);
        assert!(
            all.iter().enumerate().all(|(n, hit)| *hit == (n as i32 + 1, format!("http://h/{n}")))
        );
    }

    #[test]
    fn a_query_that_is_not_a_list_is_refused() {
        let list = |urls: Vec<String>, phrase: &str| Query {
            urls,
            phrase: phrase.into(),
            ..Query::default()
        };
        let field = |query: &Query| Urls.validate(query).unwrap_err().field;
        assert_eq!(field(&list(vec![], "")), "urls");
        assert_eq!(field(&list(vec!["http://h/".into(); MAX_URLS + 1], "")), "urls");
        assert_eq!(field(&list(vec!["http://h/\0".into()], "")), "urls");
        assert_eq!(field(&list(vec!["http://h/".into()], "ships")), "phrase");
    }
}
