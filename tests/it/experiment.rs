//! Experiments: one call trains a grid, and the choice among its recipes says why.

use serde_json::{Value, json};

use crate::support::drawn::{PATIENCE, drawn, frozen, tiny_recipe};
use crate::support::eventually;
use crate::support::service::{Service, service};

async fn ready() -> (Service, Value) {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[12, 12]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    worker.stop().await;
    (service, snapshot)
}

fn grid(snapshot: &Value) -> Value {
    json!({
        "snapshot_id": snapshot["id"], "recipe": tiny_recipe(1), "seeds": [1, 2],
        "grid": {"conv": [[4], [4, 8]], "dropout": [[0.2]]},
    })
}

#[tokio::test]
async fn a_grid_is_trained_and_a_rule_picks_a_recipe_and_says_why() {
    let (service, snapshot) = ready().await;
    let (status, begun) = service.post("/training-runs", &grid(&snapshot)).await;
    assert_eq!((status, &begun["name"]), (202, &json!("conv × dropout")), "{begun}");
    assert_eq!((&begun["runs"], &begun["unfinished"]), (&json!(4), &json!(4)));
    let path = format!("/experiments/{}", begun["id"].as_str().unwrap());
    let (_, before) = service.get(&path).await;
    assert_eq!(before["selection"], Value::Null);
    let early = service.get(&format!("{path}/pictures/comparison.svg")).await;
    assert_eq!((early.0, &early.1["code"]), (409, &json!("experiment_not_finished")));

    let watched = service.events(&path, PATIENCE);
    let worked = async {
        let worker = service.work();
        let done = async || service.get(&path).await.1["succeeded"] == 4;
        eventually("four runs", PATIENCE, done).await;
        worker.stop().await;
    };
    let (shown, ()) = tokio::join!(watched, worked);
    let seen = |shown: &Value| shown["progress"]["done"].as_i64().unwrap();
    assert!(shown.windows(2).all(|pair| seen(&pair[0]) <= seen(&pair[1])), "{shown:?}");
    let last = shown.last().unwrap();
    assert_eq!((&last["succeeded"], &last["unfinished"]), (&json!(4), &json!(0)));
    assert!(seen(last) > 0 && last["progress"]["total"] == last["progress"]["done"], "{last}");
    assert_eq!(last["progress"]["total"], begun["progress"]["total"]);
    let (_, experiment) = service.get(&path).await;
    let names: Vec<&str> = experiment["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    let (small, large) = ("conv 4, dropout 0.2", "conv 4-8, dropout 0.2");
    assert_eq!(names, [small, small, large, large]);
    let selection = &experiment["selection"];
    let standings = selection["standings"].as_array().unwrap();
    assert_eq!((standings.len(), &standings[0]["runs"]), (2, &json!(2)));
    assert_eq!(selection["pick"], standings[0]["name"]);
    assert!(!selection["why"].as_str().unwrap().is_empty());
    let best = |at: usize| standings[at]["test"]["estimate"].as_f64().unwrap();
    assert!(best(0) >= best(1));

    let (_, chosen) = service.get(&format!("{path}?rule=best_within_gap&limit=0.5")).await;
    assert_eq!(chosen["selection"]["rule"], "best_within_gap");
    let (status, problem) = service.get(&format!("{path}?rule=best_test&limit=0.5")).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("limit")));
    for (picture, begins) in [("comparison.svg", "<svg"), ("curves.svg", "<svg")] {
        let (status, svg) = service.get(&format!("{path}/pictures/{picture}")).await;
        assert_eq!((status, svg.as_str().unwrap().starts_with(begins)), (200, true), "{picture}");
    }
    let (_, csv) = service.get(&format!("{path}/pictures/curves.csv")).await;
    assert_eq!(csv.as_str().unwrap().lines().count(), 1 + 4);
    let png = reqwest::get(service.url(&format!("{path}/pictures/comparison.png"))).await.unwrap();
    assert_eq!(png.headers()["content-type"], "image/png");
    assert!(image::load_from_memory(&png.bytes().await.unwrap()).unwrap().width() > 600);
    assert_eq!(service.get(&format!("{path}/pictures/comparison.gif")).await.0, 404);
}

