//! A page of Bing results as hits; never fails, counts what it cannot read.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use scraper::{ElementRef, Html, Selector};
use serde::Deserialize;
use url::Url;

use super::Hit;

/// Tiles of one page that are looked at.
const MAX_TILES: usize = 500;
/// Longest URL and title that are kept, in bytes.
const MAX_URL: usize = 8 * 1024;
const MAX_TITLE: usize = 1000;

/// A result, in whatever case and element.
static TILE: LazyLock<Selector> = LazyLock::new(|| selector("[class~=iusc i], [m*=murl i]"));
/// Traces of results although none was recognised.
static TRACE: LazyLock<Selector> = LazyLock::new(|| {
    selector("[class*=iusc i], [class*=imgpt i], [class*=dgcontrol i] li, a[href*='mediaurl=' i]")
});
/// All of it: the nested links of real pages are torn apart by every HTML parser.
static TITLE: LazyLock<Selector> = LazyLock::new(|| selector("[class~=infopt i]"));
static SIZE: LazyLock<Selector> = LazyLock::new(|| selector("span"));

fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("a constant selector, covered by tests")
}

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// In the page's order.
    pub(super) hits: Vec<Hit>,
    /// Tiles that could not be read.
    pub(super) skipped: u32,
    /// No tile was recognised, but something looks like one.
    pub(super) tile_like: bool,
    /// The page holds no text and no element of its own.
    pub(super) blank: bool,
}

impl Parsed {
    /// Tiles received, readable or not: what the offset moves by.
    pub(super) fn tiles(&self) -> u32 {
        self.hits.len() as u32 + self.skipped
    }
}

/// The content of a tile's `m` attribute.
#[derive(Deserialize)]
struct Meta {
    murl: String,
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    turl: Option<String>,
    #[serde(default)]
    t: Option<String>,
    #[serde(default)]
    md5: Option<String>,
}

/// Reads a page whose first result has the place `first` in the list.
pub(super) fn parse(html: &str, first: u32) -> Parsed {
    let page = Html::parse_fragment(html);
    let mut parsed = Parsed::default();
    for (at, tile) in page.select(&TILE).take(MAX_TILES).enumerate() {
        let rank = i32::try_from(first as usize + at).unwrap_or(i32::MAX);
        match hit(tile, rank) {
            Some(hit) => parsed.hits.push(hit),
            None => parsed.skipped += 1,
        }
    }
    parsed.tile_like = parsed.tiles() == 0 && page.select(&TRACE).next().is_some();
    parsed.blank = is_blank(&page);
    parsed
}

/// An empty list in its wrapping is as blank as nothing at all.
fn is_blank(page: &Html) -> bool {
    page.root_element()
        .descendent_elements()
        .all(|element| matches!(element.value().name(), "html" | "head" | "body" | "div" | "ul"))
        && page.root_element().text().all(|text| text.trim().is_empty())
}

fn hit(tile: ElementRef<'_>, rank: i32) -> Option<Hit> {
    // The HTML parser has decoded the entities; quotes and the order of attributes no longer matter.
    let meta: Meta = serde_json::from_str(tile.attr("m")?).ok()?;
    let url = link(&meta.murl)?;
    let thumbnail_url = meta.turl.as_deref().and_then(link);
    let engine_md5 = meta
        .md5
        .as_deref()
        .and_then(digest)
        .or_else(|| thumbnail_digest(thumbnail_url.as_deref()?));
    let (width, height) = size(tile).unzip();
    let title = meta.t.as_deref().and_then(plain).or_else(|| nearby_title(tile));
    let page_url = meta.purl.as_deref().and_then(link);
    let licence = None;
    Some(Hit { url, page_url, title, rank, thumbnail_url, licence, engine_md5, width, height })
}

/// A URL as the page gives it; whether it may be fetched is the fetch guard's to say.
fn link(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= MAX_URL && !text.contains('\0');
    fits.then(|| text.to_owned())
}

/// Text without highlight marks (U+E000, U+E001) and control characters.
fn plain(text: &str) -> Option<String> {
    let marks = ['\u{e000}', '\u{e001}'];
    let kept: String = text.chars().filter(|c| !c.is_control() && !marks.contains(c)).collect();
    let kept = kept.trim();
    let kept = &kept[..kept.floor_char_boundary(MAX_TITLE)];
    (!kept.is_empty()).then(|| kept.to_owned())
}

fn digest(text: &str) -> Option<String> {
    let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| text.to_ascii_lowercase())
}

/// `OIP.<22 characters of base64>…` of a thumbnail's id begins with the same digest.
fn thumbnail_digest(url: &str) -> Option<String> {
    let (_, id) = url.split_once("OIP.")?;
    let standard = id.get(..22)?.replace('-', "+").replace('_', "/");
    let bytes = BASE64_STANDARD_NO_PAD.decode(standard).ok()?;
    (bytes.len() == 16).then(|| hex::encode(bytes))
}

/// Width and height: from the tile's link, else from the words beside it.
fn size(tile: ElementRef<'_>) -> Option<(u32, u32)> {
    size_of_link(tile.attr("href").unwrap_or_default()).or_else(|| {
        let frame = ancestors(tile).find(|element| has_class(*element, "imgpt"))?;
        frame.select(&SIZE).take(8).find_map(|span| size_of_words(&span.text().collect::<String>()))
    })
}

fn size_of_link(href: &str) -> Option<(u32, u32)> {
    let link = Url::parse("https://www.bing.com/").ok()?.join(href).ok()?;
    let side = |wanted: &str| {
        let (_, value) = link.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        value.parse::<u32>().ok().filter(|side| *side > 0)
    };
    Some((side("expw")?, side("exph")?))
}

/// From `3442 x 2972 · png`, with an x or a ×.
fn size_of_words(words: &str) -> Option<(u32, u32)> {
    let (width, rest) = words.split_once(['x', '×'])?;
    let height: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    Some((width.trim().parse().ok()?, height.parse().ok()?))
}

fn nearby_title(tile: ElementRef<'_>) -> Option<String> {
    let frame = ancestors(tile)
        .find(|element| element.value().name() == "li" || has_class(*element, "iuscp"))?;
    plain(&frame.select(&TITLE).next()?.text().collect::<String>())
}

fn ancestors(tile: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    tile.ancestors().filter_map(ElementRef::wrap).take(5)
}

fn has_class(element: ElementRef<'_>, class: &str) -> bool {
    element.value().classes().any(|own| own.eq_ignore_ascii_case(class))
}
