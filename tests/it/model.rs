//! Models: the registry, the file, and activation.

use bytes::Bytes;
use serde_json::json;
use shipshape::blobs::Key;
use shipshape::db::Sha256;

use crate::support::drawn::{activated, drawn, frozen, trained};
use crate::support::service::service;

#[tokio::test]
async fn a_model_knows_where_it_comes_from_and_its_file_is_what_it_says() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[8, 8]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let run = trained(&service, &snapshot, 1).await;
    worker.stop().await;
    let id = run["model_id"].as_str().unwrap();
    let (_, model) = service.get(&format!("/models/{id}")).await;
    assert_eq!(model["training_run_id"], run["id"]);
    assert_eq!(model["snapshot_id"], snapshot["id"]);
    assert_eq!(model["dataset_id"], snapshot["dataset_id"]);
    assert_eq!(model["test_accuracy"], run["test_accuracy"]);
    assert_eq!((&model["active"], &model["default"]), (&json!(false), &json!(false)));
    let (_, page) = service.get(&format!("/models?dataset_id={dataset}")).await;
    assert_eq!(page["items"], json!([model]));

    let client = reqwest::Client::new();
    let url = service.url(&format!("/models/{id}/file"));
    let response = client.get(&url).send().await.unwrap();
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let file = response.bytes().await.unwrap();
    assert_eq!(etag, format!("\"{}\"", Sha256::of(&file)));
    assert_eq!(json!(Sha256::of(&file).to_string()), model["sha256"]);
    assert_eq!(json!(file.len()), model["bytes"]);
    let again = client.get(&url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(again.status(), 304);
}

#[tokio::test]
async fn a_model_that_does_not_verify_is_refused_and_the_old_one_stays() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[8, 8]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let first = trained(&service, &snapshot, 1).await;
    let second = trained(&service, &snapshot, 2).await;
    worker.stop().await;
    let old = activated(&service, &first).await;
    assert_eq!(activated(&service, &first).await, old);
    let activations = sqlx::query_scalar::<_, i64>("select count(*) from activations");
    assert_eq!(activations.fetch_one(&service.app.pool).await.unwrap(), 1, "once is enough");

    let id = second["model_id"].as_str().unwrap();
    let (_, model) = service.get(&format!("/models/{id}")).await;
    let key = Key::Model(model["sha256"].as_str().unwrap().parse().unwrap());
    let mut file = service.app.blobs.get(&key).await.unwrap().unwrap().to_vec();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    service.app.blobs.put(&key, Bytes::from(file)).await.unwrap();
    for broken in ["one flipped bit", "no file"] {
        let (status, problem) = service.post(&format!("/models/{id}/activate"), &json!({})).await;
        assert_eq!((status, &problem["code"]), (409, &json!("model_unusable")), "{broken}");
        service.app.blobs.delete(&key).await.unwrap();
    }
    let (_, model) = service.get(&format!("/models/{old}")).await;
    assert_eq!((&model["active"], &model["default"]), (&json!(true), &json!(true)));
    let unknown = "/models/0190aaaa-0000-7000-8000-000000000000/activate";
    assert_eq!(service.post(unknown, &json!({})).await.0, 404);
}
