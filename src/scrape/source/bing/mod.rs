//! Bing image search: HTML pages by true offset, since there is no API any more.

mod parse;
mod place;
mod request;

use futures::future::BoxFuture;
use url::Url;

use super::{Cursor, Hit, Invalid, Page, Query, SearchError, Settings, Source, StopReason};
use parse::Parsed;
use place::Place;
use request::Answer;

/// Its name in the API.
pub(super) const NAME: &str = "bing";
/// Results of one query that Bing shows at most; past them it repeats.
const CAP: u32 = 1000;

pub(super) fn open(settings: &Settings) -> anyhow::Result<Box<dyn Source>> {
    let base = settings.endpoint(NAME, "https://www.bing.com/")?;
    Ok(Box::new(Bing { base, client: request::client()? }))
}

struct Bing {
    base: Url,
    client: reqwest::Client,
}

impl Source for Bing {
    fn name(&self) -> &'static str {
        NAME
    }

    fn validate(&self, query: &Query) -> Result<(), Invalid> {
        query.validate_phrase()
    }

    fn search<'a>(
        &'a self,
        query: &'a Query,
        cursor: Cursor,
    ) -> BoxFuture<'a, Result<Page, SearchError>> {
        Box::pin(async move { self.page(query, cursor.read()?).await })
    }
}

impl Bing {
    async fn page(&self, query: &Query, place: Place) -> Result<Page, SearchError> {
        let Some(parsed) = self.parsed(query, place.first).await? else {
            return Ok(Page::stopped(StopReason::BlockedSuspected));
        };
        if parsed.tiles() == 0 {
            return self.without_tiles(query, &place, &parsed).await.map(Page::stopped);
        }
        let licence = query.filters.licence.map(request::stated_licence);
        Ok(turn(place, parsed, licence.as_deref()))
    }

    /// The results at an offset; `None` if Bing refuses to answer.
    async fn parsed(&self, query: &Query, first: u32) -> Result<Option<Parsed>, SearchError> {
        let html = match request::get(&self.client, &self.base, query, first).await? {
            Answer::Refused => return Ok(None),
            Answer::Html(html) => html,
        };
        let parsed = tokio::task::spawn_blocking(move || parse::parse(&html, first)).await;
        parsed.map(Some).map_err(|error| SearchError::Transient(error.to_string()))
    }

    /// A good answer without results is an alarm. It is the end only if nothing at all came back, there were
    /// results before, and the first page still has some.
    async fn without_tiles(
        &self,
        query: &Query,
        place: &Place,
        parsed: &Parsed,
    ) -> Result<StopReason, SearchError> {
        if parsed.tile_like {
            return Ok(StopReason::ParseDrift);
        }
        if !parsed.blank || place.first == 1 {
            return Ok(StopReason::BlockedSuspected);
        }
        let again = self.parsed(query, 1).await?;
        let alive = again.is_some_and(|page| !page.hits.is_empty());
        Ok(if alive { StopReason::Exhausted } else { StopReason::BlockedSuspected })
    }
}

/// From a page with tiles to its new hits and the next offset: what was received, never what was asked for.
fn turn(mut place: Place, parsed: Parsed, licence: Option<&str>) -> Page {
    let (tiles, skipped) = (parsed.tiles(), parsed.skipped);
    let next = place.first.saturating_add(tiles);
    let hits: Vec<Hit> = parsed
        .hits
        .into_iter()
        .filter(|hit| place.is_new(hit))
        .map(|hit| Hit { licence: licence.map(str::to_owned), ..hit })
        .collect();
    let stop = if skipped * 2 > tiles {
        Some(StopReason::ParseDrift)
    } else if next > CAP {
        Some(StopReason::CapReached)
    } else if hits.is_empty() {
        // Page one again, or the last one: nothing new will come.
        Some(StopReason::Exhausted)
    } else {
        None
    };
    let next = stop.is_none().then(|| Cursor::of(&place.moved_to(next)));
    Page { hits, skipped_tiles: skipped, next, stop }
}

#[cfg(test)]
mod tests;
