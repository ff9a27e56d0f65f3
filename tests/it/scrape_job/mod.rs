//! Scrape jobs from the request to the last outcome: the real API and real workers against a loopback web.

mod ends;
mod flow;
mod pace;
mod requests;
mod web;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::origin::Origin;
use crate::support::service::{Service, service};

/// Longest time that a small job may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A service that reaches `origin` at any rate and takes it for Bing, with a dataset of one class: its id.
async fn against(origin: &Origin) -> (Service, String) {
    let (host, base) = (origin.address.to_string(), origin.url(""));
    let polite = ["--host-rate", "100000", "--host-concurrency", "16"];
    let flags = [&["--allow-hosts", &host, "--bing-url", &base][..], &polite].concat();
    let service = service(&flags).await;
    let new = json!({"name": "ships", "classes": [{"name": "cruiser"}]});
    let (status, dataset) = service.post("/datasets", &new).await;
    assert_eq!(status, 201, "{dataset}");
    let id = dataset["id"].as_str().unwrap().to_owned();
    (service, id)
}

fn urls_job(dataset: &str, urls: &[String], limit: usize) -> Value {
    json!({"dataset_id": dataset, "class": "cruiser", "source": "urls", "urls": urls, "limit": limit})
}

fn bing_job(dataset: &str, limit: usize) -> Value {
    json!({
        "dataset_id": dataset, "class": "cruiser", "source": "bing", "phrase": "cruiser at sea",
        "limit": limit,
    })
}

/// Creates the job and returns its path.
async fn create(service: &Service, job: &Value) -> String {
    let (status, job) = service.post("/scrape-jobs", job).await;
    assert_eq!((status, &job["status"]), (202, &json!("queued")), "{job}");
    format!("/scrape-jobs/{}", job["id"].as_str().unwrap())
}

async fn accepted(service: &Service, dataset: &str) -> usize {
    let (_, dataset) = service.get(&format!("/datasets/{dataset}")).await;
    dataset["classes"][0]["counts"]["accepted"].as_u64().unwrap() as usize
}

fn outcome(job: &Value, name: &str) -> u64 {
    job["outcomes"][name].as_u64().unwrap_or_default()
}

fn outcomes(job: &Value) -> u64 {
    job["outcomes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
}

/// As many originals and thumbnails as there are images, and nothing half-written.
async fn assert_stored(service: &Service, dataset: &str, images: usize) {
    assert_eq!(accepted(service, dataset).await, images);
    assert_eq!(service.files(&format!("datasets/{dataset}/images")).len(), images);
    assert_eq!(service.files("thumbnails").len(), images);
}