#[tokio::test]
async fn a_run_is_judged_by_intervals_classes_and_calibration() {
    let (service, snapshot) = ready().await;
    let worker = service.work();
    let run = crate::support::drawn::trained(&service, &snapshot, 1).await;
    worker.stop().await;
    let path = format!("/training-runs/{}", run["id"].as_str().unwrap());
    let (status, report) = service.get(&format!("{path}/report")).await;
    assert_eq!(status, 200, "{report}");
    let gap = &report["verdict"]["gap"];
    assert!((gap["estimate"].as_f64().unwrap() - run["gap"].as_f64().unwrap()).abs() < 1e-9);
    let limits = (gap["low"].as_f64().unwrap(), gap["high"].as_f64().unwrap());
    assert!(limits.0 <= run["gap"].as_f64().unwrap() && run["gap"].as_f64().unwrap() <= limits.1);
    assert!(report["verdict"]["sentence"].as_str().unwrap().contains(" %"), "{report}");
    assert_eq!(report["classes"]["classes"].as_array().unwrap().len(), 2);
    for name in ["curve", "confusion", "reliability"] {
        for format in ["svg", "png", "csv"] {
            let url = service.url(&format!("{path}/pictures/{name}.{format}"));
            let answer = reqwest::get(url).await.unwrap();
            assert_eq!(answer.status(), 200, "{name}.{format}");
        }
    }
    let answer = reqwest::get(service.url(&format!("{path}/pictures/classes.csv"))).await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    let table = answer.text().await.unwrap();
    // A head, two classes and two averages.
    assert_eq!(
        (table.lines().count(), table.starts_with("class,precision,")),
        (5, true),
        "{table}"
    );
    assert_eq!(service.get(&format!("{path}/pictures/classes.svg")).await.0, 404);
}

#[tokio::test]
async fn a_cancelled_experiment_goes_on_when_asked_and_a_bad_grid_is_refused() {
    let (service, snapshot) = ready().await;
    let (_, begun) = service.post("/training-runs", &grid(&snapshot)).await;
    let path = format!("/experiments/{}", begun["id"].as_str().unwrap());
    let (status, cancelled) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["unfinished"]), (200, &json!(0)));
    let (_, retried) = service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(retried["unfinished"], 4);

    for (body, field) in [
        (json!({"grid": {"epochs": [1, 0]}}), "recipe.epochs"),
        (json!({"grid": {"epoch": [1]}}), "recipe.epoch"),
        (json!({"grid": {"conv": []}}), "grid.conv"),
        (json!({"grid": {"epochs": [1]}, "seeds": [-1]}), "seeds[0]"),
        (json!({"seed": 1, "seeds": [2]}), "seeds"),
    ] {
        let mut body = body;
        body["snapshot_id"] = snapshot["id"].clone();
        let (status, problem) = service.post("/training-runs", &body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    let (_, page) = service.get("/experiments").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_preview_is_a_sheet_of_the_training_pictures() {
    let (service, snapshot) = ready().await;
    let recipe =
        json!({"image_size": 40, "conv": [4], "augment": {"rotation_degrees": 30, "mixup": 0.2}});
    let body = json!({"snapshot_id": snapshot["id"], "recipe": recipe, "rows": 3, "columns": 4});
    let client = reqwest::Client::new();
    let answer =
        client.post(service.url("/training-runs/preview")).json(&body).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    let sheet = image::load_from_memory(&answer.bytes().await.unwrap()).unwrap();
    assert!(sheet.width() >= 4 * 40 && sheet.height() >= 3 * 40, "{sheet:?}");
    let bad = json!({"snapshot_id": snapshot["id"], "recipe": {"augment": {"mixup": -1}}});
    let (status, problem) = service.post("/training-runs/preview", &bad).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("recipe.augment.mixup")));
}
