//! What a cleaning job costs, before and after, and what other rules and other jobs say of the same labels.

use serde_json::json;
use shipshape::cleaning::learning::NETWORKS;

use crate::cleaning_job::MOVES;
use crate::support::eventually;
use crate::support::fleet::{PATIENCE, drawing, fleet, path};
use crate::support::rekognition::{SILENCE, failure, labelled};

#[tokio::test]
async fn a_broad_tag_is_not_enough_for_the_specific_rule_and_a_replay_costs_nothing() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    for seed in 1..=4 {
        let ship = ["Boat", "Vehicle", "Water", "Sea", "Sailor"];
        fleet.add(0, &drawing(seed, 128), &ship).await;
    }
    // What a toy shares with a ship all pictures have.
    let toy = fleet.add(0, &drawing(50, 128), &["Boat", "Water", "Bath"]).await;
    let path = fleet.start(&["tags"], json!({"tags": {"rule": "specific"}})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["counts"], json!({"passed": 4, "flagged": 1, "unscannable": 0}), "{job}");
    let weights = job["tag_weights"].as_array().unwrap();
    assert_eq!(weights[0]["tag"], "Vehicle", "the toy lacks it");
    let verdicts = fleet.verdicts(&path, "&outcome=flagged").await;
    assert_eq!(verdicts[0]["image_id"], json!(toy.id));
    assert!(verdicts[0]["evidence"]["share"].as_f64().unwrap() < 0.25, "{}", verdicts[0]);
    let reason = verdicts[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("shares only Boat ("), "{reason}");

    let calls = fleet.tagger.requests().len();
    let replay = async |settings| {
        let (status, replay) = fleet.service.post(&format!("{path}/replay"), &settings).await;
        assert_eq!(status, 200, "{replay}");
        replay
    };
    let original = replay(json!({"rule": "any_of_top_k"})).await;
    assert_eq!(
        (&original["counts"]["flagged"], &original["no_longer_flagged"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(original["images"][0]["before"], "flagged");
    let same = replay(json!({})).await;
    assert_eq!((&same["counts"], &same["weights"]), (&job["counts"], &job["tag_weights"]));
    assert_eq!(same["newly_flagged"], 0);
    let lax = replay(json!({"threshold": 0.05, "images": 0})).await;
    assert_eq!((&lax["no_longer_flagged"], &lax["images"]), (&json!(1), &json!([])));
    assert_eq!(fleet.tagger.requests().len(), calls);
    assert_eq!(fleet.state(toy).await.0, "flagged", "a replay changes nothing");

    let (status, problem) = fleet.service.post(&format!("{path}/replay"), &json!({"k": 0})).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("k")));
}

#[tokio::test]
async fn a_job_is_estimated_before_and_compared_after() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ships = fleet.ships(1, 3).await;
    let estimate = async |more: serde_json::Value| {
        let mut body = json!({"dataset_id": fleet.dataset, "checks": ["tags", "outlier"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, estimate) = fleet.service.post("/cleaning-jobs/estimate", &body).await;
        assert_eq!(status, 200, "{estimate}");
        estimate
    };
    // Three pictures and the reference of their class; the other class has none to compare.
    let before = estimate(json!({"budget_usd": 0.003})).await;
    assert_eq!((&before["images"], &before["tagger_calls"]), (&json!(3), &json!(4)));
    assert_eq!((&before["networks"], &before["within_budget"]), (&json!(NETWORKS), &json!(false)));
    assert!((before["cost_usd"].as_f64().unwrap() - 0.004).abs() < 1e-9, "{before}");
    assert_eq!(fleet.tagger.requests().len(), 0);
    assert_eq!(before["unreferenced_classes"], json!([]));
    let first = fleet.clean(&["tags", "too_small"]).await;
    let after = estimate(json!({})).await;
    assert_eq!((&after["tagger_calls"], &after["within_budget"]), (&json!(0), &json!(null)));

    let strict = json!({"tags": {"k": 1, "rule": "any_of_top_k"}});
    let second = fleet.start(&["tags"], strict).await;
    let second = fleet.service.ended(&second, PATIENCE).await;
    let compare = async |query: &str| {
        let of =
            format!("{}/differences?with={}{query}", path(&second), first["id"].as_str().unwrap());
        let (status, page) = fleet.service.get(&of).await;
        assert_eq!(status, 200, "{page}");
        page
    };
    // The first tag alone is Boat, which no ship of these has.
    let page = compare("&limit=2").await;
    assert_eq!(page["items"][0]["image_id"], json!(ships[0].id));
    assert_eq!(
        (&page["items"][0]["before"], &page["items"][0]["after"]),
        (&json!("passed"), &json!("flagged"))
    );
    let rest = compare(&format!("&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &json!(null)));
    let found = async |query: &str| compare(query).await["items"].as_array().unwrap().len();
    assert_eq!((found("&check=outlier").await, found("&check=tags").await), (0, 3));
    let (with, second) = (first["id"].as_str().unwrap(), path(&second));
    let (_, totals) = fleet.service.get(&format!("{second}/differences/totals?with={with}")).await;
    assert_eq!(
        totals["items"],
        json!([{"check": "tags", "before": "passed", "after": "flagged", "images": 3}])
    );
    for list in ["differences", "differences/totals"] {
        let elsewhere = format!("{second}/{list}?with={}", uuid::Uuid::now_v7());
        let (status, problem) = fleet.service.get(&elsewhere).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("with")));
    }
}

#[tokio::test]
async fn a_budget_ends_the_job_and_a_larger_one_goes_on() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 6).await;
    let path = fleet.start(&["tags"], json!({"budget_usd": 0.004})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("failed"), &json!("budget_exhausted"))
    );
    assert_eq!((&job["tagger_calls"], fleet.tagger.requests().len()), (&json!(4), 4));
    let (status, _) =
        fleet.service.post(&format!("{path}/retry?budget_usd=0.007"), &json!({})).await;
    assert_eq!(status, 202);
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!((&job["status"], &job["counts"]["passed"]), (&json!("succeeded"), &json!(6)));
    assert_eq!(fleet.tagger.requests().len(), 7);
}

