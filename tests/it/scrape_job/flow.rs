//! From a phrase or a list to stored images, with an outcome for each candidate.

use serde_json::json;
use shipshape::db::ImageId;
use shipshape::{dataset, picture};

use super::web::{parameter, picture_at, results};
use super::{
    LIMIT, accepted, against, assert_stored, bing_job, create, outcome, outcomes, urls_job,
};
use crate::support::origin::{Origin, ok, with_head};

#[tokio::test]
async fn every_url_of_a_list_ends_in_one_outcome() {
    let origin = Origin::answer(|path| match path {
        "/again.png" => picture_at("/1.png"),
        "/text.png" => ok("image/png", b"<html>no picture</html>"),
        "/empty.png" => ok("image/png", b""),
        "/robots.txt" => ok("text/plain", b"User-agent: *\nDisallow: /private"),
        path => picture_at(path),
    })
    .await;
    let (service, dataset) = against(&origin).await;
    let paths = ["/1.png", "/2.png", "/3.png", "/text.png", "/empty.png", "/404.gif", "/private/1"];
    let mut urls: Vec<String> = paths.iter().map(|path| origin.url(path)).collect();
    urls.extend(["ftp://host/1.png", "not a url", "http://10.0.0.1/1.png"].map(String::from));
    urls.extend([origin.url("/1.png"), format!(" {} ", origin.url("/2.png"))]);
    let path = create(&service, &urls_job(&dataset, &urls, 100)).await;
    let worker = service.work();
    let job = service.ended(&path, LIMIT).await;
    let expected = json!({
        "stored": 3, "rejected:not_image": 1, "rejected:bad_url": 2, "rejected:ssrf": 1,
        "failed:http_404": 1, "failed:empty": 1, "skipped:robots": 1,
    });
    assert_eq!(job["outcomes"], expected, "{job}");
    assert_eq!(job["status"], "succeeded");
    assert_eq!(job["stop_reason"], "exhausted");
    assert_eq!(job["progress"], json!({"done": 10, "total": 10}));
    assert_stored(&service, &dataset, 3).await;

    let again = create(&service, &urls_job(&dataset, &[origin.url("/again.png")], 5)).await;
    let job = service.ended(&again, LIMIT).await;
    assert_eq!(job["outcomes"], json!({"duplicate": 1}));
    assert_stored(&service, &dataset, 3).await;
    worker.stop().await;
}

#[tokio::test]
async fn candidates_tell_where_a_picture_came_from() {
    let origin = Origin::answer(picture_at).await;
    let (service, dataset) = against(&origin).await;
    let urls: Vec<String> = (1..=5).map(|n| origin.url(&format!("/{n}.png"))).collect();
    let path = create(&service, &urls_job(&dataset, &urls, 5)).await;
    let worker = service.work();
    service.ended(&path, LIMIT).await;
    let (_, first) = service.get(&format!("{path}/candidates?outcome=stored&limit=3")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, rest) = service.get(&format!("{path}/candidates?limit=3&cursor={cursor}")).await;
    assert_eq!(rest["next_cursor"], json!(null));
    let items = [&first["items"], &rest["items"]].map(|items| items.as_array().unwrap().clone());
    let mut found: Vec<&str> =
        items.iter().flatten().map(|item| item["url"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, urls);
    let image = items[0][0]["image_id"].as_str().unwrap().parse::<ImageId>().unwrap();
    let sightings = dataset::list_sightings(&service.app.pool, image).await.unwrap();
    assert_eq!(sightings.len(), 1);
    assert_eq!(sightings[0].url.as_deref(), items[0][0]["url"].as_str());
    worker.stop().await;
}

#[tokio::test]
async fn a_search_stores_exactly_its_limit_with_two_workers() {
    let origin = Origin::answer(move |path| match parameter(path, "first") {
        Some(first) => results(HOST.get().unwrap(), first.parse().unwrap(), 500),
        // Every fifth result is gone, so that one round of pages is not enough.
        None if path
            .trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .is_ok_and(|n: u32| n.is_multiple_of(5)) =>
        {
            with_head("404 Not Found", b"")
        }
        None => picture_at(path),
    })
    .await;
    HOST.set(origin.address.to_string()).unwrap();
    let (service, dataset) = against(&origin).await;
    let path = create(&service, &bing_job(&dataset, 60)).await;
    let workers = [service.work(), service.work()];
    let job = service.ended(&path, LIMIT).await;
    assert_eq!(
        (&job["status"], &job["stop_reason"]),
        (&json!("succeeded"), &json!("limit_reached"))
    );
    assert_eq!(outcome(&job, "stored"), 60, "{job}");
    assert!(outcome(&job, "failed:http_404") > 0, "{job}");
    assert_eq!(job["progress"]["done"], outcomes(&job));
    assert_eq!(job["progress"]["total"], outcomes(&job));
    for worker in workers {
        worker.stop().await;
    }
    assert_stored(&service, &dataset, 60).await;
    let (_, left) = service.get(&format!("{path}/candidates?outcome=open")).await;
    assert_eq!(left["items"], json!([]));
}

static HOST: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[tokio::test]
async fn what_was_deleted_or_erased_does_not_come_back() {
    let origin = Origin::answer(picture_at).await;
    let (service, dataset) = against(&origin).await;
    let urls = [origin.url("/1.png"), origin.url("/2.png"), origin.url("/3.png")];
    let worker = service.work();
    let path = create(&service, &urls_job(&dataset, &urls, 5)).await;
    service.ended(&path, LIMIT).await;
    let (_, stored) = service.get(&format!("{path}/candidates")).await;
    let ids: Vec<ImageId> =
        (0..3).map(|n| stored["items"][n]["image_id"].as_str().unwrap().parse().unwrap()).collect();
    let pool = &service.app.pool;
    dataset::delete_image(pool, ids[0]).await.unwrap();
    let erased = dataset::find_image(pool, ids[1]).await.unwrap().unwrap();
    picture::erase(pool, erased.sha256).await.unwrap();

    let other = json!({"name": "boats", "classes": [{"name": "cruiser"}]});
    let other = service.post("/datasets", &other).await.1["id"].as_str().unwrap().to_owned();
    let same = service.ended(&create(&service, &urls_job(&dataset, &urls, 5)).await, LIMIT).await;
    assert_eq!(same["outcomes"], json!({"skipped:deleted": 2, "duplicate": 1}), "{same}");
    let new = service.ended(&create(&service, &urls_job(&other, &urls, 5)).await, LIMIT).await;
    assert_eq!(new["outcomes"], json!({"skipped:deleted": 1, "stored": 2}), "{new}");
    worker.stop().await;
    assert_eq!(accepted(&service, &other).await, 2);
    assert_eq!(service.files(&format!("datasets/{other}/images")).len(), 2);
}
