//! The page: hand-written ES modules, CSS and HTML, embedded; it talks to the public API only.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// Only what we serve ourselves; `blob:` is the photo that the user just dropped.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// Asks again each time, which costs an empty 304: a new binary shows its own page at once.
const CACHING: &str = "no-cache";
const INDEX: &str = "index.html";

#[derive(RustEmbed)]
#[folder = "src/web/files"]
struct Files;

/// The files of the page, `index.html` at `/`. Each is a route of its own, so that what the page does not have is
/// answered by whoever mounts it.
pub fn routes() -> Router {
    let mut router = Router::new();
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else {
            continue;
        };
        let path = if name == INDEX { "/".to_owned() } else { format!("/{name}") };
        let kind = content_type(&file);
        let respond = move |request: HeaderMap| std::future::ready(answer(&file, &kind, &request));
        router = router.route(&path, get(respond));
    }
    router
}

fn content_type(file: &EmbeddedFile) -> HeaderValue {
    let kind = file.metadata.mimetype();
    let text = kind.starts_with("text/") && !kind.contains("charset");
    let kind = if text { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    HeaderValue::try_from(kind).expect("a MIME type is a header value")
}

fn etag(file: &EmbeddedFile) -> HeaderValue {
    let digest = hex::encode(&file.metadata.sha256_hash()[..16]);
    HeaderValue::try_from(format!("\"{digest}\"")).expect("hexadecimal is a header value")
}

/// The file, or 304 when the client has it already.
fn answer(file: &EmbeddedFile, kind: &HeaderValue, request: &HeaderMap) -> Response {
    let tag = etag(file);
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHING));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|given| matches(given, &tag));
    headers.insert(header::ETAG, tag);
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, kind.clone());
    (headers, Body::from(file.data.clone().into_owned())).into_response()
}

/// Whether `If-None-Match` names the tag; a proxy that compressed the file may have made it weak.
fn matches(given: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(given), Ok(tag)) = (given.to_str(), tag.to_str()) else {
        return false;
    };
    given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = routes().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_file_has_its_type_and_a_strict_policy() {
        let types = [
            ("/", "text/html; charset=utf-8"),
            ("/app.js", "text/javascript; charset=utf-8"),
            ("/style.css", "text/css; charset=utf-8"),
            ("/favicon.svg", "image/svg+xml"),
        ];
        for (path, kind) in types {
            let (status, headers, body) = ask(path, None).await;
            assert_eq!(
                (status, &headers[header::CONTENT_TYPE]),
                (StatusCode::OK, &HeaderValue::from_static(kind))
            );
            assert!(!body.is_empty());
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn a_known_file_is_not_sent_again() {
        let (_, headers, _) = ask("/app.js", None).await;
        let tag = headers[header::ETAG].to_str().unwrap();
        for given in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let (status, _, body) = ask("/app.js", Some(&given)).await;
            assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        }
        assert_eq!(ask("/app.js", Some("\"other\"")).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn what_the_page_lacks_is_left_to_others() {
        for path in ["/index.html", "/missing.js", "/../Cargo.toml", "/datasets"] {
            assert_eq!(ask(path, None).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn the_policy_holds_for_the_files() {
        let page = Files::get(INDEX).unwrap();
        let page = String::from_utf8(page.data.into_owned()).unwrap();
        assert!(
            !page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick=")
        );
        for script in page.match_indices("<script").map(|(at, _)| &page[at..]) {
            let tag = &script[..script.find('>').unwrap()];
            assert!(tag.contains(" src=\"/"), "inline script: {tag}");
        }
        for name in Files::iter() {
            let file = Files::get(&name).unwrap();
            let text = String::from_utf8(file.data.into_owned()).unwrap();
            assert!(!text.contains("https://"), "{name} points outside");
        }
    }

    #[test]
    fn every_module_that_is_imported_is_there() {
        for name in Files::iter().filter(|name| name.ends_with(".js")) {
            let text = String::from_utf8(Files::get(&name).unwrap().data.into_owned()).unwrap();
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let imported = line.split("\"./").nth(1).and_then(|rest| rest.split('"').next());
                let imported = imported.unwrap_or_else(|| panic!("{name}: {line}"));
                assert!(Files::get(imported).is_some(), "{name} imports {imported}");
            }
        }
    }
}
