//! Where candidates come from: the registry of sources, and what every source takes and gives.

mod bing;
mod filters;
mod urls;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

pub use filters::{
    Age, Color, Filters, Layout, Licence, Market, People, PictureKind, SafeSearch, Size,
};

/// Every source: its name and how it is opened. The next one is a file and a line here.
const REGISTRY: [(&str, Open); 2] = [(bing::NAME, bing::open), (urls::NAME, urls::open)];

type Open = fn(&Settings) -> anyhow::Result<Box<dyn Source>>;

/// What the sources are opened with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Base URL by source name, where it differs from the real service's.
    pub endpoints: BTreeMap<String, Url>,
    /// Who runs this: part of the User-Agent where a service asks for it.
    pub contact: Option<String>,
}

impl Settings {
    /// The base URL of a source, ending in a slash.
    fn endpoint(&self, name: &str, default: &str) -> anyhow::Result<Url> {
        let mut base = match self.endpoints.get(name) {
            Some(base) => base.clone(),
            None => Url::parse(default)?,
        };
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(base)
    }
}

/// All sources, opened once.
pub struct Sources(Vec<Box<dyn Source>>);

impl Sources {
    /// Opens every source of the registry.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        REGISTRY.iter().map(|(_, open)| open(settings)).collect::<Result<_, _>>().map(Self)
    }

    /// The source of that name.
    pub fn find(&self, name: &str) -> Option<&dyn Source> {
        self.0.iter().find(|source| source.name() == name).map(AsRef::as_ref)
    }

    /// Names of all sources, in the registry's order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REGISTRY.iter().map(|(name, _)| *name)
    }
}

/// A place that turns a query into candidates, page by page.
pub trait Source: Send + Sync {
    /// Its name in the API.
    fn name(&self) -> &'static str;

    /// Whether the query is one that this source can answer; asked when a job is made.
    fn validate(&self, query: &Query) -> Result<(), Invalid>;

    /// The page at `cursor`. The same cursor may be asked for again after a crash.
    fn search<'a>(
        &'a self,
        query: &'a Query,
        cursor: Cursor,
    ) -> BoxFuture<'a, Result<Page, SearchError>>;
}

/// What is looked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Query {
    /// Words for a search engine; empty for a list of URLs.
    #[serde(default)]
    pub phrase: String,
    /// Narrows a search.
    #[serde(default)]
    pub filters: Filters,
    /// For the `urls` source.
    #[serde(default)]
    pub urls: Vec<String>,
}

impl Query {
    /// A phrase that a search engine can take.
    fn validate_phrase(&self) -> Result<(), Invalid> {
        let phrase = self.phrase.trim();
        if phrase.is_empty() {
            return Err(Invalid::new("phrase", "must not be empty"));
        }
        if phrase.chars().count() > 500 || phrase.chars().any(char::is_control) {
            return Err(Invalid::new("phrase", "must be at most 500 characters, on one line"));
        }
        if !self.urls.is_empty() {
            return Err(Invalid::new("urls", "belongs to the source `urls`"));
        }
        Ok(())
    }
}

/// A query that a source cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// The field of the request.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Invalid {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// Where a source goes on; kept with the job, `null` before the first page. Each source knows its own content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Cursor(pub serde_json::Value);

impl Cursor {
    fn of<T: Serialize>(place: &T) -> Self {
        Self(serde_json::to_value(place).expect("places are plain structs"))
    }

    fn read<T: DeserializeOwned + Default>(self) -> Result<T, SearchError> {
        if self.0.is_null() {
            return Ok(T::default());
        }
        serde_json::from_value(self.0).map_err(|error| SearchError::Cursor(error.to_string()))
    }
}

/// One page of candidates.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In the order of the results; repeats of earlier pages are gone.
    pub hits: Vec<Hit>,
    /// Results that could not be read.
    pub skipped_tiles: u32,
    /// Where the next page is; `None` together with `stop`.
    pub next: Option<Cursor>,
    /// Why there is no next page.
    pub stop: Option<StopReason>,
}

impl Page {
    fn stopped(stop: StopReason) -> Self {
        Self { stop: Some(stop), ..Self::default() }
    }
}

/// One search hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The picture. Not checked: the fetch guard does that.
    pub url: String,
    /// The page that shows it.
    pub page_url: Option<String>,
    /// Its title, as plain text.
    pub title: Option<String>,
    /// Place in the results, from 1.
    pub rank: i32,
    /// The engine's small copy.
    pub thumbnail_url: Option<String>,
    /// As the source states it; `search filter: …` where only the filter in force is known.
    pub licence: Option<String>,
    /// The engine's own digest, 32 hex digits: good for repeats, never a content hash.
    pub engine_md5: Option<String>,
    /// Width in pixels, as the engine says.
    pub width: Option<u32>,
    /// Height in pixels, as the engine says.
    pub height: Option<u32>,
}

/// Why a scrape job asks for no further page.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "stop_reason", rename_all = "snake_case")]
pub enum StopReason {
    /// As many pictures are stored as were asked for.
    LimitReached,
    /// The source has no more.
    Exhausted,
    /// The source shows no more of one query.
    CapReached,
    /// The source answers, but not with results.
    BlockedSuspected,
    /// The source asks for patience for too long.
    RateLimited,
    /// The answer holds results that this version cannot read.
    ParseDrift,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Asked too often: to be asked again later, which costs no attempt.
    #[error("the source asks for patience")]
    RateLimited {
        /// As the source says, within 1 s and 10 min.
        retry_after: Option<Duration>,
    },
    /// May work when tried again.
    #[error("the source cannot be reached: {0}")]
    Transient(String),
    /// Will not work when tried again.
    #[error("the source refuses: {0}")]
    Refused(String),
    /// A cursor of another source or version.
    #[error("the job's cursor cannot be read: {0}")]
    Cursor(String),
}
