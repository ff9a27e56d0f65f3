//! Cleaning jobs with the tagger `local`: weights of the real architecture, made here, over the real names.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use shipshape::db::{DatasetId, Sha256};
use shipshape::nn::backbone::{self, FEATURES, SIZE};
use shipshape::picture::crop;

use crate::support::backbone::{Row, classifying, hub, weights};
use crate::support::kinds::{Kind, collected, drawing};
use crate::support::service::{Service, service};

/// A picture takes the network seconds where it was built without optimisation.
const PATIENCE: Duration = Duration::from_mins(5);
/// `ImageNet`'s numbers of the container ship and the ox.
const SHIP: usize = 510;
const OX: usize = 345;

/// Weights whose classifier tells a ship from an ox by the nearer of two features.
fn telling_weights() -> &'static [u8] {
    static WEIGHTS: OnceLock<Vec<u8>> = OnceLock::new();
    WEIGHTS.get_or_init(make_weights)
}

fn make_weights() -> Vec<u8> {
    let network = backbone::read(&weights(1)).unwrap();
    let features = |kind| {
        let crop = crop::centre(&drawing(kind, 0), 256, SIZE as u32);
        network.features(SIZE, 1, |_, input| {
            for (value, level) in input.iter_mut().zip(&crop) {
                *value = f32::from(*level) / 255.0;
            }
        })
    };
    let (ship, ox) = (features(Kind::Ship), features(Kind::Ox));
    let apart: f32 = ship.iter().zip(&ox).map(|(a, b)| (a - b) * (a - b)).sum();
    // Logits of ±20 at the two features, and 0 in the middle, as all other classes have.
    let weights: Vec<f32> = ship.iter().zip(&ox).map(|(a, b)| (a - b) * 40.0 / apart).collect();
    assert_eq!(weights.len(), FEATURES);
    let middle: f32 = ship.iter().zip(&ox).zip(&weights).map(|((a, b), w)| (a + b) / 2.0 * w).sum();
    let opposite = weights.iter().map(|weight| -weight).collect();
    classifying(
        1,
        &[
            Row { class: SHIP, weights, bias: -middle },
            Row { class: OX, weights: opposite, bias: middle },
        ],
    )
}

async fn begun(service: &Service, dataset: DatasetId) -> String {
    let tags = json!({"tagger": "local", "k": 4});
    let job = json!({"dataset_id": dataset, "checks": ["tags"], "tags": tags, "budget_usd": 0});
    let (status, job) = service.post("/cleaning-jobs", &job).await;
    assert_eq!(status, 202, "{job}");
    format!("/cleaning-jobs/{}", job["id"].as_str().unwrap())
}

async fn verdicts(service: &Service, path: &str, query: &str) -> Vec<Value> {
    let (_, page) = service.get(&format!("{path}/verdicts?limit=200{query}")).await;
    page["items"].as_array().unwrap().clone()
}

fn names(labels: &Value) -> Vec<&str> {
    labels.as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_job_waits_for_weights_and_then_flags_what_is_no_ship() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let service = service(&["--tagger-weights", path.to_str().unwrap()]).await;
    let images = [(Kind::Ship, 2), (Kind::Ship, 3), (Kind::Ox, 4)];
    let dataset = collected(&service, &images).await;
    let worker = service.work();
    let job = begun(&service, dataset).await;
    let failed = service.ended(&job, PATIENCE).await;
    assert_eq!(failed["error"]["code"], "tagger_weights_missing", "{failed}");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("SHIPSHAPE_TAGGER_WEIGHTS"), "{message}");
    assert_eq!(verdicts(&service, &job, "").await.len(), 0, "one error, not one per picture");

    let weights = telling_weights();
    let sha256 = Sha256::of(weights).to_string();
    std::fs::write(&path, weights).unwrap();
    let (status, _) = service.post(&format!("{job}/retry"), &json!({})).await;
    assert_eq!(status, 202);
    let done = service.ended(&job, PATIENCE).await;
    assert_eq!(done["counts"], json!({"passed": 2, "flagged": 1, "unscannable": 0}), "{done}");
    assert_eq!((&done["cost_usd"], &done["tagger_calls"]), (&json!(0.0), &json!(4)));
    let flagged = &verdicts(&service, &job, "&outcome=flagged").await[0];
    let evidence = &flagged["evidence"];
    assert_eq!(evidence["tagger"], "local");
    let version = evidence["label_model_version"].as_str().unwrap();
    assert!(version.contains(&sha256[..12]) && version.contains("mobilenetv4"), "{version}");
    let seen = names(&evidence["labels"]);
    assert!(["Ox", "Bovid", "Mammal", "Animal"].iter().all(|name| seen.contains(name)), "{seen:?}");
    let wanted = names(&evidence["references"][0]["top"]);
    assert_eq!(wanted, ["Container Ship", "Cargo Ship", "Ship", "Vessel"]);

    // The labels are kept: the same once more looks at nothing, even without weights.
    std::fs::remove_file(&path).unwrap();
    let again = service.ended(&begun(&service, dataset).await, PATIENCE).await;
    assert_eq!((&again["counts"], &again["tagger_calls"]), (&done["counts"], &json!(0)));
    worker.stop().await;
}

#[tokio::test]
async fn weights_come_from_the_hub_once() {
    let bytes = telling_weights();
    let sha256 = Sha256::of(bytes).to_string();
    let endpoint = hub(bytes.to_vec()).await;
    let hub = ["--hf-endpoint", &endpoint, "--backbone-repository", "me/net"];
    let pinned = ["--backbone-revision", "abc", "--backbone-sha256", &sha256];
    let service = service(&[hub, pinned].concat()).await;
    let cache = service.app.config.data_dir().unwrap().join("backbones");
    let dataset = collected(&service, &[(Kind::Ox, 5)]).await;
    let worker = service.work();
    assert!(!Path::new(&cache).exists(), "nothing is downloaded at the start");
    let done = service.ended(&begun(&service, dataset).await, PATIENCE).await;
    assert_eq!((&done["status"], &done["counts"]["flagged"]), (&json!("succeeded"), &json!(1)));
    assert!(cache.join(format!("{sha256}.safetensors")).exists());
    worker.stop().await;
}

#[tokio::test]
async fn without_usable_weights_a_job_fails_with_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.safetensors");
    std::fs::write(&broken, b"PK\x03\x04").unwrap();
    let cases = [
        (vec!["--hf-endpoint", ""], "tagger_weights_missing"),
        // Nobody listens on the first port.
        (vec!["--hf-endpoint", "http://127.0.0.1:1"], "tagger_weights_missing"),
        (vec!["--tagger-weights", broken.to_str().unwrap()], "tagger_weights_invalid"),
    ];
    for (flags, code) in cases {
        let service = service(&flags).await;
        let dataset = collected(&service, &[(Kind::Ship, 2)]).await;
        let worker = service.work();
        let job = service.ended(&begun(&service, dataset).await, PATIENCE).await;
        assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!(code)));
        assert!(job["error"]["message"].as_str().unwrap().contains("SHIPSHAPE_TAGGER_WEIGHTS"));
        worker.stop().await;
    }
}
