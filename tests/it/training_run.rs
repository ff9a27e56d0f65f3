//! Training runs: what a run leaves behind, what it refuses, and what survives a stop.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::drawn::{PATIENCE, begun, drawn, frozen, tiny_recipe, trained};
use crate::support::service::{Service, service};

async fn ready() -> (Service, Value) {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[16, 16]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    worker.stop().await;
    (service, snapshot)
}

async fn digest(service: &Service, run: &Value) -> Value {
    let path = format!("/models/{}", run["model_id"].as_str().unwrap());
    service.get(&path).await.1["sha256"].clone()
}

async fn reached(service: &Service, path: &str, epoch: i64) {
    let begun = std::time::Instant::now();
    while service.get(path).await.1["epoch"].as_i64().unwrap() < epoch {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_run_leaves_its_curve_its_predictions_and_a_model() {
    let (service, snapshot) = ready().await;
    let path = begun(&service, &snapshot, 1, 2).await;
    let (_, svg) = service.get(&format!("{path}/curve.svg")).await;
    assert!(svg.as_str().unwrap().starts_with("<svg"), "drawn before the first epoch too");
    let (status, problem) = service.get(&format!("{path}/confusion")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("training_run_not_finished")));
    let worker = service.work();
    let run = service.ended(&path, PATIENCE).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(run["progress"], json!({"done": 48, "total": 48}));
    let accuracy = |name: &str| run[name].as_f64().unwrap();
    let gap = accuracy("train_accuracy") - accuracy("test_accuracy");
    assert!((gap - accuracy("gap")).abs() < 1e-9);

    let (_, curve) = service.get(&format!("{path}/epochs")).await;
    let epochs = curve["items"].as_array().unwrap();
    assert_eq!([&epochs[0]["epoch"], &epochs[1]["epoch"]], [&json!(1), &json!(2)]);
    assert_eq!(epochs[1]["test_accuracy"], run["test_accuracy"]);
    let (_, confusion) = service.get(&format!("{path}/confusion")).await;
    let cells: Vec<i64> =
        serde_json::from_value::<Vec<Vec<i64>>>(confusion["matrix"].clone()).unwrap().concat();
    assert_eq!(cells.iter().sum::<i64>(), 8);
    assert!((accuracy("test_accuracy") * 8.0 - (cells[0] + cells[3]) as f64).abs() < 1e-9);
    let cell = "split=test&class=class%200&predicted=class%201";
    let (_, shown) = service.get(&format!("{path}/predictions?{cell}")).await;
    assert_eq!(shown["items"].as_array().unwrap().len() as i64, cells[1]);
    let (_, all) = service.get(&format!("{path}/predictions?limit=200")).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 32);

    assert!(service.files("checkpoints").is_empty(), "checkpoints go when the run is over");
    let (status, problem) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_finished")));
    worker.stop().await;
}

