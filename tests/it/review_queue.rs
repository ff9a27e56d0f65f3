//! What waits for a person: its order, what is no problem, and what a sample tells of a check.

use serde_json::{Value, json};

use crate::cleaning_job::MOVES;
use crate::review::undo;
use crate::support::fleet::{Fleet, PATIENCE, Vessel, drawing, fleet, path};

pub(crate) async fn decide(fleet: &Fleet, vessels: &[Vessel], more: Value) -> Value {
    let ids: Vec<_> = vessels.iter().map(|vessel| vessel.id).collect();
    let mut body = json!({"image_ids": ids});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, review) = fleet.service.post("/reviews", &body).await;
    assert_eq!(status, 201, "{review}");
    review
}

async fn queue(fleet: &Fleet, query: &str) -> Value {
    let of = format!("/datasets/{}/review-queue?{query}", fleet.dataset);
    let (status, page) = fleet.service.get(&of).await;
    assert_eq!(status, 200, "{page}");
    page
}

/// Every picture is blurry by this threshold.
pub(crate) fn harsh() -> Value {
    json!({"thresholds": {"blurry": 1.0}})
}

#[tokio::test]
async fn against_whom_most_speaks_comes_first() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    let ship = fleet.ships(1, 1).await[0];
    let job = fleet.start(&["blurry", "tags"], harsh()).await;
    fleet.service.ended(&job, PATIENCE).await;
    let page = queue(&fleet, "limit=1").await;
    let first = &page["items"][0];
    assert_eq!(first["id"], json!(cow.id), "{page}");
    assert_eq!(first["verdicts"].as_array().unwrap().len(), 2);
    let rest = queue(&fleet, &format!("cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["items"][0]["id"], json!(ship.id));
    assert!(first["suspicion"].as_f64() > rest["items"][0]["suspicion"].as_f64(), "{rest}");
    for (query, count) in [("check=tags", 1), ("class=ship", 2), ("class=ferry", 0)] {
        let some = queue(&fleet, query).await;
        assert_eq!(some["items"].as_array().unwrap().len(), count, "{query}");
    }
    decide(&fleet, &[cow], json!({"decision": "reject"})).await;
    assert_eq!(queue(&fleet, "").await["items"].as_array().unwrap().len(), 1);
    for (query, field) in [("cursor=x", "cursor"), ("check=typo", "check"), ("class=x", "class")] {
        let path = format!("/datasets/{}/review-queue?{query}", fleet.dataset);
        let (status, problem) = fleet.service.get(&path).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
}

#[tokio::test]
async fn what_is_no_problem_is_remembered_for_the_picture_and_the_check() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    let job = fleet.start(&["blurry", "tags"], harsh()).await;
    fleet.service.ended(&job, PATIENCE).await;
    let first =
        decide(&fleet, &[cow], json!({"decision": "not_a_problem", "check": "blurry"})).await;
    assert_eq!(first["check"], "blurry");
    // The other check still speaks against it.
    let page = queue(&fleet, "").await;
    let dismissed: Vec<_> = page["items"][0]["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|verdict| {
            (verdict["check"].as_str().unwrap(), verdict["dismissed"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(dismissed, [("blurry", true), ("tags", false)]);
    for (check, count) in [("blurry", 0), ("tags", 1)] {
        let of = format!("/images?dataset_id={}&check={check}", fleet.dataset);
        let (_, page) = fleet.service.get(&of).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{page}");
    }
    let second =
        decide(&fleet, &[cow], json!({"decision": "not_a_problem", "check": "tags"})).await;
    fleet.settled(cow, "accepted", false).await;
    // A later job says the same, and it counts for nothing; a person's word still does.
    let job = fleet.start(&["blurry", "tags"], harsh()).await;
    let job = fleet.service.ended(&job, PATIENCE).await;
    assert_eq!(job["counts"]["flagged"], 1, "{job}");
    fleet.settled(cow, "accepted", false).await;
    let rejected = decide(&fleet, &[cow], json!({"decision": "reject"})).await;
    assert_eq!(fleet.state(cow).await.0, "rejected");
    for review in [&rejected, &second] {
        undo(&fleet, review).await;
    }
    fleet.settled(cow, "flagged", true).await;

    for (more, field) in [
        (json!({"decision": "not_a_problem"}), "check"),
        (json!({"decision": "not_a_problem", "check": "ugly"}), "check"),
        (json!({"decision": "keep", "check": "tags"}), "check"),
    ] {
        let mut body = json!({"image_ids": [cow.id]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, problem) = fleet.service.post("/reviews", &body).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
}

#[tokio::test]
async fn no_problem_with_a_picture_is_none_in_another_dataset() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    let (dataset, same) = fleet.add_elsewhere(&drawing(50, 128)).await;
    let mut settings = harsh();
    settings["dataset_id"] = json!(dataset);
    let job = fleet.start(&["blurry"], settings).await;
    fleet.service.ended(&job, PATIENCE).await;
    assert_eq!(fleet.state(same).await.0, "flagged");
    let review =
        decide(&fleet, &[cow], json!({"decision": "not_a_problem", "check": "blurry"})).await;
    assert_eq!(fleet.state(same).await.0, "accepted");
    undo(&fleet, &review).await;
    assert_eq!(fleet.state(same).await.0, "flagged");
}

#[tokio::test]
async fn a_sample_tells_how_well_a_check_does() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ships = fleet.ships(1, 12).await;
    let mut cows = Vec::new();
    for number in 50..54 {
        cows.push(fleet.cow(number).await);
    }
    let job = fleet.start(&["tags"], json!({"dry_run": true})).await;
    let job = fleet.service.ended(&job, PATIENCE).await;
    let of = format!("{}/audit?check=tags&size=10", path(&job));
    let (status, audit) = fleet.service.get(&of).await;
    assert_eq!(status, 200, "{audit}");
    // Four are flagged, fewer than half of ten, so that six are drawn of those that passed.
    assert_eq!(audit["flagged"], json!({"images": 4, "sampled": 4, "reviewed": 0, "bad": 0}));
    assert_eq!(audit["passed"], json!({"images": 12, "sampled": 6, "reviewed": 0, "bad": 0}));
    assert_eq!((&audit["precision"], &audit["recall"]), (&json!(null), &json!(null)));
    assert_eq!(fleet.service.get(&of).await.1["sample"], audit["sample"]);

    decide(&fleet, &cows[..3], json!({"decision": "reject"})).await;
    decide(&fleet, &cows[3..], json!({"decision": "not_a_problem", "check": "tags"})).await;
    decide(&fleet, &ships, json!({"decision": "keep"})).await;
    let (_, audit) = fleet.service.get(&of).await;
    assert_eq!(audit["flagged"], json!({"images": 4, "sampled": 4, "reviewed": 4, "bad": 3}));
    assert_eq!(audit["precision"], json!({"estimate": 0.75, "low": 0.75, "high": 0.75}));
    let recall = &audit["recall"];
    assert_eq!((&recall["estimate"], &recall["high"]), (&json!(1.0), &json!(1.0)), "{audit}");
    // Half of those that passed were not looked at.
    assert!(recall["low"].as_f64().unwrap() < 0.8, "{audit}");

    for part in ["audit?check=blurry", "verdicts?check=blurry", "verdicts?check=typo"] {
        let (status, problem) = fleet.service.get(&format!("{}/{part}", path(&job))).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("check")), "{part}");
    }
}

#[tokio::test]
async fn a_label_that_was_mended_before_the_job_is_no_error_in_it() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ship = fleet.ships(1, 1).await;
    decide(&fleet, &ship, json!({"decision": "reclass", "class": "ferry"})).await;
    let mut settings = harsh();
    settings["dry_run"] = json!(true);
    let job = fleet.start(&["blurry"], settings).await;
    fleet.service.ended(&job, PATIENCE).await;
    let audit = async || fleet.service.get(&format!("{job}/audit?check=blurry")).await.1;
    let before = audit().await;
    assert_eq!(before["flagged"], json!({"images": 1, "sampled": 1, "reviewed": 1, "bad": 0}));
    assert_eq!(before["sample"][0]["decision"], "keep");
    decide(&fleet, &ship, json!({"decision": "reclass", "class": "ship"})).await;
    assert_eq!(audit().await["flagged"]["bad"], 1);
}
