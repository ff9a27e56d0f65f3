//! What the machine that watches the service sees, and what clients see while something is away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::drawn::{admit, drawn, patchwork, png};
use crate::support::s3::{self, Fault, S3StandIn};
use crate::support::service::{Service, service, service_on};

async fn assert_away(service: &Service, path: &str, code: &str) {
    let response = reqwest::get(service.url(path)).await.unwrap();
    assert_eq!(response.status(), 503, "{path}");
    assert!(response.headers().contains_key("retry-after"), "{path}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["retryable"]), (&json!(code), &json!(true)), "{path}");
}

#[tokio::test]
async fn a_service_is_alive_ready_and_measured() {
    let service = service(&[]).await;
    assert_eq!(service.get("/livez").await, (200, json!("ok")));
    assert_eq!(service.get("/readyz").await, (200, json!("ok")));
    assert_eq!(service.get("/metrics").await.0, 200);
}

#[tokio::test]
async fn without_its_database_a_service_is_alive_and_not_ready() {
    let service = service(&[]).await;
    service.app.pool.close().await;
    assert_eq!(service.get("/livez").await.0, 200);
    for path in ["/readyz", "/datasets", "/images", "/training-runs?sort=gap"] {
        assert_away(&service, path, "database_unavailable").await;
    }
}

#[tokio::test]
async fn while_its_bytes_are_away_an_image_is_503_and_its_row_is_shown() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[0]).await;
    let image = admit(&service, dataset, 0, png(&patchwork(0, 0))).await;
    let folder = service.app.config.data_dir().unwrap().join("blobs");
    let aside = folder.with_file_name("aside");
    std::fs::rename(&folder, &aside).unwrap();
    assert_eq!(service.get(&format!("/images/{image}")).await.0, 200);
    for path in [format!("/images/{image}/file"), format!("/images/{image}/thumbnail")] {
        assert_away(&service, &path, "blob_store_unavailable").await;
    }
    assert!(!folder.exists(), "nothing is written below where the store was");
    std::fs::rename(&aside, &folder).unwrap();
    assert_eq!(service.get(&format!("/images/{image}/file")).await.0, 200);
}

#[tokio::test]
async fn while_the_bucket_fails_an_image_is_503() {
    let bucket = S3StandIn::start().await;
    let blobs = s3::open(&bucket.endpoint, "health", Duration::from_secs(5)).await;
    let service = service_on(&[], Some(blobs)).await;
    let dataset = drawn(&service, "ships", &[0]).await;
    let image = admit(&service, dataset, 0, png(&patchwork(0, 0))).await;
    bucket.fail("get", &[Fault::Internal; 50]);
    assert_away(&service, &format!("/images/{image}/file"), "blob_store_unavailable").await;
}
