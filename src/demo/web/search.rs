//! Bing-shaped result pages: true offsets, 27 to 35 tiles, now and then one that cannot be parsed, an empty end.

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Html;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::Shared;
use super::listing::{Fate, Hit};

#[derive(Deserialize)]
struct Ask {
    q: String,
    /// 1-based offset of the first tile.
    #[serde(default = "one")]
    first: usize,
}

fn one() -> usize {
    1
}

/// `/images/async` and `/images/search`, which answer with the same tiles.
pub(super) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/images/async", get(page))
        .route("/images/search", get(page))
        .with_state(shared)
}

async fn page(State(web): State<Shared>, Query(ask): Query<Ask>) -> Html<String> {
    let hits = web.listing.search(&ask.q);
    let from = ask.first.max(1) - 1;
    let Some(rest) = hits.get(from..).filter(|rest| !rest.is_empty()) else {
        return Html(String::new());
    };
    // The engine gives fewer tiles than asked for, and not always the same number.
    let tiles = &rest[..rest.len().min(27 + (from * 7 + ask.q.len()) % 9)];
    let query: String = byte_serialize(ask.q.as_bytes()).collect();
    let next = from + tiles.len() + 1;
    let more = if next <= hits.len() {
        format!(
            r#" data-nexturl="/images/async?q={query}&amp;first={next}&amp;count=35&amp;mmasync=1""#
        )
    } else {
        String::new()
    };
    let items: String =
        tiles.iter().enumerate().map(|(i, hit)| tile(hit, from + i, &query, &web.hosts)).collect();
    Html(format!(
        r#"<div id="mmComponent_images_1"{more}><ul class="dgControl_list ">{items}</ul></div>"#
    ))
}

fn tile(hit: &Hit, index: usize, query: &str, hosts: &[String]) -> String {
    let host = &hosts[hit.host];
    let digest = hex::decode(&hit.engine_md5).unwrap_or_default();
    let (cid, oip) = (BASE64.encode(&digest[..6]), BASE64.encode(&digest));
    let (murl, purl) =
        (format!("http://{host}{}", hit.path), format!("http://{host}/page/{index}.html"));
    let mid = hit.picture.sha256[..40].to_uppercase();
    let metadata = json!({
        "sid": "", "cid": cid, "purl": purl, "murl": murl,
        "turl": format!("http://{host}/th?id=OIP.{oip}&pid=15.1"),
        "md5": hit.engine_md5, "shkey": format!("{cid}="), "mid": mid, "desc": "",
        "t": format!("\u{e000}{}\u{e001} & more", hit.title),
    });
    let m = match hit.fate {
        Fate::BadTile => format!("{{&quot;cid&quot;:&quot;{cid}&quot;,&quot;murl&quot;:&quot;ht"),
        _ => escaped(&metadata.to_string()),
    };
    // Neither the order of the attributes nor their quotes are fixed.
    let m = if index % 4 == 3 { format!("m='{m}'") } else { format!(r#"m="{m}""#) };
    let (width, height) = size_of(hit);
    let media: String = byte_serialize(murl.as_bytes()).collect();
    let href = format!(
        "/images/search?view=detailV2&amp;ccid={cid}&amp;id={mid}&amp;thid=OIP.{oip}&amp;mediaurl={media}\
         &amp;exph={height}&amp;expw={width}&amp;q={query}&amp;selectedIndex={index}&amp;FORM=IRPRST"
    );
    let link = if index.is_multiple_of(2) {
        format!(r#"<a class="iusc" {m} href="{href}" h="ID=images,{index}.1">"#)
    } else {
        format!(r#"<a href="{href}" {m} class="iusc" h="ID=images,{index}.1">"#)
    };
    let title = escaped(&hit.title);
    format!(
        r#"<li data-idx="{}"><div class="iuscp varh isv"><div class="imgpt">{link}<div class="img_cont hoff"><img class="mimg" src="/th?id=OIP.{oip}" alt="{title}"></div></a><div class="img_info hon"><span class="nowrap">{width} x {height} &#183; jpeg</span><div class="lnkw"><a title="{host}" href="{purl}">{host}</a></div></div></div><div class="infopt"><a class="inflnk" aria-label="{title}"><div class="infnmpt"><div class="infpd"><ul class="b_dataList"><li><a title="{title}">{title}</a></li></ul></div></div></a></div></div></li>"#,
        index + 1
    )
}

fn size_of(hit: &Hit) -> (u32, u32) {
    image::ImageReader::new(std::io::Cursor::new(&hit.picture.bytes))
        .with_guessed_format()
        .ok()
        .and_then(|reader| reader.into_dimensions().ok())
        .unwrap_or((640, 480))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
