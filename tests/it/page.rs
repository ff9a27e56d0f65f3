//! Lists in their named orders: every page, forth and back, and cursors that do not fit.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::service::{Service, service};

/// The values of `key` over all pages of two rows.
async fn walk(service: &Service, list: &str, key: &str) -> Vec<Value> {
    let (mut values, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = service.get(&format!("{list}&limit=2{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        values.extend(items.iter().map(|item| item[key].clone()));
        let Some(next) = page["next_cursor"].as_str() else { return values };
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        cursor = format!("&cursor={next}");
    }
}

async fn datasets(service: &Service) {
    for name in ["middle", "a & b.c", "zumwalt", "Ärger", "middle 2"] {
        let (status, _) = service.post("/datasets", &json!({"name": name})).await;
        assert_eq!(status, 201);
    }
}

/// Five runs on one snapshot: (test accuracy, gap), one of them without a result.
async fn runs(pool: &PgPool) {
    sqlx::raw_sql(
        "insert into snapshots (dataset_id, test_fraction, seed, status)
             select id, 0.2, 1, 'succeeded' from datasets limit 1;
         insert into training_runs (snapshot_id, recipe, seed, total, train_accuracy, test_accuracy)
             select s.id, (select row_to_json(r)::jsonb from (select 1) r), n, 1, r.train, r.test
             from snapshots s, (values (1, 0.9, 0.7), (2, 0.8, 0.8), (3, null, null), (4, 1.0, 0.7),
                                       (5, 0.95, 0.9)) r (n, train, test)
             order by n",
    )
    .execute(pool)
    .await
    .unwrap();
    let recipe = serde_json::to_value(shipshape::training::Recipe::default()).unwrap();
    sqlx::query("update training_runs set recipe = $1").bind(recipe).execute(pool).await.unwrap();
}

#[tokio::test]
async fn each_order_visits_every_row_once() {
    let service = service(&[]).await;
    datasets(&service).await;
    let oldest = walk(&service, "/datasets?sort=oldest", "name").await;
    assert_eq!(oldest, ["middle", "a & b.c", "zumwalt", "Ärger", "middle 2"]);
    let newest = walk(&service, "/datasets?sort=newest", "name").await;
    assert_eq!(newest, oldest.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(walk(&service, "/datasets?", "name").await, newest);
    let mut named = walk(&service, "/datasets?sort=name", "name").await;
    assert_eq!(named.len(), 5);
    named.sort_by_key(ToString::to_string);
    named.dedup();
    assert_eq!(named.len(), 5, "each once");

    runs(&service.app.pool).await;
    let seeds = async |sort: &str| walk(&service, &format!("/training-runs?{sort}"), "seed").await;
    assert_eq!(seeds("sort=oldest").await, [1, 2, 3, 4, 5]);
    assert_eq!(seeds("").await, [5, 4, 3, 2, 1]);
    assert_eq!(seeds("sort=test_accuracy").await, [5, 2, 4, 1, 3]);
    assert_eq!(seeds("sort=gap").await, [2, 5, 1, 4, 3]);
    assert_eq!(seeds("sort=gap&status=succeeded").await, [0; 0]);
}

#[tokio::test]
async fn a_sort_or_cursor_that_does_not_fit_is_told_what_would() {
    let service = service(&[]).await;
    datasets(&service).await;
    let (status, problem) = service.get("/datasets?sort=size").await;
    assert_eq!(status, 422);
    assert_eq!(problem["errors"][0]["field"], "sort", "{problem}");
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("newest, oldest, name"), "{message}");
    let (_, page) = service.get("/datasets?sort=oldest&limit=1").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let (status, problem) = service.get(&format!("/datasets?sort=newest&cursor={cursor}")).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("cursor")));
    assert!(problem["detail"].as_str().unwrap().contains("sort=oldest"), "{problem}");
}

#[tokio::test]
async fn an_answer_keeps_the_declared_order_of_its_keys_when_it_is_repeated() {
    let service = service(&[]).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = reqwest::Client::new()
            .post(service.url("/datasets"))
            .header("idempotency-key", "once")
            .json(&json!({"name": "ships"}));
        answers.push(request.send().await.unwrap().text().await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    let at = |key: &str| answers[0].find(&format!("\"{key}\"")).unwrap();
    assert!(
        at("id") < at("name") && at("name") < at("classes") && at("classes") < at("created_at")
    );
}

#[tokio::test]
async fn every_order_of_the_document_is_answered_and_no_other() {
    let service = service(&[]).await;
    let document = serde_json::to_value(shipshape::api::document()).unwrap();
    let mut lists = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array();
        let sort = parameters.and_then(|all| all.iter().find(|one| one["name"] == "sort"));
        let Some(sort) = sort else { continue };
        let orders = orders(sort);
        assert!(orders.len() >= 2, "{path}: {sort}");
        for order in &orders {
            let (status, page) = service.get(&format!("{path}?sort={order}")).await;
            assert_eq!((status, &page["items"]), (200, &json!([])), "{path} by {order}: {page}");
        }
        let (status, problem) = service.get(&format!("{path}?sort=surely")).await;
        assert_eq!(status, 422, "{path}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(orders.iter().all(|order| detail.contains(order)), "{path}: {detail}");
        lists += 1;
    }
    assert_eq!(lists, 10, "datasets, images, three kinds of jobs, snapshots, runs, and so on");
}

/// The names in a parameter's schema, wherever it keeps them.
fn orders(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => match map.get("enum").and_then(Value::as_array) {
            Some(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => map.values().flat_map(orders).collect(),
        },
        Value::Array(items) => items
            .iter()
            .flat_map(|item| match item["const"].as_str() {
                Some(name) => vec![name.to_owned()],
                None => orders(item),
            })
            .collect(),
        _ => Vec::new(),
    }
}
