//! Image hosts, good and bad: pictures, redirects, dead links, pages for pictures, half files, endless bodies.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response as Answer};
use axum::routing::get;
use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::Shared;
use super::listing::{Fate, Hit};

/// All paths of one host.
pub(super) fn routes(shared: Shared, host: usize) -> Router {
    Router::new()
        .route("/robots.txt", get(|| async { "User-agent: *\nDisallow: /private/\n" }))
        .fallback(
            move |State(web): State<Shared>, uri: Uri| async move { answer(&web, host, &uri) },
        )
        .with_state(shared)
}

fn answer(web: &Shared, host: usize, uri: &Uri) -> Answer {
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    if let Some(hit) = web.listing.at(host, path) {
        return follow(web, hit);
    }
    if let Some(target) =
        path.strip_prefix("/final").and_then(|p| web.listing.at(super::BAD_HOST, p))
    {
        return picture(target.picture.bytes.clone());
    }
    if path.starts_with("/page/") {
        return web_page("text/html; charset=utf-8");
    }
    StatusCode::NOT_FOUND.into_response()
}

fn follow(web: &Shared, hit: &Hit) -> Answer {
    let bytes = hit.picture.bytes.clone();
    match hit.fate {
        Fate::Served | Fate::Repeated | Fate::Forbidden | Fate::HalfFile => picture(bytes),
        Fate::Redirected => {
            let target = format!("http://{}/final{}", web.hosts[0], hit.path);
            (StatusCode::FOUND, [(header::LOCATION, target)]).into_response()
        }
        Fate::WebPage => web_page("image/jpeg"),
        Fate::BrokenOff => broken_off(&bytes),
        Fate::Endless => endless(bytes),
        Fate::Missing | Fate::BadTile => StatusCode::NOT_FOUND.into_response(),
    }
}

fn picture(bytes: Bytes) -> Answer {
    let kind = match image::guess_format(&bytes) {
        Ok(format) => format.to_mime_type(),
        Err(_) => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

fn web_page(kind: &'static str) -> Answer {
    let text = "<!doctype html><title>Gone</title><p>This picture has moved.</p>";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn streamed(body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    answer
}

fn broken_off(bytes: &Bytes) -> Answer {
    let length = bytes.len();
    let start = stream::iter([Ok(bytes.slice(..length / 2))]);
    // The head and the first half go out before the connection breaks.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::other("broken off"))
    });
    let half = start.chain(end);
    let mut answer = streamed(Body::from_stream(half));
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

fn endless(bytes: Bytes) -> Answer {
    let zeros = Bytes::from(vec![0_u8; 256 * 1024]);
    let body = stream::iter([bytes]).chain(stream::repeat(zeros));
    streamed(Body::from_stream(body.map(Ok::<_, Infallible>)))
}
