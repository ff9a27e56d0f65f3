//! Jobs that are cancelled, retried, interrupted, throttled, or meet a page that nobody can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use shipshape::queue::{Failure, Task};
use shipshape::{scrape, tasks};
use tokio::time::sleep;

use super::web::{parameter, picture, picture_at};
use super::{
    LIMIT, accepted, against, assert_stored, bing_job, create, outcome, outcomes, urls_job,
};
use crate::support::eventually;
use crate::support::origin::{Origin, Reply, ok, raw, with_head};
use crate::support::service::Service;

/// An image host that takes its time.
async fn slow_origin() -> Origin {
    Origin::answer(|path| match picture_at(path) {
        Reply::Bytes(bytes) if path.contains(".png") => {
            Reply::Late(Duration::from_millis(150), bytes)
        }
        other => other,
    })
    .await
}

fn pictures(origin: &Origin, count: u32) -> Vec<String> {
    (1..=count).map(|n| origin.url(&format!("/{n}.png"))).collect()
}

async fn until_stored(service: &Service, path: &str, least: u64) {
    let enough = async || outcome(&service.get(path).await.1, "stored") >= least;
    eventually("some pictures are stored", LIMIT, enough).await;
}

#[tokio::test]
async fn a_cancelled_job_writes_nothing_more_and_a_retry_goes_on() {
    let origin = slow_origin().await;
    let (service, dataset) = against(&origin).await;
    let path = create(&service, &urls_job(&dataset, &pictures(&origin, 150), 1000)).await;
    let worker = service.work();
    until_stored(&service, &path, 20).await;
    let begun = Instant::now();
    let (status, cancelled) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
    assert!(begun.elapsed() < Duration::from_secs(2));
    sleep(Duration::from_secs(2)).await;
    let (_, later) = service.get(&path).await;
    assert_eq!(later["outcomes"], cancelled["outcomes"]);
    let stored = outcome(&later, "stored") as usize;
    assert!((20..150).contains(&stored), "{later}");
    assert_stored(&service, &dataset, stored).await;
    let (status, same) = service.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &same), (200, &later), "cancelling twice is the same as once");

    let (status, again) = service.post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((status, &again["status"]), (202, &json!("queued")));
    let job = service.ended(&path, LIMIT).await;
    assert_eq!(job["outcomes"], json!({"stored": 150}), "{job}");
    worker.stop().await;
    assert_stored(&service, &dataset, 150).await;
}

#[tokio::test]
async fn a_job_goes_on_where_a_worker_stopped() {
    let origin = slow_origin().await;
    let (service, dataset) = against(&origin).await;
    let path = create(&service, &urls_job(&dataset, &pictures(&origin, 120), 1000)).await;
    let worker = service.work();
    until_stored(&service, &path, 10).await;
    worker.stop().await;
    let (_, halted) = service.get(&path).await;
    assert_eq!(halted["status"], "running");
    assert!(outcomes(&halted) < 120, "{halted}");
    let worker = service.work();
    let job = service.ended(&path, LIMIT).await;
    worker.stop().await;
    assert_eq!(job["outcomes"], json!({"stored": 120}), "{job}");
    assert_stored(&service, &dataset, 120).await;
    let asked = origin.seen().iter().filter(|seen| seen.path.contains(".png")).count();
    assert!(asked <= 120 + 32, "{asked} downloads for 120 pictures");
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_the_reason_to_stop() {
    let origin = Origin::answer(|path| match parameter(path, "first") {
        Some(_) => ok("text/html", br#"<ul><li><a class="iusc" m="{broken">x</a></li></ul>"#),
        None => with_head("404 Not Found", b""),
    })
    .await;
    let (service, dataset) = against(&origin).await;
    let worker = service.work();
    let path = create(&service, &bing_job(&dataset, 10)).await;
    let job = service.ended(&path, LIMIT).await;
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("succeeded"), &json!("parse_drift")));
    assert_eq!(job["outcomes"], json!({}));
    worker.stop().await;
}

