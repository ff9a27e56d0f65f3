//! The checks of quality and shape: scores, thresholds, and what of them the API shows.

use serde_json::{Value, json};
use shipshape::picture::{RgbImage, encode_jpeg};

use crate::cleaning_job::MOVES;
use crate::support::fleet::{Fleet, PATIENCE, Vessel, drawing, fleet};
use crate::support::service::service;

fn flat(width: u32, height: u32, level: u8) -> Vec<u8> {
    encode_jpeg(&RgbImage::from_pixel(width, height, image::Rgb([level; 3])), 90)
}

/// The verdicts of a dry run of these checks, and the job.
async fn judged(fleet: &Fleet, checks: &[&str], thresholds: Value) -> (Value, Vec<Value>) {
    let more = json!({"dry_run": true, "thresholds": thresholds});
    let path = fleet.start(checks, more).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    (job, fleet.verdicts(&path, "").await)
}

fn of<'a>(verdicts: &'a [Value], vessel: Vessel, check: &str) -> &'a Value {
    let is =
        |verdict: &&Value| verdict["image_id"] == json!(vessel.id) && verdict["check"] == check;
    verdicts.iter().find(is).unwrap()
}

#[tokio::test]
async fn every_check_is_listed_with_its_threshold_and_has_its_place_on_the_page() {
    let service = service(&[]).await;
    let (status, listed) = service.get("/checks").await;
    assert_eq!(status, 200, "{listed}");
    let page = include_str!("../../src/web/files/checks.js");
    let checks = listed["items"].as_array().unwrap();
    for check in checks {
        let place = format!("[{}, ", check["name"]);
        assert_eq!(page.matches(&place).count(), 1, "{check}");
    }
    let blurry = checks.iter().find(|check| check["name"] == "blurry").unwrap();
    assert_eq!((&blurry["about"], &blurry["threshold"]), (&json!("out of focus"), &json!(0.29)));
    let near = checks.iter().find(|check| check["name"] == "near_duplicate").unwrap();
    assert_eq!((&near["threshold"], &near["highest_threshold"]), (&json!(0.5), &json!(0.5)));
}

#[tokio::test]
async fn a_score_below_the_threshold_flags_and_says_so() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let dark = fleet.add(0, &flat(128, 128, 51), &[]).await;
    let light = fleet.add(0, &flat(129, 128, 255), &[]).await;
    let ship = fleet.ships(1, 1).await[0];
    let checks = ["dark", "light", "low_information", "grayscale", "blurry"];
    let (job, verdicts) = judged(&fleet, &checks, json!({"grayscale": 0.125})).await;
    let thresholds = json!({
        "blurry": 0.29, "dark": 0.32, "grayscale": 0.125, "light": 0.05, "low_information": 0.3,
    });
    assert_eq!(job["thresholds"], thresholds);

    let verdict = of(&verdicts, dark, "dark");
    assert_eq!(
        (&verdict["outcome"], &verdict["reason"]),
        (&json!("flagged"), &json!("dark: 0.20, below 0.32"))
    );
    assert!((verdict["score"].as_f64().unwrap() - 0.2).abs() < 1e-6, "{verdict}");
    assert_eq!(verdict["evidence"]["threshold"], 0.32);
    assert_eq!(of(&verdicts, light, "light")["outcome"], "flagged");
    for check in ["low_information", "grayscale"] {
        assert_eq!(of(&verdicts, light, check)["outcome"], "flagged");
        assert_eq!(of(&verdicts, ship, check)["outcome"], "passed");
    }
    assert_eq!(of(&verdicts, ship, "dark")["outcome"], "passed");

    let (_, verdicts) = judged(&fleet, &["dark"], json!({"dark": 0.1})).await;
    assert_eq!(of(&verdicts, dark, "dark")["reason"], "dark: 0.20, not below 0.1");
}

#[tokio::test]
async fn a_picture_that_came_without_scores_gets_them_from_its_bytes() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ship = fleet.ships(1, 1).await[0];
    let (_, before) = judged(&fleet, &["blurry"], json!({})).await;
    let forget = "update pictures set dark = null, light = null, blurry = null,
                      low_information = null, grayscale = null";
    sqlx::query(forget).execute(&fleet.service.app.pool).await.unwrap();
    let (_, after) = judged(&fleet, &["blurry"], json!({})).await;
    assert_eq!(of(&before, ship, "blurry")["score"], of(&after, ship, "blurry")["score"]);
    let kept = "select count(*) from pictures where blurry is not null";
    let kept: i64 = sqlx::query_scalar(kept).fetch_one(&fleet.service.app.pool).await.unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn odd_sizes_and_shapes_are_odd_among_the_others() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    for (seed, side) in [(1, 120), (2, 124), (3, 128), (4, 132), (5, 136)] {
        fleet.add(0, &drawing(seed, side), &[]).await;
    }
    let huge = fleet.add(0, &drawing(6, 800), &[]).await;
    let banner = fleet.add(0, &flat(300, 60, 90), &[]).await;
    let (_, verdicts) = judged(&fleet, &["odd_size", "odd_aspect_ratio"], json!({})).await;
    let flagged: Vec<(&Value, &Value)> = verdicts
        .iter()
        .filter(|verdict| verdict["outcome"] == "flagged")
        .map(|verdict| (&verdict["check"], &verdict["image_id"]))
        .collect();
    assert_eq!(flagged.len(), 2, "{flagged:?}");
    assert!(flagged.contains(&(&json!("odd_size"), &json!(huge.id))));
    assert!(flagged.contains(&(&json!("odd_aspect_ratio"), &json!(banner.id))));
    assert_eq!(of(&verdicts, huge, "odd_size")["score"], 0.0);
    assert!(
        (of(&verdicts, banner, "odd_aspect_ratio")["score"].as_f64().unwrap() - 0.2).abs() < 1e-6
    );
}

#[tokio::test]
async fn a_threshold_is_of_a_check_that_is_asked_for_and_from_0_to_1() {
    let fleet = fleet().await;
    for (thresholds, field) in [
        (json!({"blury": 0.3}), "thresholds.blury"),
        (json!({"exact_duplicate": 0.3}), "thresholds.exact_duplicate"),
        (json!({"near_duplicate": 0.51}), "thresholds.near_duplicate"),
        (json!({"dark": 0.3}), "thresholds.dark"),
        (json!({"blurry": 1.01}), "thresholds.blurry"),
        (json!({"blurry": -0.1}), "thresholds.blurry"),
    ] {
        let body = json!({
            "dataset_id": fleet.dataset, "checks": ["blurry", "near_duplicate"],
            "thresholds": thresholds,
        });
        let (status, problem) = fleet.service.post("/cleaning-jobs", &body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
}
