//! Cleaning jobs: what they flag, what they cost, how they end, and what comes back.

use std::time::Duration;

use serde_json::json;
use shipshape::cleaning::learning::{self, FEWEST, NETWORKS, OutOfFold};
use shipshape::db::{CleaningJobId, Sha256};
use tokio::sync::RwLock;

use crate::review_queue::decide;
use crate::support::fleet::{
    Fleet, PATIENCE, drawing, fleet, fleet_at, fleet_on, idle_fleets, path,
};
use crate::support::rekognition::{failure, labelled};
use crate::support::s3::{S3StandIn, open};

/// Failpoints are the process's: who sets one takes it alone.
pub(crate) static MOVES: RwLock<()> = RwLock::const_new(());

#[tokio::test]
async fn what_shares_no_tag_with_the_references_is_flagged_and_moved_aside() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let ships = fleet.ships(1, 3).await;
    let cow = fleet.cow(50).await;
    let job = fleet.clean(&["undecodable", "too_small", "tags"]).await;
    // Three pictures to label behind the first one, and four to judge.
    assert_eq!(job["progress"], json!({"done": 7, "total": 7}));
    assert_eq!(job["counts"], json!({"passed": 3, "flagged": 1, "unscannable": 0}));
    assert_eq!(job["by_check"]["tags"], json!({"passed": 3, "flagged": 1, "unscannable": 0}));
    // The class without images needs no reference, so that one is not labelled.
    assert_eq!((fleet.tagger.requests().len(), &job["tagger_calls"]), (5, &json!(5)));
    assert!((job["cost_usd"].as_f64().unwrap() - 0.005).abs() < 1e-9);
    for ship in ships {
        assert_eq!(
            (fleet.state(ship).await.0.as_str(), fleet.places(ship).await),
            ("accepted", (true, false))
        );
    }
    assert_eq!(
        (fleet.state(cow).await.0.as_str(), fleet.places(cow).await),
        ("flagged", (false, true))
    );

    let verdicts = fleet.verdicts(&path(&job), "&check=tags&outcome=flagged").await;
    assert_eq!(verdicts.len(), 1);
    let reason = "none of Boat, Vehicle, Water, Sea among its 2 labels: Animal, Cow";
    assert_eq!(
        (&verdicts[0]["image_id"], &verdicts[0]["reason"]),
        (&json!(cow.id), &json!(reason))
    );
    assert_eq!(verdicts[0]["evidence"]["label_model_version"], "3.0");
    assert_eq!(fleet.verdicts(&path(&job), "").await.len(), 12);
}

#[tokio::test]
async fn a_second_job_costs_nothing_and_says_the_same() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 2).await;
    fleet.cow(50).await;
    let first = fleet.clean(&["tags"]).await;
    let calls = fleet.tagger.requests().len();
    let second = fleet.clean(&["tags"]).await;
    assert_eq!((fleet.tagger.requests().len(), &second["tagger_calls"]), (calls, &json!(0)));
    assert_eq!(first["counts"], second["counts"]);
}

#[tokio::test]
async fn what_learns_from_the_dataset_needs_enough_of_it() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 3).await;
    let new = json!({"dataset_id": fleet.dataset, "checks": ["label_error", "outlier"]});
    let (status, problem) = fleet.service.post("/cleaning-jobs", &new).await;
    assert_eq!((status, &problem["code"]), (409, &json!("too_few_to_learn")));
    let (_, estimate) = fleet.service.post("/cleaning-jobs/estimate", &new).await;
    assert_eq!(estimate["too_few_to_learn"], true, "{estimate}");
}

