//! An S3 server in this process, in memory, that fails when told to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use shipshape::blobs::{Blobs, S3, Settings};
use shipshape::db::Sha256;

/// Objects on a page of a listing: few, so that every listing has several.
const PAGE: usize = 3;

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// 500 `InternalError`.
    Internal,
    /// 503 `SlowDown`.
    SlowDown,
    /// 403 `AccessDenied`.
    Denied,
    /// 409 `OperationAborted`.
    Conflict,
    /// 412 `PreconditionFailed`.
    Precondition,
    /// 200, with an error in the body.
    ErrorIn200,
    /// No answer for this long.
    Stall(Duration),
    /// Done after this long, whether or not anybody still waits for it.
    Late(Duration),
    /// The body ends half-way.
    CutBody,
}

/// The bucket `shipshape` of a server, under a prefix.
pub(crate) async fn open(endpoint: &str, prefix: &str, attempt: Duration) -> Blobs {
    let secret = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test");
    let settings = Settings {
        endpoint: Some(endpoint.to_owned()),
        prefix: prefix.to_owned(),
        credentials: Some(secret),
        attempt_timeout: attempt,
        ..Settings::parse("s3://shipshape").unwrap()
    };
    Blobs::S3(S3::open(settings).await.unwrap())
}

#[derive(Default)]
struct Store {
    /// By bucket/key.
    objects: BTreeMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    /// Of so many requests one fails by chance.
    one_in: Option<u64>,
    seen: Vec<&'static str>,
}

/// A running server with one bucket, `shipshape`.
#[derive(Clone)]
pub(crate) struct S3StandIn {
    /// Base URL.
    pub(crate) endpoint: String,
    store: Arc<Mutex<Store>>,
}

impl S3StandIn {
    /// Starts the server on a free port of this machine.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let store = Arc::new(Mutex::new(Store::default()));
        let app = axum::Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, store }
    }

    /// Makes the next requests of `operation` fail, one each: `put`, `get`, `head`, `delete`, `copy`, `list`, `part`,
    /// `complete`.
    pub(crate) fn fail(&self, operation: &'static str, faults: &[Fault]) {
        self.store.lock().unwrap().faults.entry(operation).or_default().extend(faults);
    }

    /// From now on one of so many requests fails, in any of the ways that pass; none of them with `None`.
    pub(crate) fn fail_one_in(&self, requests: Option<u64>) {
        self.store.lock().unwrap().one_in = requests;
    }

    /// How many requests of `operation` have come.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.store.lock().unwrap().seen.iter().filter(|seen| **seen == operation).count()
    }

    /// Uploads in parts that were neither finished nor aborted.
    pub(crate) fn unfinished_uploads(&self) -> usize {
        self.store.lock().unwrap().uploads.len()
    }
}

