//! Cleaning jobs with the tagger `zero_shot`: a small network of the real architecture over phrases of a dataset.

use std::time::Duration;

use serde_json::{Value, json};
use shipshape::db::{DatasetId, Sha256};
use shipshape::nn::rng::{Purpose, Stream};

use crate::support::kinds::{self, Kind};
use crate::support::service::{Service, service};
use crate::support::siglip;

const PATIENCE: Duration = Duration::from_mins(5);

/// The same numbers each time, different for each tensor.
fn weights() -> Vec<u8> {
    siglip::weights(|name, len| {
        let seed = name.bytes().fold(1, |seed: u64, byte| seed * 31 % 1_000_003 + u64::from(byte));
        let mut stream = Stream::new(seed, Purpose::Initial, 0, 0);
        (0..len).map(|_| stream.between(-1.0, 1.0)).collect()
    })
}

/// A class with a reference and three images, the last of which shows an ox, and a class without.
async fn collected(service: &Service) -> DatasetId {
    let id = kinds::collected(service, &[(Kind::Ship, 2), (Kind::Ship, 3), (Kind::Ox, 4)]).await;
    add_class(service, id, &json!({"name": "cargo ship", "phrases": ["a Zumwalt", "ferry"]})).await;
    id
}

async fn add_class(service: &Service, dataset: DatasetId, class: &Value) {
    let (status, answer) = service.post(&format!("/datasets/{dataset}/classes"), class).await;
    assert_eq!(status, 201, "{answer}");
}

fn asked(dataset: DatasetId) -> Value {
    let tags = json!({"tagger": "zero_shot", "k": 1});
    json!({"dataset_id": dataset, "checks": ["tags"], "tags": tags, "budget_usd": 0})
}

async fn begun(service: &Service, dataset: DatasetId) -> String {
    let (status, job) = service.post("/cleaning-jobs", &asked(dataset)).await;
    assert_eq!(status, 202, "{job}");
    format!("/cleaning-jobs/{}", job["id"].as_str().unwrap())
}

async fn calls(service: &Service, dataset: DatasetId) -> Value {
    let (status, estimate) = service.post("/cleaning-jobs/estimate", &asked(dataset)).await;
    assert_eq!(status, 200, "{estimate}");
    assert_eq!((&estimate["cost_usd"], &estimate["tagger_seconds"]), (&json!(0.0), &json!(0.0)));
    estimate["tagger_calls"].clone()
}

async fn version(service: &Service, job: &str) -> String {
    let (_, page) = service.get(&format!("{job}/verdicts?outcome=flagged")).await;
    let evidence = &page["items"][0]["evidence"];
    assert_eq!(evidence["tagger"], "zero_shot", "{page}");
    evidence["label_model_version"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_waits_for_its_network_and_other_phrases_are_other_labels() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&["--zero-shot-weights", folder.path().to_str().unwrap()]).await;
    let dataset = collected(&service).await;
    let worker = service.work();
    let job = begun(&service, dataset).await;
    let failed = service.ended(&job, PATIENCE).await;
    assert_eq!(failed["error"]["code"], "tagger_weights_missing", "{failed}");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("SHIPSHAPE_ZERO_SHOT_WEIGHTS"), "{message}");

    // What the job is about stays what it was when it began.
    add_class(&service, dataset, &json!({"name": "ox"})).await;
    let weights = weights();
    siglip::write(folder.path(), &weights);
    let (status, _) = service.post(&format!("{job}/retry"), &json!({})).await;
    assert_eq!(status, 202);
    let done = service.ended(&job, PATIENCE).await;
    assert_eq!(done["counts"], json!({"passed": 2, "flagged": 1, "unscannable": 0}), "{done}");
    assert_eq!((&done["cost_usd"], &done["tagger_calls"]), (&json!(0.0), &json!(4)));
    let first = version(&service, &job).await;
    assert!(
        first.starts_with("siglip ") && first.contains(&Sha256::of(&weights).to_string()[..12])
    );
    assert_eq!(calls(&service, dataset).await, 4, "nothing was asked about the new phrase");

    let second = begun(&service, dataset).await;
    let done = service.ended(&second, PATIENCE).await;
    assert_eq!((&done["status"], &done["tagger_calls"]), (&json!("succeeded"), &json!(4)));
    assert_ne!(version(&service, &second).await, first);

    // The labels are kept: the same once more looks at nothing, even without the network.
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(calls(&service, dataset).await, 0);
    let again = service.ended(&begun(&service, dataset).await, PATIENCE).await;
    assert_eq!((&again["counts"], &again["tagger_calls"]), (&done["counts"], &json!(0)));
    let (status, replayed) = service.post(&format!("{job}/replay"), &json!({})).await;
    assert_eq!(status, 200, "{replayed}");
    assert_eq!(replayed["counts"], json!({"passed": 2, "flagged": 1, "unscannable": 0}));
    worker.stop().await;
}
