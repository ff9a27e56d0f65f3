//! The request for one page of results, and what the status of its answer means.

use std::error::Error;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, COOKIE, REFERER};
use reqwest::{Client, Response, redirect};
use url::Url;

use super::{Query, SearchError};
use crate::scrape::fetch::retry_after::retry_after;
use crate::scrape::source::{
    Age, Color, Filters, Layout, Licence, People, PictureKind, SafeSearch, Size,
};

/// Bing serves its result tiles to browsers only.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// What a browser asks for; Bing may give fewer.
const COUNT: &str = "35";
/// Longest page, in bytes.
const MAX_PAGE: usize = 8 << 20;

/// What came back.
pub(super) enum Answer {
    Html(String),
    /// 403: asking again only makes it worse.
    Refused,
}

/// The base URL is the operator's own setting, so it may be private.
pub(super) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder()
        .user_agent(BROWSER)
        .no_proxy()
        .gzip(true)
        .redirect(redirect::Policy::limited(5))
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()?)
}

/// Asks for the results from `first` on, which counts from 1.
pub(super) async fn get(
    client: &Client,
    base: &Url,
    query: &Query,
    first: u32,
) -> Result<Answer, SearchError> {
    let market = query.filters.market.clone().unwrap_or_default();
    let (language, code) = (market.language(), market.as_str());
    let request = client
        .get(address(base, query, first))
        .header(ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
        .header(ACCEPT_LANGUAGE, format!("{code},{language};q=0.9"))
        .header(REFERER, base.as_str())
        .header(COOKIE, format!("SRCHHPGUSR=ADLT={}", cookie_word(query.filters.safe_search)));
    let failed = |error: reqwest::Error| transient(base, &error);
    let response = request.send().await.map_err(failed)?;
    let wait = retry_after(response.headers(), Utc::now());
    match response.status().as_u16() {
        200..300 => read(response, failed).await.map(Answer::Html),
        403 => Ok(Answer::Refused),
        429 => Err(SearchError::RateLimited { retry_after: wait }),
        503 if wait.is_some() => Err(SearchError::RateLimited { retry_after: wait }),
        408 | 500.. => Err(SearchError::Transient(format!("HTTP {}", response.status()))),
        _ => Err(SearchError::Refused(format!("HTTP {}", response.status()))),
    }
}

/// The innermost cause says what a person can act on; the URL would only repeat the query.
fn transient(base: &Url, error: &reqwest::Error) -> SearchError {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let mut text = format!("{}: {cause}", base.host_str().unwrap_or(base.as_str()));
    text.truncate(text.floor_char_boundary(300));
    SearchError::Transient(text)
}

async fn read(
    mut response: Response,
    failed: impl Fn(reqwest::Error) -> SearchError,
) -> Result<String, SearchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(&failed)? {
        if body.len() + chunk.len() > MAX_PAGE {
            return Err(SearchError::Transient("a page of more than 8 MB".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Where the results from `first` on are.
pub(super) fn address(base: &Url, query: &Query, first: u32) -> Url {
    let mut url = base.join("images/async").expect("a base URL takes a relative path");
    let market = query.filters.market.clone().unwrap_or_default();
    let adult = match query.filters.safe_search {
        SafeSearch::Off => "off",
        SafeSearch::Moderate => "moderate",
        SafeSearch::Strict => "strict",
    };
    url.query_pairs_mut()
        .append_pair("q", query.phrase.trim())
        .append_pair("async", "1")
        .append_pair("first", &first.to_string())
        .append_pair("count", COUNT)
        .append_pair("mkt", market.as_str())
        .append_pair("adlt", adult);
    let filters = qft(&query.filters);
    if !filters.is_empty() {
        url.query_pairs_mut().append_pair("qft", &filters);
    }
    url
}

fn cookie_word(safe: SafeSearch) -> &'static str {
    match safe {
        SafeSearch::Off => "OFF",
        SafeSearch::Moderate => "DEMOTE",
        SafeSearch::Strict => "STRICT",
    }
}

/// A result carries no licence; what can be said is which filter let it through.
pub(super) fn stated_licence(licence: Licence) -> String {
    format!("search filter: {}", license_word(licence))
}

/// Bing's own words for the filters, each `+filterui:…`.
fn qft(filters: &Filters) -> String {
    let words = [
        filters.kind.map(|kind| format!("photo-{}", kind_word(kind))),
        filters.color.map(color_word),
        filters.size.map(size_word),
        filters.licence.map(|licence| license_word(licence).to_owned()),
        filters.layout.map(|layout| {
            let shape = match layout {
                Layout::Square => "square",
                Layout::Wide => "wide",
                Layout::Tall => "tall",
            };
            format!("aspect-{shape}")
        }),
        filters.people.map(|people| {
            let face = match people {
                People::Face => "face",
                People::Portrait => "portrait",
            };
            format!("face-{face}")
        }),
        filters.age.map(|age| format!("age-lt{}", minutes(age))),
    ];
    words.into_iter().flatten().flat_map(|word| ["+filterui:".to_owned(), word]).collect()
}

fn kind_word(kind: PictureKind) -> &'static str {
    match kind {
        PictureKind::Photo => "photo",
        PictureKind::Clipart => "clipart",
        PictureKind::Line => "linedrawing",
        PictureKind::Transparent => "transparent",
        PictureKind::Animated => "animatedgif",
    }
}

fn color_word(color: Color) -> String {
    match color {
        Color::Colored => "color2-color".to_owned(),
        Color::Monochrome => "color2-bw".to_owned(),
        named => format!("color2-FGcls_{}", format!("{named:?}").to_uppercase()),
    }
}

fn size_word(size: Size) -> String {
    match size {
        Size::Exactly { width, height } => format!("imagesize-custom_{width}_{height}"),
        named => format!("imagesize-{named}"),
    }
}

fn license_word(licence: Licence) -> &'static str {
    match licence {
        Licence::CreativeCommons => "licenseType-Any",
        Licence::Public => "license-L1",
        Licence::Share => "license-L2_L3_L4_L5_L6_L7",
        Licence::ShareCommercially => "license-L2_L3_L4",
        Licence::Modify => "license-L2_L3_L5_L6",
        Licence::ModifyCommercially => "license-L2_L3",
    }
}

fn minutes(age: Age) -> u32 {
    match age {
        Age::Day => 1440,
        Age::Week => 10_080,
        Age::Month => 43_200,
        Age::Year => 525_600,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_a_true_offset_and_bings_own_words() {
        let filters = r#"{"size":"800x600","color":"teal","type":"line","licence":"modify_commercially",
            "layout":"tall","people":"portrait","age":"month","market":"de-AT","safe_search":"strict"}"#;
        let query = Query {
            phrase: " großes Schiff & mehr ".into(),
            filters: serde_json::from_str(filters).unwrap(),
            ..Query::default()
        };
        let base = Url::parse("http://127.0.0.1:9/bing/").unwrap();
        let url = address(&base, &query, 36);
        assert_eq!(url.path(), "/bing/images/async");
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [
            ("q", "großes Schiff & mehr"),
            ("async", "1"),
            ("first", "36"),
            ("count", "35"),
            ("mkt", "de-AT"),
            ("adlt", "strict"),
            (
                "qft",
                "+filterui:photo-linedrawing+filterui:color2-FGcls_TEAL+filterui:imagesize-custom_800_600\
                 +filterui:license-L2_L3+filterui:aspect-tall+filterui:face-portrait+filterui:age-lt43200",
            ),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let plain = Query { phrase: "x".into(), ..Query::default() };
        assert!(!address(&base, &plain, 1).as_str().contains("qft"));
    }
}