impl Store {
    fn by_chance(&self, operation: &str) -> Option<Fault> {
        let ways = [
            Fault::Internal,
            Fault::SlowDown,
            Fault::Conflict,
            Fault::Stall(Duration::from_millis(50)),
            if operation == "copy" { Fault::ErrorIn200 } else { Fault::Internal },
            if operation == "get" { Fault::CutBody } else { Fault::SlowDown },
        ];
        // Mixed from the number of the request: the same requests meet the same faults.
        let mixed = (self.seen.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        mixed.is_multiple_of(self.one_in?).then(|| ways[(mixed / 16) as usize % ways.len()])
    }
}

struct Request {
    path: String,
    query: HashMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(
    State(store): State<Arc<Mutex<Store>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query: HashMap<String, String> = query.into_owned().collect();
    let path = decoded(uri.path().trim_matches('/'));
    let request = Request { path, query, headers, body };
    let operation = operation(&method, &request);
    let fault = {
        let mut store = store.lock().unwrap();
        store.seen.push(operation);
        let told = store.faults.get_mut(operation).and_then(VecDeque::pop_front);
        told.or_else(|| store.by_chance(operation))
    };
    match fault {
        Some(Fault::Internal) => error(500, "InternalError"),
        Some(Fault::SlowDown) => error(503, "SlowDown"),
        Some(Fault::Denied) => error(403, "AccessDenied"),
        Some(Fault::Conflict) => error(409, "OperationAborted"),
        Some(Fault::Precondition) => error(412, "PreconditionFailed"),
        Some(Fault::ErrorIn200) => error(200, "InternalError"),
        Some(Fault::CutBody) => cut(&store.lock().unwrap(), &request),
        Some(Fault::Stall(time)) => {
            tokio::time::sleep(time).await;
            error(500, "InternalError")
        }
        Some(Fault::Late(time)) => {
            let late = async move {
                tokio::time::sleep(time).await;
                serve(&mut store.lock().unwrap(), operation, &request)
            };
            tokio::spawn(late).await.unwrap()
        }
        None => serve(&mut store.lock().unwrap(), operation, &request),
    }
}

fn operation(method: &Method, request: &Request) -> &'static str {
    let has = |name| request.query.contains_key(name);
    let is_bucket = !request.path.contains('/');
    match *method {
        Method::HEAD if is_bucket => "head_bucket",
        Method::GET if is_bucket => "list",
        Method::PUT if has("partNumber") => "part",
        Method::PUT if request.headers.contains_key("x-amz-copy-source") => "copy",
        Method::PUT => "put",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST if has("uploads") => "create",
        Method::POST => "complete",
        Method::DELETE if has("uploadId") => "abort",
        _ => "delete",
    }
}

fn serve(store: &mut Store, operation: &str, request: &Request) -> Response<Body> {
    let path = request.path.clone();
    let upload = request.query.get("uploadId").cloned().unwrap_or_default();
    match operation {
        "head_bucket" if path == "shipshape" => xml(String::new()),
        "head_bucket" => error(404, "NoSuchBucket"),
        "put" => {
            let etag = etag(&request.body);
            store.objects.insert(path, request.body.clone());
            reply().header("etag", etag).body(Body::empty()).unwrap()
        }
        "get" | "head" => match store.objects.get(&path) {
            None => error(404, "NoSuchKey"),
            Some(bytes) => reply().header("etag", etag(bytes)).body(bytes.clone().into()).unwrap(),
        },
        "delete" => {
            store.objects.remove(&path);
            Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).unwrap()
        }
        "copy" => copy(store, request),
        "list" => list(store, request),
        "create" => {
            let id = format!("upload-{}", store.seen.len());
            store.uploads.insert(id.clone(), BTreeMap::new());
            xml(format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        "part" => {
            let number = request.query["partNumber"].parse().unwrap();
            let etag = etag(&request.body);
            // A part that ends behind the abort is kept: S3 says that an upload may have to be aborted again.
            store.uploads.entry(upload).or_default().insert(number, request.body.clone());
            reply().header("etag", etag).body(Body::empty()).unwrap()
        }
        "complete" => {
            let Some(parts) = store.uploads.remove(&upload) else {
                return error(404, "NoSuchUpload");
            };
            let whole: Vec<u8> = parts.values().flatten().copied().collect();
            store.objects.insert(path, whole.into());
            xml("<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>".into())
        }
        "abort" => {
            store.uploads.remove(&upload);
            Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).unwrap()
        }
        other => panic!("{other}"),
    }
}

fn copy(store: &mut Store, request: &Request) -> Response<Body> {
    let header = |name| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let source = decoded(header("x-amz-copy-source").unwrap().trim_start_matches('/'));
    let Some(bytes) = store.objects.get(&source).cloned() else {
        return error(404, "NoSuchKey");
    };
    let etag = etag(&bytes);
    if header("x-amz-copy-source-if-match").is_some_and(|wanted| wanted != etag) {
        return error(412, "PreconditionFailed");
    }
    store.objects.insert(request.path.clone(), bytes);
    xml(format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>"))
}

fn list(store: &Store, request: &Request) -> Response<Body> {
    let of = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let (prefix, after) = (format!("{}/{}", request.path, of("prefix")), of("continuation-token"));
    let bucket = format!("{}/", request.path);
    let matching = store.objects.keys().filter(|key| key.starts_with(&prefix));
    let keys: Vec<&str> = matching.filter_map(|key| key.strip_prefix(&bucket)).collect();
    let rest: Vec<&str> = keys.into_iter().filter(|key| **key > *after).collect();
    let page = &rest[..rest.len().min(PAGE)];
    let contents: String =
        page.iter().flat_map(|key| ["<Contents><Key>", key, "</Key></Contents>"]).collect();
    let more = rest.len() > PAGE;
    let token = page.last().filter(|_| more).map_or(String::new(), |last| {
        format!("<NextContinuationToken>{last}</NextContinuationToken>")
    });
    xml(format!(
        "<ListBucketResult><IsTruncated>{more}</IsTruncated>{contents}{token}</ListBucketResult>"
    ))
}

/// Announces the whole object and sends half of it.
fn cut(store: &Store, request: &Request) -> Response<Body> {
    let bytes = store.objects.get(&request.path).cloned().unwrap_or_default();
    let half = bytes.slice(..bytes.len() / 2);
    let broken = futures::stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
    let reply = reply().header("content-length", bytes.len()).header("etag", etag(&bytes));
    reply.body(Body::from_stream(broken)).unwrap()
}

fn reply() -> axum::http::response::Builder {
    Response::builder().status(StatusCode::OK)
}

fn xml(body: String) -> Response<Body> {
    reply().header("content-type", "application/xml").body(body.into()).unwrap()
}

fn error(status: u16, code: &str) -> Response<Body> {
    let body = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
    let reply = Response::builder().status(status).header("content-type", "application/xml");
    reply.body(body.into()).unwrap()
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &Sha256::of(bytes).to_string()[..32])
}

fn decoded(path: &str) -> String {
    let escaped = path.replace('+', "%2B");
    url::form_urlencoded::parse(escaped.replace('&', "%26").replace('=', "%3D").as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect()
}
