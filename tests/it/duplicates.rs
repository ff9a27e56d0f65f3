//! Duplicates: clusters, their keepers by each rule, and label conflicts.

use serde_json::{Value, json};
use shipshape::cleaning::{Verdict, newest_verdicts};

use crate::cleaning_job::MOVES;
use crate::support::fleet::{Fleet, PATIENCE, Vessel, drawing, fleet};

async fn clusters(fleet: &Fleet, query: &str) -> Value {
    let path = format!("/datasets/{}/duplicates?{query}", fleet.dataset);
    let (status, page) = fleet.service.get(&path).await;
    assert_eq!(status, 200, "{page}");
    page
}

async fn verdict(fleet: &Fleet, vessel: Vessel) -> Verdict {
    newest_verdicts(&fleet.service.app.pool, &[vessel.id]).await.unwrap().remove(0)
}

async fn clean(fleet: &Fleet, keeper: &str) {
    let path = fleet.start(&["near_duplicate"], json!({"keeper": keeper})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!((&job["status"], &job["keeper"]), (&json!("succeeded"), &json!(keeper)), "{job}");
}

/// Gives the image a search hit with a licence.
async fn license(fleet: &Fleet, vessel: Vessel) {
    let insert = "with job as (
            insert into scrape_jobs (dataset_id, class_id, source, phrase, \"limit\")
            select dataset_id, class_id, 'bing', 'ship', 1 from images where id = $1 returning id),
        hit as (
            insert into candidates (job_id, url, url_sha256, rank, licence)
            select id, 'http://x/', sha256('x'), 1, 'by-sa' from job returning id)
        insert into sightings (image_id, class_id, candidate_id)
        select i.id, i.class_id, hit.id from images i, hit where i.id = $1";
    sqlx::query(insert).bind(vessel.id).execute(&fleet.service.app.pool).await.unwrap();
}

#[tokio::test]
async fn the_keeper_follows_the_rule_of_the_job() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let early = fleet.add(0, &drawing(1, 128), &[]).await;
    let large = fleet.add(0, &drawing(1, 256), &[]).await;
    let licensed = fleet.add(0, &drawing(1, 192), &[]).await;
    license(&fleet, licensed).await;
    for (rule, kept) in [("licensed", licensed), ("largest", large), ("earliest", early)] {
        clean(&fleet, rule).await;
        for vessel in [early, large, licensed] {
            let expected = if vessel.id == kept.id { "accepted" } else { "flagged" };
            assert_eq!(fleet.state(vessel).await.0, expected, "{rule}");
            assert_eq!(verdict(&fleet, vessel).await.evidence["keeper"], json!(kept.id));
        }
        let page = clusters(&fleet, &format!("keeper={rule}")).await;
        assert_eq!(page["items"][0]["keeper"], json!(kept.id));
    }
    // The rule of the last job still counts when the keeper goes.
    let body = json!({"image_ids": [early.id], "decision": "reject"});
    assert_eq!(fleet.service.post("/reviews", &body).await.0, 201);
    fleet.settled(large, "accepted", false).await;
    assert_eq!(verdict(&fleet, licensed).await.evidence["keeper"], json!(large.id));
}

#[tokio::test]
async fn a_lower_threshold_asks_for_pictures_that_are_more_alike() {
    let fleet = fleet().await;
    let small = fleet.add(0, &drawing(40, 128), &[]).await;
    let large = fleet.add(0, &drawing(40, 256), &[]).await;
    // Four differing bits are a score of 4 / 26.
    let apart = "update near_duplicates set dhash_distance = 1, phash_distance = 3
                 where (select sha256 from images where id = $1) in (a, b)";
    sqlx::query(apart).bind(small.id).execute(&fleet.service.app.pool).await.unwrap();
    for (threshold, flagged) in [(0.5, 1), (0.16, 1), (0.15, 0), (0.0, 0)] {
        let more = json!({"thresholds": {"near_duplicate": threshold}, "dry_run": true});
        let path = fleet.start(&["near_duplicate"], more).await;
        let job = fleet.service.ended(&path, PATIENCE).await;
        assert_eq!(job["counts"]["flagged"], flagged, "{threshold}: {job}");
        for verdict in fleet.verdicts(&path, "&outcome=flagged").await {
            assert_eq!(verdict["image_id"], json!(small.id));
            assert_eq!(verdict["evidence"]["keeper"], json!(large.id));
            assert_eq!(verdict["evidence"]["threshold"], json!(threshold));
        }
    }
}

