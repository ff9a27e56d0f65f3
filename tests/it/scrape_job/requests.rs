//! Requests that are refused, repeated, listed.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{LIMIT, against, bing_job, create, urls_job};
use crate::support::origin::Origin;

#[tokio::test]
async fn a_wrong_request_names_its_field() {
    let origin = Origin::serve(HashMap::new()).await;
    let (service, dataset) = against(&origin).await;
    let good = bing_job(&dataset, 5);
    let other = "01890000-0000-7000-8000-000000000000";
    let with = |changes: Value| {
        let mut job = good.clone();
        for (field, value) in changes.as_object().unwrap() {
            job[field] = value.clone();
        }
        job
    };
    let cases = [
        ("dataset_id", with(json!({"dataset_id": other}))),
        ("class", with(json!({"class": "yacht"}))),
        ("source", with(json!({"source": "altavista"}))),
        ("limit", with(json!({"limit": 0}))),
        ("limit", with(json!({"limit": 100_001}))),
        ("limit", with(json!({"limit": 1e30}))),
        ("phrase", with(json!({"phrase": null}))),
        ("phrase", with(json!({"phrase": " "}))),
        ("urls", with(json!({"urls": ["http://h/"]}))),
        ("urls", with(json!({"source": "urls", "phrase": null}))),
        ("urls", with(json!({"source": "urls", "phrase": null, "urls": []}))),
        ("phrase", with(json!({"source": "urls", "urls": ["http://h/"]}))),
        ("filters.size", with(json!({"filters": {"size": "huge"}}))),
    ];
    for (field, job) in cases {
        let (status, problem) = service.post("/scrape-jobs", &job).await;
        assert_eq!(status, 422, "{job} gave {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{job} gave {problem}");
    }
    let (_, problem) = service.post("/scrape-jobs", &with(json!({"source": "altavista"}))).await;
    assert!(problem["detail"].as_str().unwrap().contains("bing, urls"), "{problem}");
    let many: Vec<String> = (0..100_001).map(|n| n.to_string()).collect();
    let (status, problem) = service.post("/scrape-jobs", &urls_job(&dataset, &many, 5)).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("urls")));
    let (_, jobs) = service.get("/scrape-jobs").await;
    assert_eq!(jobs["items"], json!([]));
}

#[tokio::test]
async fn a_repeated_key_makes_one_job() {
    let origin = Origin::serve(HashMap::new()).await;
    let (service, dataset) = against(&origin).await;
    let job = urls_job(&dataset, &[origin.url("/1.png"), origin.url("/1.png")], 5);
    let (_, first) = service.post_once("/scrape-jobs", "k1", &job).await;
    let (status, second) = service.post_once("/scrape-jobs", "k1", &job).await;
    assert_eq!((status, &second["id"]), (202, &first["id"]));
    let (status, _) = service.post_once("/scrape-jobs", "k1", &bing_job(&dataset, 5)).await;
    assert_eq!(status, 422);
    let (_, jobs) = service.get(&format!("/scrape-jobs?dataset_id={dataset}&status=queued")).await;
    assert_eq!(jobs["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_there_or_has_ended_is_a_problem() {
    let origin = Origin::serve(HashMap::new()).await;
    let (service, dataset) = against(&origin).await;
    let none = "/scrape-jobs/01890000-0000-7000-8000-000000000000";
    for path in ["", "/events", "/candidates"] {
        assert_eq!(service.get(&format!("{none}{path}")).await.0, 404, "{path}");
    }
    for path in ["/cancel", "/retry"] {
        assert_eq!(service.post(&format!("{none}{path}"), &json!({})).await.0, 404, "{path}");
    }
    let path = create(&service, &urls_job(&dataset, &[origin.url("/none.png")], 5)).await;
    let (_, problem) = service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!(problem["code"], "job_not_retryable");
    let worker = service.work();
    let job = service.ended(&path, LIMIT).await;
    assert_eq!(job["outcomes"], json!({"failed:http_404": 1}), "{job}");
    let (status, problem) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_finished")));
    let (status, problem) = service.get(&format!("{path}/candidates?outcome=lost")).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("outcome")));
    worker.stop().await;
}