#[tokio::test]
async fn a_network_that_has_learnt_is_counted_once() {
    let _moves = MOVES.read().await;
    let fleet = idle_fleets(1, None).await.pop().unwrap();
    let ships = fleet.ships(1, FEWEST as u32).await;
    decide(&fleet, &ships[..1], json!({"decision": "reclass", "class": "ferry"})).await;
    let path = fleet.start(&["label_error"], json!({})).await;
    // Most of what it would learn from goes before it begins.
    decide(&fleet, &ships[3..], json!({"decision": "reject"})).await;
    let _worker = fleet.service.work();
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["error"]["code"], "too_few_to_learn", "{job}");
    assert_eq!(job["progress"], json!({"done": 0, "total": NETWORKS + 3}));
    let (id, pool) =
        (CleaningJobId(job["id"].as_str().unwrap().parse().unwrap()), &fleet.service.app.pool);
    let [one, other] = [b"one", b"two"].map(|lesson| Sha256::of(lesson));
    let said = |distance: f32| OutOfFold {
        probabilities: vec![0.25, 0.75],
        distances: vec![distance],
        deviations: vec![-0.5],
    };
    assert!(learning::keep(pool, (id, one), 0, &said(0.1)).await.unwrap());
    assert!(learning::keep(pool, (id, one), 5, &said(0.2)).await.unwrap());
    assert_eq!(learning::recall(pool, (id, one)).await.unwrap()[&5], said(0.2));
    // In another lesson it has said nothing yet, and is no network more.
    assert!(!learning::keep(pool, (id, other), 5, &said(0.3)).await.unwrap());
    assert_eq!(
        learning::recall(pool, (id, one)).await.unwrap().into_keys().collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(learning::kept(pool, id).await.unwrap(), 2);

    let (status, _) = fleet.service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status, 202);
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(job["progress"], json!({"done": 0, "total": NETWORKS - 2 + 3}));
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(learning::insert(&mut connection, id, &[], &[]).await.unwrap(), 2);
    assert_eq!(learning::kept(pool, id).await.unwrap(), 0);

    // Who takes the job up within a week finds what was said.
    assert!(learning::keep(pool, (id, one), 0, &said(0.1)).await.unwrap());
    for (age, kept) in [("6 days", 1), ("8 days", 0)] {
        let ended =
            "update cleaning_jobs set finished_at = now() - $2::text::interval where id = $1";
        sqlx::query(ended).bind(id).bind(age).execute(pool).await.unwrap();
        learning::sweep(pool).await.unwrap();
        assert_eq!(learning::kept(pool, id).await.unwrap(), kept, "{age}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_flagged_and_changes_nothing() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    let path = fleet.start(&["tags"], json!({"dry_run": true})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!((&job["status"], &job["counts"]["flagged"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(
        (fleet.state(cow).await.0.as_str(), fleet.places(cow).await),
        ("accepted", (true, false))
    );
    let (status, problem) = fleet.service.post(&format!("{path}/undo"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("nothing_to_undo")));
}

#[tokio::test]
async fn throttling_slows_a_job_and_fails_nothing() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 6).await;
    let slow = || failure(400, "ThrottlingException", "Slow down");
    let fast = labelled("3.0", &["Water"]);
    // The reference and the probe go through; then three calls are throttled.
    fleet.tagger.script([fast.clone(), fast, slow(), slow(), slow()]);
    let job = fleet.clean(&["tags"]).await;
    assert_eq!((&job["counts"]["passed"], &job["tagger_calls"]), (&json!(6), &json!(7)));
    assert_eq!(fleet.tagger.requests().len(), 7 + 3);

    assert_eq!(fleet.ledger(&job).await, json!({"answered": 7, "throttled": 3}));
    let ledger = format!("{}/tagger-calls", path(&job));
    let (_, first) = fleet.service.get(&format!("{ledger}?outcome=throttled&limit=2")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = format!("{ledger}?outcome=throttled&limit=2&cursor={cursor}");
    let (_, rest) = fleet.service.get(&rest).await;
    assert_eq!((first["items"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &json!(null)));
    assert_eq!(rest["items"][0]["cost_usd"], 0.0);
}

#[tokio::test]
async fn a_missing_right_ends_the_job_within_three_calls_and_a_retry_goes_on() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 20).await;
    let denied = || failure(400, "AccessDeniedException", "not authorized");
    // The reference is labelled, and then the right is taken away.
    fleet.tagger.script([labelled("3.0", &["Water"]), denied(), denied(), denied(), denied()]);
    let path = fleet.start(&["tags"], json!({})).await;
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("failed"), &json!("tagger_access_denied"))
    );
    assert!(
        job["error"]["message"].as_str().unwrap().contains("rekognition:DetectLabels"),
        "{job}"
    );
    let refused = fleet.tagger.requests().len() - 1;
    assert!((1..=3).contains(&refused), "{refused} calls");
    assert_eq!(job["tagger_calls"], 1);

    fleet.tagger.clear();
    let (status, job) = fleet.service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((status, &job["error"]), (202, &json!(null)));
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!((&job["status"], &job["counts"]["passed"]), (&json!("succeeded"), &json!(20)));
    assert_eq!(job["tagger_calls"], 21);
    let failed = fleet.tagger.requests().len() - 21;
    assert_eq!(fleet.ledger(&job).await, json!({"answered": 21, "failed": failed}));
}

