//! Reviews: what a person decides beats the checks, moves the files, and can be taken back.

use serde_json::{Value, json};

use crate::cleaning_job::MOVES;
use crate::support::fleet::{Fleet, Vessel, drawing, fleet};

async fn review(fleet: &Fleet, vessels: &[Vessel], decision: &str) -> Value {
    let ids: Vec<_> = vessels.iter().map(|vessel| vessel.id).collect();
    let body = json!({"image_ids": ids, "decision": decision});
    let (status, review) = fleet.service.post("/reviews", &body).await;
    assert_eq!(status, 201, "{review}");
    review
}

pub(crate) async fn undo(fleet: &Fleet, review: &Value) {
    let path = format!("/reviews/{}/undo", review["id"].as_str().unwrap());
    let (status, undone) = fleet.service.post(&path, &json!({})).await;
    assert_eq!((status, undone["undone_at"].is_string()), (200, true), "{undone}");
}

#[tokio::test]
async fn keep_brings_a_flagged_file_back_and_undo_sends_it_away_again() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    fleet.clean(&["tags"]).await;
    fleet.settled(cow, "flagged", true).await;
    let kept = review(&fleet, &[cow], "keep").await;
    fleet.settled(cow, "accepted", false).await;
    // A later job says the same of it and moves it no more.
    let job = fleet.clean(&["tags"]).await;
    assert_eq!(job["counts"]["flagged"], 1);
    fleet.settled(cow, "accepted", false).await;
    undo(&fleet, &kept).await;
    fleet.settled(cow, "flagged", true).await;
    let (_, page) = fleet.service.get(&format!("/reviews?image_id={}", cow.id)).await;
    assert_eq!(page["items"][0]["id"], kept["id"]);
    for (undone, count) in [(true, 1), (false, 0)] {
        let of = format!("/reviews?dataset_id={}&undone={undone}", fleet.dataset);
        let (_, page) = fleet.service.get(&of).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{page}");
    }
}

#[tokio::test]
async fn decisions_that_overtake_a_move_win_in_the_end() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    fleet.clean(&["tags"]).await;
    for _ in 0..10 {
        let kept = review(&fleet, &[cow], "keep").await;
        undo(&fleet, &kept).await;
    }
    fleet.settled(cow, "flagged", true).await;
    review(&fleet, &[cow], "keep").await;
    fleet.settled(cow, "accepted", false).await;
}

#[tokio::test]
async fn of_near_duplicates_the_largest_is_kept_until_it_is_rejected() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let small = fleet.add(0, &drawing(1, 128), &["Boat"]).await;
    let large = fleet.add(0, &drawing(1, 256), &["Boat"]).await;
    let middle = fleet.add(0, &drawing(1, 192), &["Boat"]).await;
    let other = fleet.add(0, &drawing(2, 128), &["Boat"]).await;
    let job = fleet.clean(&["near_duplicate"]).await;
    assert_eq!(job["counts"], json!({"passed": 2, "flagged": 2, "unscannable": 0}), "{job}");
    fleet.settled(small, "flagged", true).await;
    fleet.settled(middle, "flagged", true).await;
    assert_eq!(fleet.state(large).await.0, "accepted");

    let rejected = review(&fleet, &[large], "reject").await;
    fleet.settled(middle, "accepted", false).await;
    fleet.settled(small, "flagged", true).await;
    let verdicts = shipshape::cleaning::newest_verdicts(&fleet.service.app.pool, &[small.id]).await;
    let verdict = &verdicts.unwrap()[0];
    assert_eq!(verdict.evidence["keeper"], json!(middle.id));
    assert!(verdict.reason.contains("(192 × 192, this one 128 × 128)"), "{}", verdict.reason);

    undo(&fleet, &rejected).await;
    fleet.settled(middle, "flagged", true).await;
    assert_eq!(fleet.state(large).await.0, "accepted");
    assert_eq!(fleet.state(other).await.0, "accepted");
}

#[tokio::test]
async fn reclass_moves_to_another_class_and_undo_goes_back_through_all_of_them() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ship = fleet.ships(1, 1).await[0];
    let body = |class: &str| json!({"image_ids": [ship.id], "decision": "reclass", "class": class});
    let (status, first) = fleet.service.post("/reviews", &body("ferry")).await;
    assert_eq!((status, &first["class"]), (201, &json!("ferry")));
    assert_eq!(fleet.state(ship).await, ("accepted".into(), "ferry".into()));
    let (_, second) = fleet.service.post("/reviews", &body("ship")).await;
    undo(&fleet, &first).await;
    assert_eq!(fleet.state(ship).await.1, "ship", "the second one still counts");
    let (_, third) = fleet.service.post("/reviews", &body("ferry")).await;
    undo(&fleet, &third).await;
    undo(&fleet, &second).await;
    assert_eq!(fleet.state(ship).await, ("accepted".into(), "ship".into()));
}

#[tokio::test]
async fn a_review_is_about_all_its_images_or_none() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ship = fleet.ships(1, 1).await[0];
    let unknown = uuid::Uuid::now_v7();
    let post = async |body| fleet.service.post("/reviews", &body).await;
    let (status, problem) =
        post(json!({"image_ids": [ship.id, unknown], "decision": "reject"})).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("image_ids[1]")));
    assert_eq!(fleet.state(ship).await.0, "accepted");
    for body in [
        json!({"image_ids": [], "decision": "keep"}),
        json!({"image_ids": [ship.id], "decision": "reclass"}),
        json!({"image_ids": [ship.id], "decision": "reclass", "class": "cow"}),
        json!({"image_ids": [ship.id], "decision": "keep", "class": "ferry"}),
        json!({"image_ids": [ship.id], "decision": "burn"}),
    ] {
        let (status, problem) = post(body).await;
        assert_eq!(status, 422, "{problem}");
    }
    let (status, _) = fleet.service.get(&format!("/reviews/{unknown}")).await;
    assert_eq!(status, 404);
}
