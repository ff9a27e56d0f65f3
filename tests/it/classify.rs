//! `/classify`: every way to send a photo, what is refused, and models that change under traffic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use image::ImageFormat;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use shipshape::classify::{Classifier, ClassifyError, Settings, Target};

use crate::support::drawn::{activated, drawn, encoded, frozen, patchwork, png, trained};
use crate::support::eventually;
use crate::support::service::{Service, service};

/// A service with two models of one dataset; the first one answers.
async fn serving() -> (Service, [String; 2], Value) {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[12, 12]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let first = trained(&service, &snapshot, 1).await;
    let second = trained(&service, &snapshot, 2).await;
    worker.stop().await;
    let other = second["model_id"].as_str().unwrap().to_owned();
    let active = activated(&service, &first).await;
    (service, [active, other], first)
}

async fn send(service: &Service, query: &str, kind: &str, body: Bytes) -> (u16, Value) {
    let url = service.url(&format!("/classify{query}"));
    let request = reqwest::Client::new().post(url).header("content-type", kind).body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn send_form(service: &Service, form: Form) -> (u16, Value) {
    let request = reqwest::Client::new().post(service.url("/classify")).multipart(form);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn part(bytes: Bytes) -> Part {
    Part::stream(bytes).file_name("photo")
}

#[tokio::test]
async fn every_way_to_send_a_photo_gives_what_training_predicted() {
    let (service, [active, other], run) = serving().await;
    let path = format!("/training-runs/{}/predictions?limit=200", run["id"].as_str().unwrap());
    let (_, predictions) = service.get(&path).await;
    let predicted: HashMap<&str, &Value> = predictions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["sha256"].as_str().unwrap(), item))
        .collect();
    for (class, number) in [(0, 3), (1, 5), (1, 11)] {
        let photo = png(&patchwork(class, number));
        let (status, answer) = send(&service, "", "image/png", photo.clone()).await;
        assert_eq!(status, 200, "{answer}");
        let sha256 = shipshape::db::Sha256::of(&photo).to_string();
        let expected = predicted[sha256.as_str()];
        assert_eq!(answer["class"], expected["predicted"]);
        let difference =
            answer["probability"].as_f64().unwrap() - expected["probability"].as_f64().unwrap();
        assert!(difference.abs() < 1e-6, "{difference}");
        assert_eq!((&answer["model_id"], &answer["dataset"]), (&json!(active), &json!("ships")));
        assert_eq!(answer["probabilities"].as_array().unwrap().len(), 2);

        let (_, by_form) =
            send_form(&service, Form::new().part("image", part(photo.clone()))).await;
        let text = base64::engine::general_purpose::STANDARD.encode(&photo);
        let (_, by_json) = service.post("/classify", &json!({"image_base64": text})).await;
        // What the bytes are decides, not what they are called.
        let (_, mislabelled) = send(&service, "?dataset=ships", "image/jpeg", photo.clone()).await;
        for same in [by_form, by_json, mislabelled] {
            assert_eq!(same["probabilities"], answer["probabilities"]);
        }
        let query = format!("?model={other}&top_k=1");
        let (_, second) = send(&service, &query, "image/png", photo).await;
        assert_eq!(second["model_id"], json!(other));
        assert_eq!(second["probabilities"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem_and_never_a_500() {
    let (service, ..) = serving().await;
    let photo = png(&patchwork(0, 1));
    let large = Bytes::from(vec![0xff; 10 * 1024 * 1024 + 1]);
    let cases = [
        ("", "image/png", Bytes::new(), 422),
        ("", "image/png", Bytes::from_static(b"<html>"), 415),
        ("", "image/png", photo.slice(..photo.len() / 2), 422),
        ("", "image/jpeg", large.clone(), 413),
        ("", "text/plain", photo.clone(), 415),
        ("", "image/tiff", photo.clone(), 415),
        ("", "multipart/form-data", photo.clone(), 400),
        ("", "multipart/form-data; boundary=x", photo.clone(), 400),
        ("", "application/json", Bytes::from_static(b"{}"), 422),
        ("", "application/json", Bytes::from_static(b"{\"image_base64\": \"%\"}"), 422),
        ("?top_k=0", "image/png", photo.clone(), 422),
        ("?top=3", "image/png", photo.clone(), 422),
        ("?dataset=boats", "image/png", photo.clone(), 404),
        ("?model=0190aaaa-0000-7000-8000-000000000000", "image/png", photo.clone(), 404),
        ("?model=latest", "image/png", photo.clone(), 422),
    ];
    for (query, kind, body, expected) in cases {
        let (status, problem) = send(&service, query, kind, body).await;
        assert_eq!(status, expected, "{query} {kind}: {problem}");
        assert_eq!(problem["status"], expected);
    }
    let forms = [
        (Form::new(), 422),
        (Form::new().text("picture", "x"), 422),
        (Form::new().part("image", part(photo.clone())).part("image", part(photo.clone())), 422),
        (Form::new().part("image", part(large)), 413),
    ];
    for (number, (form, expected)) in forms.into_iter().enumerate() {
        let (status, problem) = send_form(&service, form).await;
        let empty_forms_may_be_malformed = number == 0 && status == 400;
        assert!(status == expected || empty_forms_may_be_malformed, "form {number}: {problem}");
    }
}

#[tokio::test]
async fn without_an_active_model_there_is_no_answer() {
    let service = service(&[]).await;
    drawn(&service, "ships", &[1, 1]).await;
    for query in ["", "?dataset=ships"] {
        let (status, problem) = send(&service, query, "image/png", png(&patchwork(0, 1))).await;
        assert_eq!((status, &problem["code"]), (503, &json!("no_active_model")));
        assert_eq!(problem["retryable"], true);
    }
}

#[tokio::test]
async fn swapping_models_under_traffic_drops_and_mixes_nothing() {
    let (service, models, _) = serving().await;
    let service = Arc::new(service);
    let photo = encoded(&patchwork(1, 77), ImageFormat::WebP);
    let mut own = HashMap::new();
    for model in &models {
        let (_, answer) =
            send(&service, &format!("?model={model}"), "image/webp", photo.clone()).await;
        own.insert(model.clone(), answer["probabilities"].clone());
    }
    assert_ne!(own[&models[0]], own[&models[1]]);
    let (own, swapping) = (Arc::new(own), Arc::new(AtomicUsize::new(1)));
    let client = |_| {
        let (service, own, photo) = (service.clone(), own.clone(), photo.clone());
        let swapping = swapping.clone();
        tokio::spawn(async move {
            let mut seen: HashMap<String, usize> = HashMap::new();
            while swapping.load(Ordering::Relaxed) > 0 {
                let (status, answer) = send(&service, "", "image/webp", photo.clone()).await;
                assert_eq!(status, 200, "{answer}");
                let model = answer["model_id"].as_str().unwrap().to_owned();
                assert_eq!(answer["probabilities"], own[&model]);
                *seen.entry(model).or_default() += 1;
            }
            seen
        })
    };
    let clients: Vec<_> = (0..4).map(client).collect();
    for round in 0..20 {
        let id = &models[(round + 1) % 2];
        let (status, _) = service.post(&format!("/models/{id}/activate"), &json!({})).await;
        assert_eq!(status, 200);
    }
    swapping.store(0, Ordering::Relaxed);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for client in clients {
        for (model, count) in client.await.unwrap() {
            *seen.entry(model).or_default() += count;
        }
    }
    assert_eq!(seen.len(), 2, "both models answered: {seen:?}");
}

#[tokio::test]
async fn another_process_serves_an_activation_soon_and_goes_on_without_the_database() {
    let (service, [active, other], _) = serving().await;
    let app = &service.app;
    let settings = Settings { running: 1, waiting: 8 };
    let elsewhere = Classifier::new(app.pool.clone(), app.blobs.clone(), settings).unwrap();
    let elsewhere = Arc::new(elsewhere);
    elsewhere.refresh().await.unwrap();
    let (fresh, until) = (elsewhere.clone(), app.shutdown.clone());
    tokio::spawn(async move { fresh.keep_fresh(until).await });
    let photo = png(&patchwork(0, 2));
    let model = async || {
        let answer = elsewhere.classify(photo.clone(), Target::Default, 1).await.unwrap();
        answer.model_id.to_string()
    };
    assert_eq!(model().await, active);
    service.post(&format!("/models/{other}/activate"), &json!({})).await;
    eventually("the other process serves it", Duration::from_secs(5), async || {
        model().await == other
    })
    .await;
    app.pool.close().await;
    let (status, answer) = send(&service, "", "image/png", photo.clone()).await;
    assert_eq!((status, &answer["model_id"]), (200, &json!(other)));
    assert_eq!(model().await, other);
    let (status, _) = service.get("/models").await;
    assert_eq!(status, 503);
}

#[tokio::test]
async fn photos_beyond_the_queue_are_refused_at_once_and_those_of_departed_clients_dropped() {
    let (service, ..) = serving().await;
    let app = &service.app;
    let settings = Settings { running: 1, waiting: 2 };
    let engine = Classifier::new(app.pool.clone(), app.blobs.clone(), settings).unwrap();
    engine.refresh().await.unwrap();
    let photo = png(&image::imageops::resize(
        &patchwork(0, 2),
        2000,
        2000,
        image::imageops::FilterType::Nearest,
    ));
    let ask = || engine.classify(photo.clone(), Target::Default, 1);
    let answers = futures::future::join_all((0..20).map(|_| ask())).await;
    let busy = answers.iter().filter(|a| matches!(a, Err(ClassifyError::Busy))).count();
    assert_eq!((busy, answers.iter().filter(|a| a.is_ok()).count()), (17, 3));

    // Two that wait are dropped with their clients, and their places are free again.
    let mut running = Box::pin(ask());
    let mut waiting = (Box::pin(ask()), Box::pin(ask()));
    assert!(futures::poll!(&mut running).is_pending());
    assert!(futures::poll!(&mut waiting.0).is_pending());
    assert!(futures::poll!(&mut waiting.1).is_pending());
    assert!(matches!(ask().await, Err(ClassifyError::Busy)));
    drop(waiting);
    let (first, second) = (running.await, ask().await);
    assert!(first.is_ok() && second.is_ok());
}