#[tokio::test]
async fn what_cannot_be_scanned_is_flagged_asked_once_and_stays_where_it_is() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let tiny = fleet.add(0, &drawing(3, 64), &["Boat"]).await;
    let job = fleet.clean(&["tags"]).await;
    assert_eq!(job["counts"], json!({"passed": 0, "flagged": 0, "unscannable": 1}));
    let verdicts = fleet.verdicts(&path(&job), "&outcome=unscannable").await;
    assert_eq!(verdicts[0]["code"], "too_small_for_tagger");
    assert_eq!(
        (fleet.state(tiny).await.0.as_str(), fleet.places(tiny).await),
        ("flagged", (true, false))
    );
    assert_eq!(fleet.tagger.requests().len(), 1);
    assert_eq!(fleet.ledger(&job).await, json!({"answered": 1}));
}

#[tokio::test]
async fn labels_of_another_model_make_the_older_side_be_labelled_again() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 1).await;
    fleet.clean(&["tags"]).await;
    let bytes = drawing(70, 128);
    fleet.add(0, &bytes, &[]).await;
    fleet.tagger.know(&bytes, labelled("4.0", &["Vessel"]));
    fleet.tagger.know(&drawing(9001, 128), labelled("4.0", &["Vessel"]));
    let job = fleet.clean(&["tags"]).await;
    // The new image and the reference anew; the old image keeps its verdict by the old labels of both.
    assert_eq!((&job["tagger_calls"], &job["counts"]["passed"]), (&json!(2), &json!(2)));
    let versions: Vec<_> = fleet.verdicts(&path(&job), "").await;
    let mut versions: Vec<&str> = versions
        .iter()
        .map(|verdict| verdict["evidence"]["label_model_version"].as_str().unwrap())
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, ["3.0", "4.0"]);
}

#[tokio::test]
async fn undo_brings_everything_back_and_an_earlier_job_counts_again() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let cow = fleet.cow(50).await;
    let first = fleet.clean(&["tags"]).await;
    let second = fleet.clean(&["tags"]).await;
    let (status, undone) = fleet.service.post(&format!("{}/undo", path(&second)), &json!({})).await;
    assert_eq!((status, undone["undone_at"].is_string()), (200, true));
    fleet.settled(cow, "flagged", true).await;
    let (status, _) = fleet.service.post(&format!("{}/undo", path(&first)), &json!({})).await;
    assert_eq!(status, 200);
    fleet.settled(cow, "accepted", false).await;
    let withdrawn = fleet.verdicts(&path(&first), "&outcome=withdrawn").await;
    assert_eq!(withdrawn.len(), 1);
    let (status, again) = fleet.service.post(&format!("{}/undo", path(&first)), &json!({})).await;
    assert_eq!((status, fleet.verdicts(&path(&first), "").await.len()), (200, 2), "{again}");
    let (status, problem) =
        fleet.service.post(&format!("{}/retry", path(&first)), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_not_retryable")));
    assert!(problem["detail"].as_str().unwrap().contains("undone"), "{problem}");
}

