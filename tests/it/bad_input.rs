//! Bad requests of every kind on every route: a 4xx problem each, never a 500.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use shipshape::api;

use crate::support::service::{Service, service};

/// Bodies that are wrong for every create.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let text = |name, body: &str| (name, body.as_bytes().to_vec());
    vec![
        text("nothing", ""),
        text("null", "null"),
        text("an array", "[]"),
        text("a string", "\"x\""),
        text("truncated", "{\"name\": \"x"),
        ("deep", vec![b'['; 1 << 20]),
        text("duplicate keys", r#"{"name": "a", "name": "b", "limit": 1, "limit": 2}"#),
        text("an unknown field", r#"{"surely_unknown": 1}"#),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("invalid UTF-8", b"{\"name\": \"\xff\"}".to_vec()),
        text("a lone surrogate", r#"{"name": "\ud800"}"#),
        text("a NUL", r#"{"name": "a\u0000b"}"#),
    ]
}

const IDS: [&str; 10] = [
    "%ff",
    "no-uuid",
    "00000000-0000-7000-8000-000000000000",
    "%7B%7D",
    "%00",
    "..%2f",
    "%27%20OR%201=1--",
    "id%3Finjected=1",
    "%F0%9F%9A%A2",
    "018f0000000070008000000000000000",
];

/// An id that nothing has.
const SOME: &str = "018f0000-0000-7000-8000-000000000000";

async fn assert_problem(response: Response, what: &str) {
    let status = response.status();
    assert!(status.is_client_error(), "{what}: {status} {:?}", response.text().await);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(content_type, "application/problem+json", "{what}");
    let body: Value = response.json().await.unwrap();
    assert!(body["code"].is_string() && body["detail"].is_string(), "{what}: {body}");
    assert_eq!(body["status"], status.as_u16(), "{what}");
}

/// Every operation of the document: method, path, whether it takes JSON.
fn operations() -> Vec<(Method, String, bool)> {
    let document = serde_json::to_value(api::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let json = operation["requestBody"]["content"]["application/json"].is_object();
            operations.push((method, path.clone(), json));
        }
    }
    operations
}

/// The paths whose GET takes the query parameter.
fn with_parameter(name: &str) -> Vec<String> {
    let document = serde_json::to_value(api::document()).unwrap();
    let takes = |item: &Value| {
        let parameters = item["get"]["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let paths = document["paths"].as_object().unwrap().iter();
    let paths: Vec<String> =
        paths.filter(|(_, item)| takes(item)).map(|(path, _)| path.clone()).collect();
    assert!(paths.len() >= 10, "{paths:?}");
    paths
}

/// The operations that take a form.
fn forms() -> Vec<(Method, String)> {
    let document = serde_json::to_value(api::document()).unwrap();
    let takes = |(method, path, _): &(Method, String, bool)| {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        operation["requestBody"]["content"]["multipart/form-data"].is_object()
    };
    let forms: Vec<_> = operations().into_iter().filter(takes).map(|(m, p, _)| (m, p)).collect();
    assert!(forms.len() >= 3, "{forms:?}");
    forms
}

fn filled(path: &str, id: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { id } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn url(service: &Service, path: &str) -> String {
    format!("http://{}{path}", service.address)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_body_is_a_problem() {
    let service = service(&[]).await;
    let client = Client::new();
    for (method, path, _) in operations().into_iter().filter(|(_, _, json)| *json) {
        for (name, body) in bodies() {
            let request = client
                .request(method.clone(), url(&service, &filled(&path, SOME)))
                .header("content-type", "application/json")
                .body(body);
            assert_problem(request.send().await.unwrap(), &format!("{method} {path}: {name}"))
                .await;
        }
        for content_type in ["text/plain", "application/json; charset=utf-16"] {
            let request = client
                .request(method.clone(), url(&service, &filled(&path, SOME)))
                .header("content-type", content_type)
                .body("{}");
            let what = format!("{method} {path} as {content_type}");
            assert_problem(request.send().await.unwrap(), &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_id_is_a_problem() {
    let service = service(&[]).await;
    let client = Client::new();
    for (method, path, json) in operations() {
        if !path.contains('{') {
            continue;
        }
        for id in IDS.into_iter().map(str::to_owned).chain(["a".repeat(10_000)]) {
            let mut request = client.request(method.clone(), url(&service, &filled(&path, &id)));
            if json {
                request = request.json(&json!({}));
            }
            let response = request.send().await.unwrap();
            assert_problem(response, &format!("{method} {path} with {id:.40}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_page_is_a_problem() {
    let service = service(&[]).await;
    let client = Client::new();
    let pages = [
        "limit=0",
        "limit=-1",
        "limit=1000000000",
        "limit=1e3",
        "limit=%00",
        "limit=NaN",
        "limit=9223372036854775808",
        "cursor=garbage",
        "cursor=%00",
        "cursor=",
        "sort=surely",
        "sort=newest&sort=oldest",
        "surely_unknown=1",
    ];
    for path in with_parameter("cursor") {
        let path = filled(&path, SOME);
        for page in pages {
            let response = client.get(url(&service, &format!("{path}?{page}"))).send().await;
            assert_problem(response.unwrap(), &format!("{path}?{page}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_path_lacks_is_405_with_allow() {
    let service = service(&[]).await;
    let client = Client::new();
    let operations = operations();
    let methods =
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
    for (_, path, _) in &operations {
        let has = |method: &Method| operations.iter().any(|(m, p, _)| m == method && p == path);
        for method in methods.iter().filter(|method| !has(method)) {
            let request = client.request(method.clone(), url(&service, &filled(path, SOME)));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert!(response.headers().contains_key("allow"), "{method} {path}");
            assert_problem(response, &format!("{method} {path}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_out_of_bounds_name_their_field() {
    let service = service(&[]).await;
    let dataset =
        service.post("/datasets", &json!({"name": "numbers", "classes": [{"name": "a"}]})).await;
    let id = &dataset.1["id"];
    for limit in [
        "-1",
        "0",
        "1.5",
        "1e308",
        "2147483648",
        "9007199254740993",
        "9223372036854775808",
        "\"5\"",
        "null",
    ] {
        let body = format!(
            r#"{{"dataset_id": {id}, "class": "a", "source": "bing", "phrase": "x", "limit": {limit}}}"#
        );
        let request = Client::new()
            .post(url(&service, "/scrape-jobs"))
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 422, "limit {limit}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], "limit", "{limit}: {problem}");
    }
}

#[tokio::test]
async fn every_wrong_form_is_a_problem() {
    let service = service(&[]).await;
    let body = json!({"name": "forms", "classes": [{"name": "a"}]});
    let (_, dataset) = service.post("/datasets", &body).await;
    let dataset = dataset["id"].as_str().unwrap();
    let part = |name: &str, text: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let class = part("class", "a");
    let bodies = [
        ("nothing", String::new()),
        ("an empty form", "--b--\r\n".into()),
        ("only a class", format!("{class}--b--\r\n")),
        ("a class twice", format!("{class}{class}--b--\r\n")),
        ("an unknown field", format!("{class}{}--b--\r\n", part("surely_unknown", "x"))),
        ("no name", "--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n".into()),
        ("no disposition", "--b\r\n\r\nx\r\n--b--\r\n".into()),
        (
            "truncated",
            format!("{class}--b\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\nab"),
        ),
        ("another boundary", format!("{class}--b--\r\n").replace("--b", "--c")),
        ("no form", "{}".into()),
    ];
    for (method, path) in forms() {
        let path = path.replace("{id}", dataset).replace("{class}", "a");
        for (name, body) in &bodies {
            let request = Client::new()
                .request(method.clone(), url(&service, &path))
                .header("content-type", "multipart/form-data; boundary=b")
                .body(body.clone());
            assert_problem(request.send().await.unwrap(), &format!("{method} {path}: {name}"))
                .await;
        }
        let request = Client::new()
            .request(method.clone(), url(&service, &path))
            .header("content-type", "multipart/form-data")
            .body("x");
        assert_problem(request.send().await.unwrap(), &format!("{method} {path}: no boundary"))
            .await;
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    let service = service(&[]).await;
    for (method, path, _) in operations().into_iter().filter(|(_, _, json)| *json) {
        let request = Client::new()
            .request(method.clone(), url(&service, &filled(&path, SOME)))
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body("{}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 415, "{method} {path}");
        assert_problem(response, &format!("{method} {path} in gzip")).await;
    }
}

#[tokio::test]
async fn head_answers_as_get_does_without_a_body() {
    let service = service(&[]).await;
    for (_, path, _) in operations().iter().filter(|(method, ..)| method == Method::GET) {
        let url = url(&service, &filled(path, SOME));
        let got = Client::new().get(&url).send().await.unwrap().status();
        let head = Client::new().head(&url).send().await.unwrap();
        assert_eq!(head.status(), got, "{path}");
        assert!(!got.is_server_error(), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn what_a_body_names_and_is_not_there_is_422_and_in_the_path_404() {
    let service = service(&[]).await;
    for (path, field, body) in [
        (
            "/scrape-jobs",
            "dataset_id",
            json!({"dataset_id": SOME, "class": "a", "source": "bing", "phrase": "x", "limit": 1}),
        ),
        (
            "/cleaning-jobs",
            "dataset_id",
            json!({"dataset_id": SOME, "checks": ["exact_duplicate"]}),
        ),
        ("/training-runs", "snapshot_id", json!({"snapshot_id": SOME})),
    ] {
        let (status, problem) = service.post(path, &body).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &json!(field)),
            "{path}: {problem}"
        );
    }
    let (status, _) = service.post(&format!("/datasets/{SOME}/snapshots"), &json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_rejection_is_a_sentence_about_its_field() {
    let service = service(&[]).await;
    for (path, field, said) in [
        ("/datasets/no-uuid", "id", "must be a UUID"),
        ("/datasets?limit=x", "limit", "must be an integer"),
        ("/images?dataset_id=x", "dataset_id", "must be a UUID"),
        ("/images?surely=1", "surely", "is not known here; known: dataset_id, class"),
        ("/scrape-jobs?status=x", "status", "must be one of queued, running"),
    ] {
        let (status, problem) = service.get(path).await;
        let error = &problem["errors"][0];
        assert_eq!((status, &error["field"]), (422, &json!(field)), "{path}: {problem}");
        assert!(error["message"].as_str().unwrap().starts_with(said), "{path}: {problem}");
    }
    let (_, problem) = service.post("/datasets", &Value::Null).await;
    assert_eq!(problem["detail"], "the request must be an object, not null");
    let (_, problem) = service.post("/datasets", &json!({"name": 5})).await;
    assert_eq!(
        problem["errors"],
        json!([{"field": "name", "message": "must be a string, not integer 5"}])
    );
}
