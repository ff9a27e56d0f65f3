//! The client against a service that answers in the API's shapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Multipart, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};

use super::*;
use crate::demo::collection::Collection;
use crate::demo::web::listing::Kind;

/// A service that stores all pictures, flags what shares no tag, and mistakes every clutter picture for another class.
struct Service {
    images: Vec<Value>,
    predictions: Vec<Value>,
    cleaning: Value,
    polls: AtomicUsize,
}

type Of = State<Arc<Service>>;

fn service(web: &SampleWeb, cleaning: Value) -> Service {
    let listing = web.listing();
    let mut service =
        Service { images: vec![], predictions: vec![], cleaning, polls: AtomicUsize::new(0) };
    for picture in listing.pictures() {
        let Some(truth) = listing.truth(&picture.sha256) else {
            continue;
        };
        let outcome = if truth.shares_tag { "passed" } else { "flagged" };
        let state = if truth.shares_tag { "accepted" } else { "flagged" };
        service.images.push(json!({
            "id": picture.sha256, "sha256": picture.sha256, "class": truth.class, "state": state,
            "verdicts": [{"check": "tags", "outcome": outcome}],
        }));
        let right = truth.kind != Kind::Clutter;
        service.predictions.push(json!({
            "sha256": picture.sha256, "class": truth.class,
            "predicted": if right { &truth.class } else { "something else" },
        }));
    }
    service
}

fn paged(items: &[Value], query: &Query<Value>) -> Json<Value> {
    let from: usize = query["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
    let to = (from + 40).min(items.len());
    let next = (to < items.len()).then(|| to.to_string());
    Json(json!({"items": items[from..to], "next_cursor": next}))
}

async fn ended(Path((kind, id)): Path<(String, String)>, State(service): Of) -> Json<Value> {
    if service.polls.fetch_add(1, Ordering::Relaxed) % 3 == 0 {
        return Json(json!({"id": id, "status": "running", "progress": {"done": 1, "total": 2}}));
    }
    let mut job = json!({
        "id": id, "status": "succeeded", "progress": {"done": 2, "total": 2}, "model_id": "m",
        "outcomes": {"stored": 30, "rejected:too_large": 1}, "counts": {"train": 40, "test": 10},
        "train_accuracy": 0.99, "test_accuracy": 0.95,
    });
    if kind == "cleaning-jobs" {
        job.as_object_mut().unwrap().extend(service.cleaning.as_object().unwrap().clone());
    }
    Json(job)
}

async fn parts(mut form: Multipart) -> usize {
    let mut count = 0;
    while let Some(field) = form.next_field().await.unwrap() {
        assert_eq!((field.name(), field.content_type()), (Some("image"), Some("image/jpeg")));
        assert!(field.bytes().await.unwrap().len() > 100);
        count += 1;
    }
    count
}

async fn classify(form: Multipart) -> Json<Value> {
    assert_eq!(parts(form).await, 1);
    Json(json!({"class": "destroyer", "probability": 0.75}))
}

async fn references(form: Multipart) -> StatusCode {
    assert_eq!(parts(form).await, 4);
    StatusCode::NO_CONTENT
}

async fn serving(service: Service) -> String {
    let made =
        || post(|| async { (StatusCode::ACCEPTED, Json(json!({"id": "1", "status": "queued"}))) });
    let page = || async { Json(json!({"items": [{"epoch": 1}], "next_cursor": null})) };
    let epochs = move || get(page);
    let routes = Router::new()
        .route("/datasets", made())
        .route("/datasets/{id}/classes/{class}/references", put(references))
        .route("/datasets/{id}/snapshots", made())
        .route("/scrape-jobs", made())
        .route("/cleaning-jobs", made())
        .route("/training-runs", made())
        .route("/models/{id}/activate", post(|| async { StatusCode::NO_CONTENT }))
        .route("/classify", post(classify))
        .route("/images", get(|State(s): Of, q: Query<Value>| async move { paged(&s.images, &q) }))
        .route("/training-runs/{id}/epochs", epochs())
        .route(
            "/training-runs/{id}/predictions",
            get(|State(s): Of, q: Query<Value>| async move { paged(&s.predictions, &q) }),
        )
        .route("/{kind}/{id}", get(ended))
        .with_state(Arc::new(service));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

async fn sample_web() -> SampleWeb {
    SampleWeb::start(Collection::drawn(None, 1, 48).unwrap(), 1).await.unwrap()
}

#[tokio::test]
async fn the_report_joins_the_answers_with_the_truth() {
    let web = sample_web().await;
    let cleaning = json!({"by_check": {"tags": {"flagged": 20}}});
    let url = serving(service(&web, cleaning)).await;
    let dir = tempfile::tempdir().unwrap();
    let options =
        DemoOptions { json: Some(dir.path().join("out.json")), seed: 1, ..DemoOptions::default() };
    let report = run(&options, &url, &web).await.unwrap();
    assert_eq!((report.candidates, report.stored), (62, 60));
    assert_eq!(
        (report.by_class["destroyer"].stored, report.by_class["destroyer"].flagged),
        (48, 0)
    );
    assert_eq!((report.clutter.stored, report.clutter.flagged_of_unshared), (24, [20, 20]));
    assert_eq!(report.test_accuracy_without_clutter, Some(1.0));
    assert_eq!(report.held_out[1].expected, "freighter");
    let text = fs::read_to_string(dir.path().join("out.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    for key in ["photos", "classes", "candidates", "stored", "flagged", "by_class", "clutter"] {
        assert!(!written[key].is_null(), "{key}");
    }
    assert_eq!(
        written["classify"],
        json!({"class": "destroyer", "probability": 0.75, "expected": "destroyer"})
    );
    assert_eq!(written["flagged_by_check"], json!({"tags": 20}));
}

#[tokio::test]
async fn a_job_that_fails_ends_the_demo_with_the_services_own_words() {
    let web = sample_web().await;
    let failed =
        json!({"status": "failed", "error": "no right", "error_code": "tagger_access_denied"});
    let url = serving(service(&web, failed)).await;
    let error = run(&DemoOptions::default(), &url, &web).await.unwrap_err().to_string();
    assert!(
        error.contains("cleaning-jobs/1 is failed: no right (tagger_access_denied)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_problem_is_told_by_its_title_and_code() {
    let problem = json!({"title": "Conflict", "detail": "the name is taken", "code": "name_taken"});
    let answer = (StatusCode::CONFLICT, Json(problem));
    let routes = Router::new().route("/datasets", post(move || async move { answer }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = Client::new(&url).unwrap();
    let error = client.create(&["datasets"], &json!({})).await.unwrap_err().to_string();
    assert!(
        error.contains("409") && error.contains("Conflict – the name is taken (name_taken)"),
        "{error}"
    );
}
