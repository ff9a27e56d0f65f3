//! Training over a pretrained network: from the weights file to the answer.

use std::path::Path;

use serde_json::{Value, json};
use shipshape::db::Sha256;

use crate::support::backbone;
use crate::support::drawn::{PATIENCE, activated, drawn, frozen, patchwork, png};
use crate::support::eventually;
use crate::support::service::{Service, service};

/// A service whose weights are drawn from `seed`, in a folder that must outlive it.
async fn with_weights(seed: u64) -> (Service, tempfile::TempDir, Sha256) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let sha256 = backbone::write(&path, seed);
    let service = service(&["--backbone-weights", path.to_str().unwrap()]).await;
    (service, folder, sha256)
}

/// Begins a run over the pretrained network and returns its path.
async fn begun(service: &Service, snapshot: &Value, epochs: u32) -> String {
    let recipe = json!({
        "preset": "mobilenet_v4_small", "image_size": 32, "epochs": epochs, "batch_size": 8,
        "learning_rate": 0.003,
    });
    let run = json!({"snapshot_id": snapshot["id"], "seed": 1, "recipe": recipe});
    let (status, run) = service.post("/training-runs", &run).await;
    assert_eq!(status, 202, "{run}");
    format!("/training-runs/{}", run["id"].as_str().unwrap())
}

async fn trained(service: &Service, snapshot: &Value, epochs: u32) -> Value {
    let path = begun(service, snapshot, epochs).await;
    let run = service.ended(&path, PATIENCE).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    run
}

async fn model(service: &Service, run: &Value) -> Value {
    service.get(&format!("/models/{}", run["model_id"].as_str().unwrap())).await.1
}

/// The answer for a picture of the dataset.
async fn answer(service: &Service, class: usize, number: u64) -> Value {
    let request = reqwest::Client::new().post(service.url("/classify"));
    let photo = png(&patchwork(class, number));
    let response = request.header("content-type", "image/png").body(photo).send().await.unwrap();
    let mut answer: Value = response.json().await.unwrap();
    answer["timings_ms"].take();
    answer
}