#[tokio::test]
async fn a_source_that_keeps_asking_for_patience_is_left_alone() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let origin = Origin::answer(move |path| {
        if parameter(path, "first").is_some() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        with_head("429 Too Many Requests\r\nRetry-After: 1", b"")
    })
    .await;
    let (service, dataset) = against(&origin).await;
    let worker = service.work();
    let path = create(&service, &bing_job(&dataset, 10)).await;
    let job = service.ended(&path, LIMIT).await;
    assert_eq!(
        (&job["status"], &job["stop_reason"]),
        (&json!("succeeded"), &json!("rate_limited"))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 6);
    worker.stop().await;
}

#[tokio::test]
async fn a_source_that_refuses_fails_the_job() {
    let origin = Origin::answer(|_| with_head("410 Gone", b"")).await;
    let (service, dataset) = against(&origin).await;
    let worker = service.work();
    let path = create(&service, &bing_job(&dataset, 10)).await;
    let job = service.ended(&path, LIMIT).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("failed"), &json!("source_refused"))
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_host_that_fails_is_tried_three_times() {
    let tries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    let origin = Origin::answer(move |path| match path {
        "/broken.png" => {
            counter.fetch_add(1, Ordering::SeqCst);
            with_head("500 Internal Server Error", b"")
        }
        "/short.png" => raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", &picture(1)),
        path => picture_at(path),
    })
    .await;
    let (service, dataset) = against(&origin).await;
    let worker = service.work();
    let urls = [origin.url("/broken.png"), origin.url("/short.png"), origin.url("/7.png")];
    let path = create(&service, &urls_job(&dataset, &urls, 5)).await;
    let job = service.ended(&path, LIMIT).await;
    let expected = json!({"failed:http_500": 1, "failed:truncated": 1, "stored": 1});
    assert_eq!(job["outcomes"], expected, "{job}");
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_candidate_that_kills_its_workers_does_not_end_the_job() {
    let origin = Origin::answer(picture_at).await;
    let (service, dataset) = against(&origin).await;
    let path = create(&service, &urls_job(&dataset, &pictures(&origin, 3), 5)).await;
    let worker = service.work();
    let job = service.ended(&path, LIMIT).await;
    assert_eq!(job["outcomes"], json!({"stored": 3}));
    worker.stop().await;
    // As the reaper does when the last attempt's worker has died.
    let pool = &service.app.pool;
    let id: shipshape::db::ScrapeJobId = path.rsplit('/').next().unwrap().parse().unwrap();
    let reopen = "update scrape_jobs set status = 'running', finished_at = null where id = $1";
    sqlx::query(reopen).bind(id).execute(pool).await.unwrap();
    let reset =
        "update candidates set outcome = null, why = null, image_id = null, settled_at = null
                 where job_id = $1 and url like '%/2.png' returning id";
    let poison: shipshape::db::CandidateId =
        sqlx::query_scalar(reset).bind(id).fetch_one(pool).await.unwrap();
    let handlers = tasks::handlers(&service.app);
    let handler = handlers.iter().find(|handler| handler.kind() == "scrape_fetch").unwrap();
    let task = Task {
        id: shipshape::db::TaskId(id.0),
        kind: "scrape_fetch".into(),
        subject: id.0,
        payload: json!({"candidates": [[poison, 0]]}),
        attempt: 5,
        max_attempts: 5,
    };
    let failure = Failure { code: "worker_died".into(), message: "it died".into() };
    let mut transaction = pool.begin().await.unwrap();
    handler.failed(&mut transaction, &task, &failure).await.unwrap();
    transaction.commit().await.unwrap();
    let job = scrape::find_job(pool, id).await.unwrap().unwrap();
    assert_eq!(job.outcomes.get("failed:crashed"), Some(&1));
    assert!(job.status.is_finished() && job.error.is_none(), "{job:?}");
    assert_eq!(accepted(&service, &dataset).await, 3);
}
