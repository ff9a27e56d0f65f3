//! Hand-written pages in the shape that three maintained parsers agree on.

use proptest::prelude::*;

use super::parse::parse;
use super::*;

const MD5: &str = "a93c049da9f81a231d8aed23781ed92e";

/// A tile as browsers get it; `n` makes it unique.
fn tile(n: u32) -> String {
    let meta = format!(
        r#"{{"sid":"","cid":"qTwEnan4","purl":"https://page.example/{n}","murl":"https://img.example/{n}/0",
        "turl":"https://tse1-mm.cn.bing.net/th?id=OIP.x{n}&pid=15.1","md5":"{n:032x}",
        "t":"a {e}ship{f} &amp; {n}","mid":"8FDC"}}"#,
        e = '\u{e000}',
        f = '\u{e001}',
    );
    let meta = meta.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        r#"<li data-idx="{n}"><div class="iuscp varh isv"><div class="imgpt"><a class="iusc" style="x" m="{meta}"
        href="/images/search?view=detailV2&amp;mediaurl=https%3a%2f%2fi&amp;exph=2972&amp;expw=3442&amp;q=x"
        h="ID=images,5025.1"><div class="img_cont hoff"><img class="mimg" src="x" alt="y"></div></a><div
        class="img_info hon"><span class="nowrap">3442 x 2972 &#183; png</span></div></div><div class="infopt"><a
        class="inflnk"><div class="infnmpt"><ul class="b_dataList"><li><a title="z">nearby</a></li></ul></div></a>
        </div></div></li>"#
    )
}