#[tokio::test]
async fn without_all_labels_the_specific_rule_judges_nothing() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    for seed in 1..=4 {
        let ship = ["Boat", "Vehicle", "Water", "Sea", "Sailor"];
        fleet.add(0, &drawing(seed, 128), &ship).await;
    }
    fleet.cow(50).await;
    let settings = json!({"rule": "specific"});
    let path = fleet.start(&["tags"], json!({"budget_usd": 0.003, "tags": settings})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["error"]["code"], "budget_exhausted", "{job}");
    assert_eq!(job["counts"], json!({"passed": 0, "flagged": 0, "unscannable": 0}));
    assert_eq!(job["tag_weights"], json!([]));
    fleet.service.post(&format!("{path}/retry?budget_usd=1"), &json!({})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["counts"], json!({"passed": 4, "flagged": 1, "unscannable": 0}), "{job}");
    let (_, replay) = fleet.service.post(&format!("{path}/replay"), &settings).await;
    assert_eq!(job["tag_weights"], replay["weights"]);
}

#[tokio::test]
async fn a_right_that_is_lost_on_the_way_stops_the_calls() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 60).await;
    let expired = || failure(400, "ExpiredTokenException", "the token has expired");
    let water = || labelled("3.0", &["Water"]);
    fleet.tagger.script(std::iter::repeat_n(water(), 12).chain(std::iter::repeat_n(expired(), 40)));
    let path = fleet.start(&["tags"], json!({})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["error"]["code"], "tagger_access_denied", "{job}");
    // Those that were under way, of the tasks that ran, and those of the time that the job takes to end; then no more.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let made = fleet.tagger.requests().len();
    assert!(made < 12 + 40, "{made} calls");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(fleet.tagger.requests().len(), made, "an ended job makes no call");
    fleet.tagger.clear();
    fleet.service.post(&format!("{path}/retry"), &json!({})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    // What was cut short is charged, for it may have been answered.
    let open = fleet.ledger(&job).await["open"].as_i64().unwrap_or(0);
    assert_eq!(job["tagger_calls"], 61 + open, "{job}");
}

#[tokio::test]
async fn a_call_whose_answer_cannot_be_read_is_charged_and_a_refused_picture_is_not() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 2).await;
    // The reference, whose first answer is garbled; then a picture that is refused as it is and encoded anew.
    let refused = failure(400, "InvalidImageFormatException", "no");
    let water = || labelled("3.0", &["Water"]);
    fleet.tagger.script([(200, json!("no labels")), water(), refused.clone(), refused, water()]);
    let job = fleet.clean(&["tags"]).await;
    assert_eq!(job["counts"], json!({"passed": 1, "flagged": 0, "unscannable": 1}));
    assert_eq!((&job["tagger_calls"], &job["cost_usd"]), (&json!(3), &json!(0.003)));
    let wanted = json!({"answered": 2, "unanswered": 1, "unreadable": 2});
    assert_eq!(fleet.ledger(&job).await, wanted);
}

#[tokio::test]
async fn a_call_that_a_cancel_cuts_short_stays_charged_and_is_made_again() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 1).await;
    fleet.tagger.script([labelled("3.0", &["Water"]), SILENCE]);
    let path = fleet.start(&["tags"], json!({})).await;
    let asked = async || fleet.tagger.requests().len() == 2;
    eventually("the picture is asked about", PATIENCE, asked).await;
    fleet.service.post(&format!("{path}/cancel"), &json!({})).await;
    let (status, _) = fleet.service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status, 202);
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!((&job["status"], &job["tagger_calls"]), (&json!("succeeded"), &json!(3)));
    assert_eq!(fleet.ledger(&job).await, json!({"answered": 2, "open": 1}));
}