#[tokio::test]
async fn the_same_bytes_under_two_classes_are_a_conflict() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    fleet.ships(1, 1).await;
    let both = fleet.add(0, &drawing(2, 128), &["Boat"]).await;
    fleet.add(1, &drawing(2, 128), &["Boat"]).await;
    let job = fleet.clean(&["exact_duplicate"]).await;
    assert_eq!(job["by_check"]["exact_duplicate"]["flagged"], 1);
    let verdicts = fleet.verdicts(&path(&job), "&outcome=flagged").await;
    assert_eq!(verdicts[0]["image_id"], json!(both.id));
    assert_eq!(
        verdicts[0]["reason"],
        "the same bytes were given as ship and ferry (label conflict)"
    );
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_move_loses_nothing() {
    let _moves = MOVES.write().await;
    crash_at_each_step(&fleet().await).await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_move_in_s3_loses_nothing() {
    let _moves = MOVES.write().await;
    let server = S3StandIn::start().await;
    let blobs = open(&server.endpoint, "team a", Duration::from_secs(5)).await;
    crash_at_each_step(&fleet_on(blobs).await).await;
    assert!(server.count("copy") >= 2, "the server copies, nothing goes through the service");
}

async fn crash_at_each_step(fleet: &Fleet) {
    let cow = fleet.cow(50).await;
    let points = [
        "move-planned",
        "move-copied",
        "move-copied-written",
        "move-verified",
        "move-verified-written",
        "move-recorded",
        "move-recorded-written",
        "move-deleted",
        "move-deleted-written",
        "cleaning-record",
    ];
    for point in points {
        fail::cfg(point, "1*panic(a test)->1*return->off").unwrap();
        let path = fleet.start(&["tags"], json!({})).await;
        watched(fleet, cow, "flagged", true).await;
        let job = fleet.service.ended(&path, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{point}: {job}");
        assert_eq!(fleet.verdicts(&path, "").await.len(), 1, "{point}");

        fail::cfg(point, "1*panic(a test)->1*return->off").unwrap();
        fleet.service.post(&format!("{path}/undo"), &json!({})).await;
        watched(fleet, cow, "accepted", false).await;
        fail::remove(point);
    }
}

/// Waits as `settled` does, and sees that the bytes are never in neither place.
async fn watched(fleet: &Fleet, cow: crate::support::fleet::Vessel, state: &str, aside: bool) {
    crate::support::eventually(state, PATIENCE, async || {
        fleet.places_moving(cow).await;
        fleet.state(cow).await.0 == state && fleet.places(cow).await == (!aside, aside)
    })
    .await;
}

#[tokio::test]
async fn what_a_job_cannot_be_started_with_is_named() {
    let _moves = MOVES.read().await;
    let fleet = fleet().await;
    let post = async |body| fleet.service.post("/cleaning-jobs", &body).await;
    let dataset = fleet.dataset;
    let (status, problem) =
        post(json!({"dataset_id": dataset, "checks": ["tags", "beauty"]})).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("checks[1]")));
    assert!(problem["detail"].as_str().unwrap().contains("near_duplicate"), "{problem}");
    for tags in
        [json!({"threshold": 2}), json!({"k": 0}), json!({"k": 51}), json!({"tagger": "me"})]
    {
        let body = json!({"dataset_id": dataset, "checks": ["tags"], "tags": tags});
        let (status, problem) = post(body).await;
        assert_eq!(status, 422, "{problem}");
    }
    let body = json!({"dataset_id": dataset, "checks": ["tags"], "budget_usd": -1});
    assert_eq!(post(body).await.0, 422);
    let (status, _) = post(json!({"dataset_id": uuid::Uuid::now_v7(), "checks": ["tags"]})).await;
    assert_eq!(status, 422);

    sqlx::query("delete from class_references").execute(&fleet.service.app.pool).await.unwrap();
    fleet.ships(1, 1).await;
    let (status, problem) = post(json!({"dataset_id": dataset, "checks": ["tags"]})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("references_missing")));
    assert!(problem["detail"].as_str().unwrap().contains("ship"), "{problem}");
    let estimate = json!({"dataset_id": dataset, "checks": ["tags"]});
    let (status, estimate) = fleet.service.post("/cleaning-jobs/estimate", &estimate).await;
    assert_eq!((status, &estimate["unreferenced_classes"]), (200, &json!(["ship"])));
}

#[tokio::test]
async fn a_cancelled_job_stops_and_can_go_on() {
    let _moves = MOVES.read().await;
    let fleet = fleet_at("2").await;
    fleet.ships(1, 5).await;
    let path = fleet.start(&["tags"], json!({})).await;
    let (status, job) = fleet.service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &job["status"]), (200, &json!("cancelled")));
    let (status, job) = fleet.service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &job["status"]), (200, &json!("cancelled")));
    let (status, _) = fleet.service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(status, 202);
    let job = fleet.service.ended(&path, PATIENCE).await;
    assert_eq!((&job["status"], &job["counts"]["passed"]), (&json!("succeeded"), &json!(5)));
    let progress = &job["progress"];
    assert_eq!(progress["done"], progress["total"]);
    assert!(progress["done"].as_i64().unwrap() >= 5, "{job}");
    let (status, page) = fleet.service.get("/cleaning-jobs?status=succeeded").await;
    assert_eq!((status, page["items"].as_array().unwrap().len()), (200, 1));
}