fn page(numbers: impl IntoIterator<Item = u32>) -> String {
    let tiles: String = numbers.into_iter().map(tile).collect();
    format!(r#"<ul class="dgControl_list ">{tiles}</ul>"#)
}

#[test]
fn a_tile_gives_everything_it_says() {
    let parsed = parse(&page([7]), 36);
    let expected = Hit {
        url: "https://img.example/7/0".into(),
        page_url: Some("https://page.example/7".into()),
        title: Some("a ship &amp; 7".into()),
        rank: 36,
        thumbnail_url: Some("https://tse1-mm.cn.bing.net/th?id=OIP.x7&pid=15.1".into()),
        licence: None,
        engine_md5: Some(format!("{:032x}", 7)),
        width: Some(3442),
        height: Some(2972),
    };
    assert_eq!(parsed.hits, [expected]);
    assert_eq!((parsed.skipped, parsed.tile_like, parsed.blank), (0, false, false));
}

#[test]
fn quotes_case_order_and_element_do_not_matter() {
    let meta =
        r#"{"murl":"http://h/1","turl":"http://t/th?id=OIP.qTwEnan4GiMdiu0jeB7ZLgHaGZ&pid=15.1"}"#;
    for html in [
        format!("<a m='{meta}' class=\"iusc\">"),
        format!("<A H='x' M='{meta}' CLASS='other IUSC'>"),
        format!(
            "<div class='imgpt'><a m='{meta}' href='?q=1'></a><div><span>800 × 600 · jpeg</span></div></div>"
        ),
        format!("<div class=iusc m='{meta}'></div>"),
    ] {
        let hits = parse(&html, 1).hits;
        assert_eq!(hits.len(), 1, "{html}");
        assert_eq!(hits[0].url, "http://h/1");
        assert_eq!(hits[0].engine_md5.as_deref(), Some(MD5), "from the thumbnail's id");
        assert_eq!(hits[0].width.zip(hits[0].height), html.contains("span").then_some((800, 600)));
    }
    let untitled = page([1]).replace("&quot;t&quot;", "&quot;u&quot;");
    assert_eq!(parse(&untitled, 1).hits[0].title.as_deref(), Some("nearby"));
}

#[test]
fn a_bad_tile_is_skipped_and_counted() {
    let bad = [
        "<a class='iusc'></a>",
        "<a class='iusc' m=''></a>",
        "<a class='iusc' m='{\"murl\":\"http://h/1\"'></a>",
        "<a class='iusc' m='{\"murl\":7}'></a>",
        "<a class='iusc' m='{\"murl\":\"\"}'></a>",
        "<a class='iusc' m='{\"murl\":\"http://h/\\u0000\"}'></a>",
        "<a class='iusc' m='[]'></a>",
    ];
    let html = page(1..=10) + &bad.concat() + &tile(11);
    let parsed = parse(&html, 1);
    assert_eq!((parsed.hits.len(), parsed.skipped, parsed.tiles()), (11, 7, 18));
    assert_eq!(parsed.hits[10].rank, 18, "a bad tile keeps its place");
    let drift = turn(Place::default(), parse(&bad.concat(), 1), None);
    assert_eq!((drift.stop, drift.skipped_tiles), (Some(StopReason::ParseDrift), 7));
}

#[test]
fn pages_without_tiles_are_told_apart() {
    let kind = |html: &str| {
        let parsed = parse(html, 36);
        assert_eq!(parsed.tiles(), 0, "{html}");
        (parsed.tile_like, parsed.blank)
    };
    let (drift, blank, other) = ((true, false), (false, true), (false, false));
    assert_eq!(kind(""), blank);
    assert_eq!(
        kind(" \n<div id='mmComponent_images_2'><ul class='dgControl_list'></ul></div>"),
        blank
    );
    assert_eq!(
        kind("<html><body><form action='/search'><input name=q></form>Bing</body></html>"),
        other
    );
    assert_eq!(kind("<div>Please solve the challenge</div>"), other);
    assert_eq!(kind("<ul class='dgControl_list'><li><picture></picture></li></ul>"), drift);
    assert_eq!(kind("<a class='iuscV2' data-m='{}'><img></a>"), drift);
    assert_eq!(kind("<a href='/images/search?view=detail&amp;mediaURL=http'>x</a>"), drift);
}

#[test]
fn the_offset_moves_by_what_came_and_repeats_are_dropped() {
    let first = turn(Place::default(), parse(&page(1..=27), 1), Some("search filter: license-L1"));
    assert_eq!((first.hits.len(), first.stop), (27, None));
    assert_eq!(first.hits[0].licence.as_deref(), Some("search filter: license-L1"));
    let place: Place = first.next.unwrap().read().unwrap();
    assert_eq!(place.first, 28);

    let renamed = page(20..=50).replace("img.example/21/", "mirror.example/21/");
    let second = turn(place.clone(), parse(&renamed, 28), None);
    let urls: Vec<&str> = second.hits.iter().map(|hit| hit.url.as_str()).collect();
    assert_eq!(urls.len(), 23, "the same digest under another URL is a repeat");
    assert_eq!(urls[0], "https://img.example/28/0");
    assert_eq!(second.hits[0].rank, 36);
    assert_eq!(second.next.unwrap().read::<Place>().unwrap().first, 59);

    let again = turn(place, parse(&page(1..=27), 28), None);
    assert_eq!((again.hits.len(), again.stop), (0, Some(StopReason::Exhausted)));
    assert_eq!(again.next, None);
}

#[test]
fn a_query_ends_at_the_cap_and_its_cursor_stays_small() {
    let (mut place, mut pages, mut size) = (Place::default(), 0, 0);
    let stop = loop {
        let first = place.first;
        let turned = turn(place, parse(&page(first..first + 34), first), None);
        pages += 1;
        match turned.next {
            Some(next) => {
                size = next.0.to_string().len();
                place = next.read().unwrap();
            }
            None => break turned.stop,
        }
    };
    assert_eq!((stop, pages), (Some(StopReason::CapReached), 30));
    assert!(size < 22_000, "{size}");
}

#[test]
fn a_cursor_of_another_kind_is_an_error() {
    for json in [r#"{"offset":1}"#, r#"{"first":0,"seen":""}"#, r#"{"first":2,"seen":"AAA"}"#, "7"]
    {
        let cursor = Cursor(serde_json::from_str(json).unwrap());
        assert!(matches!(cursor.read::<Place>(), Err(SearchError::Cursor(_))), "{json}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_mutation_of_a_page_makes_the_parser_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, ".{0,6}|[<>\"'&;{}\\\\x×]{1,8}"), 1..12),
        first in any::<u32>(),
    ) {
        let mut html: Vec<char> = page(1..=3).chars().collect();
        for (at, cut, insert) in edits {
            let start = at.index(html.len() + 1);
            let end = (start + cut).min(html.len());
            html.splice(start..end, insert.chars());
        }
        let html: String = html.into_iter().collect();
        let parsed = parse(&html, first);
        let tiles = parsed.tiles();
        let turned = turn(Place::default(), parsed, None);
        prop_assert!(turned.hits.len() as u32 + turned.skipped_tiles <= tiles);
        prop_assert!(turned.next.is_some() != turned.stop.is_some());
    }
}
