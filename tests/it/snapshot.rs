//! Snapshots: what is frozen, what the split keeps together, and what cannot be split.

use std::collections::HashMap;

use image::ImageFormat;
use serde_json::{Value, json};
use shipshape::dataset;
use shipshape::db::DatasetId;

use crate::support::drawn::{PATIENCE, admit, drawn, encoded, frozen, patchwork, png};
use crate::support::service::{Service, service};

async fn images(service: &Service, snapshot: &Value, query: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    let id = snapshot["id"].as_str().unwrap();
    loop {
        let (status, page) =
            service.get(&format!("/snapshots/{id}/images?limit=7{query}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

async fn failure(service: &Service, dataset: DatasetId) -> Value {
    let path = format!("/datasets/{dataset}/snapshots");
    let (status, snapshot) = service.post(&path, &json!({})).await;
    assert_eq!(status, 202, "{snapshot}");
    let path = format!("/snapshots/{}", snapshot["id"].as_str().unwrap());
    let snapshot = service.ended(&path, PATIENCE).await;
    assert_eq!(snapshot["status"], "failed", "{snapshot}");
    snapshot
}

#[tokio::test]
async fn near_duplicates_stay_on_one_side_and_the_same_content_gives_the_same_split() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[12, 8]).await;
    for number in 0..6 {
        let copy = encoded(&patchwork(0, number), ImageFormat::WebP);
        admit(&service, dataset, 0, copy).await;
    }
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    assert_eq!(snapshot["classes"], json!(["class 0", "class 1"]));
    assert_eq!((&snapshot["leaks"], &snapshot["missing"]), (&json!(0), &json!(0)));
    let (train, test) = (&snapshot["counts"]["train"], &snapshot["counts"]["test"]);
    assert_eq!(train.as_i64().unwrap() + test.as_i64().unwrap(), 26);

    let all = images(&service, &snapshot, "").await;
    assert_eq!(all.len(), 26);
    let held_out = images(&service, &snapshot, "&split=test").await;
    assert_eq!(&json!(held_out.len()), test);
    let of_class = |class: &str| held_out.iter().filter(|image| image["class"] == class).count();
    assert!((4..=5).contains(&of_class("class 0")) && of_class("class 1") == 2);

    let pairs = sqlx::query_as::<_, (String, String)>(
        "select encode(a, 'hex'), encode(b, 'hex') from near_duplicates",
    );
    let pairs = pairs.fetch_all(&service.app.pool).await.unwrap();
    assert!(pairs.len() >= 6, "the copies were found: {}", pairs.len());
    let side: HashMap<&str, &Value> =
        all.iter().map(|image| (image["sha256"].as_str().unwrap(), &image["split"])).collect();
    assert!(pairs.iter().all(|(a, b)| side[a.as_str()] == side[b.as_str()]));

    let again = frozen(&service, dataset).await;
    assert_ne!(again["id"], snapshot["id"]);
    assert_eq!(images(&service, &again, "").await, all);
    worker.stop().await;
}

#[tokio::test]
async fn a_dataset_that_cannot_be_split_says_why_and_is_frozen_once_it_can() {
    let service = service(&[]).await;
    let worker = service.work();
    let dataset = drawn(&service, "ships", &[0, 0]).await;
    let path = format!("/datasets/{dataset}/snapshots");
    let (status, problem) = service.post(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("empty_dataset")));

    for number in 0..4 {
        admit(&service, dataset, 0, png(&patchwork(0, number))).await;
    }
    let (status, problem) = service.post(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("too_few_classes")));
    assert_eq!(problem["errors"][0]["field"], "classes");
    admit(&service, dataset, 1, png(&patchwork(1, 0))).await;
    let (status, problem) = service.post(&path, &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("class_too_small")));
    assert_eq!(problem["errors"][0]["field"], "classes[1]");
    // That two are one is seen when they are frozen.
    admit(&service, dataset, 1, encoded(&patchwork(1, 0), ImageFormat::WebP)).await;
    let failed = failure(&service, dataset).await;
    assert_eq!(failed["error"]["code"], "class_too_small");

    let path = format!("/snapshots/{}", failed["id"].as_str().unwrap());
    let (status, problem) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_finished")));
    admit(&service, dataset, 1, png(&patchwork(1, 1))).await;
    let (status, queued) = service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status, 202, "{queued}");
    let snapshot = service.ended(&path, PATIENCE).await;
    assert_eq!((&snapshot["status"], &snapshot["error"]), (&json!("succeeded"), &Value::Null));
    let (status, problem) = service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_not_retryable")));
    worker.stop().await;
}

#[tokio::test]
async fn a_deleted_image_is_missing_and_nothing_new_is_trained_on_the_rest() {
    let service = service(&[]).await;
    let worker = service.work();
    let dataset = drawn(&service, "ships", &[4, 4]).await;
    let extra = admit(&service, dataset, 0, png(&patchwork(0, 99))).await;
    let snapshot = frozen(&service, dataset).await;
    dataset::delete_image(&service.app.pool, extra).await.unwrap();
    let (_, shown) = service.get(&format!("/snapshots/{}", snapshot["id"].as_str().unwrap())).await;
    assert_eq!((&shown["missing"], &shown["counts"]), (&json!(1), &snapshot["counts"]));
    assert_eq!(images(&service, &snapshot, "").await.len(), 9);
    let (status, problem) =
        service.post("/training-runs", &json!({"snapshot_id": snapshot["id"]})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("snapshot_incomplete")));
    worker.stop().await;
}

#[tokio::test]
async fn fractions_and_seeds_outside_their_range_are_refused() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[2, 2]).await;
    let path = format!("/datasets/{dataset}/snapshots");
    for body in [
        json!({"test_fraction": 0.01}),
        json!({"test_fraction": 0.51}),
        json!({"seed": -1}),
        json!({"seed": 1.5}),
        json!({"share": 0.2}),
    ] {
        let (status, problem) = service.post(&path, &body).await;
        assert_eq!(status, 422, "{body}: {problem}");
    }
    let unknown = "/datasets/0190aaaa-0000-7000-8000-000000000000/snapshots";
    assert_eq!(service.post(unknown, &json!({})).await.0, 404);
    let (_, page) = service.get("/snapshots").await;
    assert_eq!(page["items"], json!([]));
}