#[tokio::test]
async fn layers_over_a_pretrained_network_are_trained_served_and_the_same_each_time() {
    let (service, folder, sha256) = with_weights(1).await;
    let dataset = drawn(&service, "ships", &[16, 16]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let run = trained(&service, &snapshot, 60).await;
    assert_eq!(run["progress"], json!({"done": 24 * 60 + 32, "total": 24 * 60 + 32}));
    let path = format!("/training-runs/{}", run["id"].as_str().unwrap());
    for part in ["confusion", "report", "epochs", "curve.svg", "pictures/reliability.svg"] {
        assert_eq!(service.get(&format!("{path}/{part}")).await.0, 200, "{part}");
    }
    let first = model(&service, &run).await;
    assert_eq!(first["backbone_sha256"], json!(sha256.to_string()));
    worker.stop().await;

    // Another worker has no features of the first run in its memory.
    let worker = service.work();
    let again = trained(&service, &snapshot, 60).await;
    assert_eq!(model(&service, &again).await["sha256"], first["sha256"]);
    activated(&service, &run).await;
    let (_, predictions) = service.get(&format!("{path}/predictions?limit=200")).await;
    let photo = Sha256::of(&png(&patchwork(1, 3))).to_string();
    let items = predictions["items"].as_array().unwrap();
    let expected = items.iter().find(|item| item["sha256"] == json!(photo)).unwrap();
    let answered = answer(&service, 1, 3).await;
    assert_eq!(answered["class"], expected["predicted"]);
    assert_eq!(answered["probability"], expected["probability"]);

    // The model has its own weights: other ones change what is trained from now on, and nothing else.
    let path = folder.path().join("model.safetensors");
    let other = backbone::write(&path, 2);
    let changed = model(&service, &trained(&service, &snapshot, 60).await).await;
    assert_eq!(changed["backbone_sha256"], json!(other.to_string()));
    assert_ne!(changed["sha256"], first["sha256"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(service.post(&activation(&run), &json!({})).await.0, 200);
    assert_eq!(answer(&service, 1, 3).await, answered);
    worker.stop().await;
}

fn activation(run: &Value) -> String {
    format!("/models/{}/activate", run["model_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_run_that_goes_on_over_other_weights_starts_over() {
    let (service, folder, _) = with_weights(1).await;
    let dataset = drawn(&service, "ships", &[8, 8]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let path = begun(&service, &snapshot, 10_000).await;
    let first_loss = async || -> Option<f64> {
        let (_, curve) = service.get(&format!("{path}/epochs")).await;
        curve["items"][0]["train_loss"].as_f64()
    };
    eventually("an epoch", PATIENCE, async || first_loss().await.is_some()).await;
    service.post(&format!("{path}/cancel"), &json!({})).await;
    let before = first_loss().await;
    backbone::write(&folder.path().join("model.safetensors"), 2);
    assert_eq!(service.post(&format!("{path}/retry"), &json!({})).await.0, 202);
    eventually("another first epoch", PATIENCE, async || {
        let loss = first_loss().await;
        loss.is_some() && loss != before
    })
    .await;
    service.post(&format!("{path}/cancel"), &json!({})).await;
    worker.stop().await;
}

#[tokio::test]
async fn without_weights_a_run_is_refused_or_fails_with_the_reason() {
    let off = service(&["--hf-endpoint", ""]).await;
    let dataset = drawn(&off, "ships", &[8, 8]).await;
    let worker = off.work();
    let snapshot = frozen(&off, dataset).await;
    let run = json!({"snapshot_id": snapshot["id"], "recipe": {"preset": "mobilenet_v4_small"}});
    let (status, problem) = off.post("/training-runs", &run).await;
    assert_eq!((status, &problem["code"]), (422, &json!("pretrained_weights_not_configured")));
    assert!(problem["detail"].as_str().unwrap().contains("SHIPSHAPE_BACKBONE_WEIGHTS"));
    worker.stop().await;

    // Nobody listens on the first port.
    let unreachable = service(&["--hf-endpoint", "http://127.0.0.1:1"]).await;
    let folder = tempfile::tempdir().unwrap();
    let missing = service(&["--backbone-weights", "/nowhere/model.safetensors"]).await;
    let broken = folder.path().join("broken.safetensors");
    std::fs::write(&broken, b"PK\x03\x04").unwrap();
    let broken = service(&["--backbone-weights", broken.to_str().unwrap()]).await;
    for (service, code) in [
        (unreachable, "pretrained_weights_unavailable"),
        (missing, "pretrained_weights_unavailable"),
        (broken, "pretrained_weights_invalid"),
    ] {
        let dataset = drawn(&service, "ships", &[8, 8]).await;
        let worker = service.work();
        let snapshot = frozen(&service, dataset).await;
        let path = begun(&service, &snapshot, 2).await;
        let run = service.ended(&path, PATIENCE).await;
        assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!(code)));
        let message = run["error"]["message"].as_str().unwrap();
        assert!(message.contains("HF_ENDPOINT"), "{message}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn weights_are_downloaded_once_when_the_first_run_needs_them() {
    let bytes = backbone::weights(3);
    let sha256 = Sha256::of(&bytes).to_string();
    let endpoint = backbone::hub(bytes).await;
    let hub = ["--hf-endpoint", &endpoint, "--backbone-repository", "me/net"];
    let pinned = ["--backbone-revision", "abc", "--backbone-sha256", &sha256];
    let service = service(&[hub, pinned].concat()).await;
    let dataset = drawn(&service, "ships", &[8, 8]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let cache = service.app.config.data_dir().unwrap().join("backbones");
    assert!(!Path::new(&cache).exists(), "nothing is downloaded at the start");
    for _ in 0..2 {
        let run = trained(&service, &snapshot, 2).await;
        assert_eq!(model(&service, &run).await["backbone_sha256"], json!(sha256));
    }
    worker.stop().await;
}