#[tokio::test]
async fn duplicates_of_two_classes_all_wait_for_a_person_until_one_class_is_left() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ship = fleet.add(0, &drawing(1, 256), &[]).await;
    let ferry = fleet.add(1, &drawing(1, 128), &[]).await;
    clean(&fleet, "largest").await;
    for vessel in [ship, ferry] {
        fleet.settled(vessel, "flagged", true).await;
        let verdict = verdict(&fleet, vessel).await;
        assert_eq!(verdict.code.as_deref(), Some("label_conflict"));
        assert!(verdict.reason.ends_with("label conflict: ferry and ship"), "{}", verdict.reason);
        assert!(verdict.score.unwrap() <= 0.5);
    }
    let body = json!({"image_ids": [ferry.id], "decision": "reclass", "class": "ship"});
    let (status, review) = fleet.service.post("/reviews", &body).await;
    assert_eq!(status, 201, "{review}");
    fleet.settled(ship, "accepted", false).await;
    assert_eq!(clusters(&fleet, "conflicts_only=true").await["items"], json!([]));
    let path = format!("/reviews/{}/undo", review["id"].as_str().unwrap());
    assert_eq!(fleet.service.post(&path, &json!({})).await.0, 200);
    fleet.settled(ship, "flagged", true).await;
    fleet.settled(ferry, "flagged", true).await;
}

#[tokio::test]
async fn clusters_are_listed_page_by_page_with_their_members() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    for seed in 1..=3 {
        fleet.add(0, &drawing(seed, 128), &[]).await;
        fleet.add(0, &drawing(seed, 192), &[]).await;
    }
    let conflict = fleet.add(1, &drawing(3, 256), &[]).await;
    let both = fleet.add(0, &drawing(4, 128), &[]).await;
    fleet.add(1, &drawing(4, 128), &[]).await;
    fleet.add(0, &drawing(5, 128), &[]).await;

    let (mut items, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let page = clusters(&fleet, &query).await;
        let rows = page["items"].as_array().unwrap();
        assert!(rows.len() <= 1);
        items.extend(rows.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=1&cursor={cursor}");
    }
    let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 4 && ids.is_sorted(), "{ids:?}");
    let all = clusters(&fleet, "").await;
    assert_eq!(all["items"], json!(items));

    let conflicts = clusters(&fleet, "conflicts_only=true").await;
    let conflicts = conflicts["items"].as_array().unwrap();
    assert_eq!(conflicts.len(), 2, "{conflicts:?}");
    let near = conflicts.iter().find(|cluster| cluster["keeper"] == json!(conflict.id)).unwrap();
    assert_eq!(near["classes"], json!(["ferry", "ship"]));
    let members = near["members"].as_array().unwrap();
    let classes: Vec<&Value> = members.iter().map(|member| &member["class"]).collect();
    assert_eq!(classes, ["ferry", "ship", "ship"]);
    assert_eq!((&members[0]["width"], &members[0]["phash_distance"]), (&json!(256), &json!(0)));
    let same = conflicts.iter().find(|cluster| cluster["keeper"] == json!(both.id)).unwrap();
    assert_eq!(same["members"][0]["given_as"], json!(["ship", "ferry"]));

    let unknown = uuid::Uuid::now_v7();
    assert_eq!(fleet.service.get(&format!("/datasets/{unknown}/duplicates")).await.0, 404);
}