#[tokio::test]
async fn a_share_of_the_training_pictures_is_half_of_each_class() {
    let (service, snapshot) = ready().await;
    let mut recipe = tiny_recipe(2);
    recipe["train_fraction"] = json!(0.5);
    let new = json!({"snapshot_id": snapshot["id"], "seed": 1, "recipe": recipe});
    let (status, run) = service.post("/training-runs", &new).await;
    assert_eq!(status, 202, "{run}");
    let path = format!("/training-runs/{}", run["id"].as_str().unwrap());
    let worker = service.work();
    let run = service.ended(&path, PATIENCE).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(run["progress"], json!({"done": 24, "total": 24}));
    for class in ["class%200", "class%201"] {
        for (split, pictures) in [("train", 6), ("test", 4)] {
            let query = format!("limit=200&split={split}&class={class}");
            let (_, shown) = service.get(&format!("{path}/predictions?{query}")).await;
            assert_eq!(shown["items"].as_array().unwrap().len(), pictures, "{class} {split}");
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_with_its_worker_ends_in_the_same_model() {
    let (service, snapshot) = ready().await;
    let worker = service.work();
    let first = begun(&service, &snapshot, 7, 40).await;
    let undisturbed = service.ended(&first, PATIENCE).await;
    let other = trained(&service, &snapshot, 8).await;

    let path = begun(&service, &snapshot, 7, 40).await;
    reached(&service, &path, 1).await;
    worker.stop().await;
    let (_, between) = service.get(&path).await;
    assert!(between["epoch"].as_i64().unwrap() < 40, "it ended before it could be stopped");
    let worker = service.work();
    let resumed = service.ended(&path, PATIENCE).await;
    assert_eq!(resumed["status"], "succeeded", "{between} {resumed}");
    assert_eq!(resumed["test_accuracy"], undisturbed["test_accuracy"]);
    assert_eq!(digest(&service, &resumed).await, digest(&service, &undisturbed).await);
    assert_ne!(digest(&service, &resumed).await, digest(&service, &other).await);
    let (_, curve) = service.get(&format!("{path}/epochs")).await;
    assert_eq!(curve["items"].as_array().unwrap().len(), 40);
    worker.stop().await;
}

#[tokio::test]
async fn a_cancelled_run_stops_at_once_keeps_its_curve_and_goes_on_when_asked() {
    let (service, snapshot) = ready().await;
    let worker = service.work();
    let path = begun(&service, &snapshot, 1, 10_000).await;
    reached(&service, &path, 2).await;
    let (status, cancelled) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
    let epoch = cancelled["epoch"].as_i64().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_, later) = service.get(&path).await;
    assert_eq!(later, cancelled, "nothing is written after a cancel");
    assert_eq!(service.post(&format!("{path}/cancel"), &json!({})).await.0, 200);
    assert_eq!(service.post(&format!("{path}/retry"), &json!({})).await.0, 202);
    reached(&service, &path, epoch + 1).await;
    let (_, curve) = service.get(&format!("{path}/epochs")).await;
    let epochs: Vec<i64> = curve["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["epoch"].as_i64().unwrap())
        .collect();
    assert!(epochs.iter().copied().eq(1..=epochs.len() as i64), "{epochs:?}");
    service.post(&format!("{path}/cancel"), &json!({})).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_lost_checkpoint_costs_the_epochs_and_not_the_run() {
    let (service, snapshot) = ready().await;
    let worker = service.work();
    let undisturbed = trained(&service, &snapshot, 3).await;
    let path = begun(&service, &snapshot, 3, 2).await;
    reached(&service, &path, 1).await;
    service.post(&format!("{path}/cancel"), &json!({})).await;
    for file in service.files("checkpoints") {
        std::fs::write(file, b"not what was written").unwrap();
    }
    let (status, _) = service.post(&format!("{path}/retry"), &json!({})).await;
    // The run may have ended before the cancel reached it.
    assert!(matches!(status, 202 | 409));
    let run = service.ended(&path, PATIENCE).await;
    assert_eq!(digest(&service, &run).await, digest(&service, &undisturbed).await);
    worker.stop().await;
}

#[tokio::test]
async fn recipes_that_break_a_rule_are_refused_by_field() {
    let (service, snapshot) = ready().await;
    let refused = |change: Value| {
        let mut recipe = tiny_recipe(2);
        for (field, value) in change.as_object().unwrap() {
            recipe[field] = value.clone();
        }
        let run = json!({"snapshot_id": snapshot["id"], "recipe": recipe});
        let service = &service;
        async move { service.post("/training-runs", &run).await }
    };
    for (change, field) in [
        (json!({"epochs": 0}), "recipe.epochs"),
        (json!({"conv": []}), "recipe.conv"),
        (json!({"conv": [32, 64, 128], "image_size": 8}), "recipe.image_size"),
        (json!({"conv": [4, 4, 4, 4, 4]}), "recipe.image_size"),
        (json!({"dropout": [1.0]}), "recipe.dropout[0]"),
        (json!({"learning_rate": 1e300}), "recipe.learning_rate"),
        (json!({"batch_size": 1e9}), "recipe.batch_size"),
        (json!({"augment": {"zoom": 2}}), "recipe.augment.zoom"),
        (json!({"optimizer": "ftrl"}), "recipe.optimizer"),
        (json!({"optimizer": {"kind": "sgd", "momentum": 1}}), "recipe.optimizer.momentum"),
        (json!({"schedule": {"kind": "cosine", "every": "day"}}), "recipe.schedule.every"),
        (
            json!({"schedule": {"kind": "cosine", "warmup_epochs": 2}}),
            "recipe.schedule.warmup_epochs",
        ),
        (json!({"class_weights": [1, 1, 1, 1, 1]}), "recipe.class_weights"),
        (json!({"kernel": 4}), "recipe.kernel[0]"),
        (json!({"preset": "future"}), "recipe.preset"),
    ] {
        let (status, problem) = refused(change).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    let (_, recipes) = service.get("/recipes").await;
    assert_eq!(recipes["items"].as_array().unwrap().len(), 6);

    let dataset = snapshot["dataset_id"].as_str().unwrap();
    let (_, waiting) = service.post(&format!("/datasets/{dataset}/snapshots"), &json!({})).await;
    let (status, problem) =
        service.post("/training-runs", &json!({"snapshot_id": waiting["id"]})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("snapshot_not_ready")));
    let unknown = json!({"snapshot_id": "0190aaaa-0000-7000-8000-000000000000"});
    assert_eq!(service.post("/training-runs", &unknown).await.0, 422);
}
