//! Training again on what a dataset has become, and what changed.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::drawn::{PATIENCE, admit, drawn, frozen, patchwork, png, trained};
use crate::support::service::{Service, service};

/// The side and the class of each picture of a snapshot.
async fn members(service: &Service, snapshot: &Value) -> HashMap<String, (Value, Value)> {
    let path = format!("/snapshots/{}/images?limit=200", snapshot.as_str().unwrap());
    let (_, page) = service.get(&path).await;
    let member = |image: &Value| {
        let sha256 = image["sha256"].as_str().unwrap().to_owned();
        (sha256, (image["split"].clone(), image["class"].clone()))
    };
    page["items"].as_array().unwrap().iter().map(member).collect()
}

async fn review(service: &Service, images: &[&Value], decision: Value) {
    let ids: Vec<&Value> = images.iter().map(|image| &image["id"]).collect();
    let mut body = decision;
    body["image_ids"] = json!(ids);
    let (status, answer) = service.post("/reviews", &body).await;
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn one_call_trains_again_on_the_cleaned_set_and_shows_what_changed() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[20, 20]).await;
    let worker = service.work();
    let first = trained(&service, &frozen(&service, dataset).await, 3).await;
    worker.stop().await;
    let path = format!("/training-runs/{}", first["id"].as_str().unwrap());
    let (status, problem) = service.get(&format!("{path}/changes")).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("with")), "{problem}");

    // Of each class one held-out picture and one to train on leave, one changes class, two are new.
    let before = members(&service, &first["snapshot_id"]).await;
    let (_, page) = service.get(&format!("/images?dataset_id={dataset}&limit=200")).await;
    let images = page["items"].as_array().unwrap();
    let on = |side: &str, class: &str| {
        let wanted = (json!(side), json!(class));
        let here = |image: &&Value| before[image["sha256"].as_str().unwrap()] == wanted;
        images.iter().filter(here).collect::<Vec<_>>()
    };
    let leave: Vec<&Value> = ["class 0", "class 1"]
        .iter()
        .flat_map(|class| [on("test", class)[0], on("train", class)[0]])
        .collect();
    review(&service, &leave, json!({"decision": "reject"})).await;
    let moved = on("test", "class 0")[1];
    review(&service, &[moved], json!({"decision": "reclass", "class": "class 1"})).await;
    for number in [90, 91] {
        admit(&service, dataset, 0, png(&patchwork(0, number))).await;
    }

    let (status, run) = service.post(&format!("{path}/retrain"), &json!({})).await;
    assert_eq!((status, &run["status"]), (202, &json!("queued")), "{run}");
    for field in ["recipe", "seed", "dataset_id"] {
        assert_eq!(run[field], first[field]);
    }
    assert_eq!((&run["baseline_id"], &run["progress"]["total"]), (&first["id"], &json!(0)));
    let later = format!("/training-runs/{}", run["id"].as_str().unwrap());
    let (status, problem) = service.get(&format!("{later}/changes")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("training_run_not_finished")));

    let worker = service.work();
    let run = service.ended(&later, PATIENCE).await;
    worker.stop().await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let after = members(&service, &run["snapshot_id"]).await;
    let trained_on = after.values().filter(|(side, _)| side == "train").count();
    assert_eq!(run["progress"]["total"], json!(trained_on * 2));
    assert_eq!(after.len(), 38);
    assert!(
        before.iter().all(|(picture, (side, _))| {
            after.get(picture).is_none_or(|(later, _)| later == side)
        })
    );

    let (status, changes) = service.get(&format!("{later}/changes")).await;
    assert_eq!(status, 200, "{changes}");
    let pictures = &changes["pictures"];
    let counts = ["kept", "moved", "added", "removed"].map(|name| pictures[name].clone());
    assert_eq!(counts, [35, 1, 2, 4].map(|count| json!(count)), "{changes}");
    let rejected = json!([{"state": "rejected", "checks": [], "pictures": 4}]);
    assert_eq!(pictures["reasons"], rejected);
    let classes = json!([
        {"class": "class 0", "before": 20, "after": 19}, {"class": "class 1", "before": 20, "after": 19},
    ]);
    assert_eq!(pictures["classes"], classes);
    let test = &changes["test"];
    let common = before.iter().filter(|(picture, (side, _))| {
        side == "test" && after.get(*picture).is_some_and(|(side, _)| side == "test")
    });
    let common: Vec<&String> = common.map(|(picture, _)| picture).collect();
    assert_eq!(test["pictures"], json!(common.len()));
    // The accuracies are those of the two models on these pictures, by the class that they have now.
    for (path, shown) in [(&path, &test["before"]), (&later, &test["after"])] {
        let (_, page) = service.get(&format!("{path}/predictions?split=test&limit=200")).await;
        let right = |of: &&Value| {
            let sha256 = of["sha256"].as_str().unwrap();
            common.iter().any(|picture| *picture == sha256) && after[sha256].1 == of["predicted"]
        };
        let right = page["items"].as_array().unwrap().iter().filter(right).count();
        let accuracy = right as f64 / common.len() as f64;
        assert!((shown["estimate"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{changes}");
    }
    let number = |name: &str| test[name].as_f64().unwrap();
    let difference = test["difference"]["interval"]["estimate"].as_f64().unwrap();
    let net = (number("corrected") - number("broken")) / common.len() as f64;
    assert!((difference - net).abs() < 1e-9, "{changes}");
    assert!(
        changes["sentence"]
            .as_str()
            .unwrap()
            .starts_with("4 pictures left, 1 changed class, 2 came")
    );

    let (_, same) =
        service.get(&format!("{later}/changes?with={}", run["id"].as_str().unwrap())).await;
    assert_eq!((&same["test"]["corrected"], &same["pictures"]["kept"]), (&json!(0), &json!(38)));
}

#[tokio::test]
async fn a_run_whose_snapshot_cannot_be_frozen_fails_with_it() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[6, 6]).await;
    let worker = service.work();
    let first = trained(&service, &frozen(&service, dataset).await, 1).await;
    worker.stop().await;
    let path = format!("/training-runs/{}/retrain", first["id"].as_str().unwrap());
    let again = async || {
        let (status, run) = service.post(&path, &json!({})).await;
        assert_eq!(status, 202, "{run}");
        (format!("/training-runs/{}", run["id"].as_str().unwrap()), run["snapshot_id"].clone())
    };

    // Cancelled before a worker took it.
    let (run, snapshot) = again().await;
    let snapshot = format!("/snapshots/{}", snapshot.as_str().unwrap());
    service.post(&format!("{snapshot}/cancel"), &json!({})).await;
    let (_, failed) = service.get(&run).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("snapshot_failed"))
    );
    let (status, problem) = service.post(&format!("{run}/retry"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("snapshot_not_ready")), "{problem}");

    // Frozen later on, it can be trained.
    service.post(&format!("{snapshot}/retry"), &json!({})).await;
    let worker = service.work();
    assert_eq!(service.ended(&snapshot, PATIENCE).await["status"], "succeeded");
    let (status, _) = service.post(&format!("{run}/retry"), &json!({})).await;
    assert_eq!(status, 202);
    let run = service.ended(&run, PATIENCE).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    worker.stop().await;

    // One picture is left of a class while the snapshot waits.
    let (waiting, _) = again().await;
    let query = format!("/images?dataset_id={dataset}&class=class%200&limit=200");
    let (_, page) = service.get(&query).await;
    let images: Vec<&Value> = page["items"].as_array().unwrap().iter().skip(1).collect();
    review(&service, &images, json!({"decision": "reject"})).await;
    let worker = service.work();
    let failed = service.ended(&waiting, PATIENCE).await;
    worker.stop().await;
    assert_eq!(failed["error"]["code"], "snapshot_failed", "{failed}");
    assert!(failed["error"]["message"].as_str().unwrap().contains("class 0"), "{failed}");
}
