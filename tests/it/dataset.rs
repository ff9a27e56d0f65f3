//! Datasets through the API: uploads, references, and what a deletion takes along.

use std::slice;

use bytes::Bytes;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::drawn::{PATIENCE, activated, begun, drawn, frozen, patchwork, png, trained};
use crate::support::eventually;
use crate::support::service::{Service, service};

fn form(class: Option<&str>, pictures: &[Bytes]) -> Form {
    let form = class.map_or_else(Form::new, |class| Form::new().text("class", class.to_owned()));
    pictures.iter().enumerate().fold(form, |form, (number, bytes)| {
        form.part("image", Part::bytes(bytes.to_vec()).file_name(format!("{number}.png")))
    })
}

async fn upload(service: &Service, dataset: &str, form: Form) -> (u16, Value) {
    service.send_form(Method::POST, &format!("/datasets/{dataset}/images"), form).await
}

async fn created(service: &Service) -> String {
    let body = json!({"name": "ships", "classes": [{"name": "a"}, {"name": "b"}]});
    let (status, dataset) = service.post("/datasets", &body).await;
    assert_eq!(status, 201, "{dataset}");
    dataset["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_uploaded_picture_has_an_outcome_and_counts_once() {
    let service = service(&[]).await;
    let dataset = created(&service).await;
    let (one, two) = (png(&patchwork(0, 1)), png(&patchwork(0, 2)));
    let sent = [one.clone(), two, one, Bytes::from_static(b"no picture")];
    let (status, answer) = upload(&service, &dataset, form(Some("a"), &sent)).await;
    assert_eq!(status, 201, "{answer}");
    let outcomes: Vec<&str> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["stored", "stored", "duplicate", "rejected:not_image"]);
    assert_eq!(answer["items"][0]["image_id"], answer["items"][2]["image_id"]);

    let (_, shown) = service.get(&format!("/datasets/{dataset}")).await;
    assert_eq!(shown["classes"][0]["counts"]["accepted"], 2);
    let (status, problem) = upload(&service, &dataset, form(Some("c"), &sent[..1])).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("class")));
    let (status, problem) = upload(&service, &dataset, form(None, &sent[..1])).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("class")));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_the_same_bytes_at_once_leave_one_image_with_its_bytes() {
    let service = service(&[]).await;
    let dataset = created(&service).await;
    for number in 0..8 {
        let bytes = png(&patchwork(1, number));
        let forms = ["a", "b", "a", "b"].map(|class| form(Some(class), slice::from_ref(&bytes)));
        let answers = forms.map(|form| upload(&service, &dataset, form));
        let mut outcomes: Vec<String> = futures::future::join_all(answers)
            .await
            .into_iter()
            .map(|(_, answer)| answer["items"][0]["outcome"].as_str().unwrap().to_owned())
            .collect();
        outcomes.sort();
        assert_eq!(outcomes, ["duplicate", "duplicate", "duplicate", "stored"]);
    }
    assert_eq!(service.files(&format!("datasets/{dataset}")).len(), 8);
    assert_eq!(service.files("thumbnails").len(), 8);
}

#[tokio::test]
async fn a_deleted_picture_stays_away_and_its_bytes_are_taken_back() {
    let service = service(&[]).await;
    let dataset = created(&service).await;
    let bytes = png(&patchwork(0, 3));
    let (_, answer) = upload(&service, &dataset, form(Some("a"), slice::from_ref(&bytes))).await;
    let image = answer["items"][0]["image_id"].as_str().unwrap().to_owned();
    let references = format!("/datasets/{dataset}/classes/a/references");
    let reference = Form::new().text("image_id", image.clone());
    let (status, _) = service.send_form(Method::PUT, &references, reference).await;
    assert_eq!(status, 200);
    let (status, erased) = service.delete(&format!("/images/{image}")).await;
    assert_eq!((status, &erased["images"]), (200, &json!([image])));
    let (_, shown) = service.get(&format!("/datasets/{dataset}")).await;
    assert_eq!(shown["classes"][0]["references"], 0, "erased as a reference too");
    let worker = service.work();
    emptied(&service).await;
    worker.stop().await;
    let (_, answer) = upload(&service, &dataset, form(Some("a"), &[bytes])).await;
    assert_eq!(answer["items"][0]["outcome"], "skipped:deleted", "{answer}");
    assert_eq!(service.files(""), Vec::<String>::new());
}

#[tokio::test]
async fn references_are_uploads_or_images_and_replace_the_earlier_ones() {
    let service = service(&[]).await;
    let dataset = created(&service).await;
    let (_, answer) = upload(&service, &dataset, form(Some("a"), &[png(&patchwork(0, 4))])).await;
    let image = answer["items"][0]["image_id"].as_str().unwrap().to_owned();
    let path = format!("/datasets/{dataset}/classes/a/references");
    let put = Method::PUT;

    let mixed = form(None, &[png(&patchwork(0, 5))]).text("image_id", image.clone());
    let (status, shown) = service.send_form(put.clone(), &path, mixed).await;
    assert_eq!((status, &shown["classes"][0]["references"]), (200, &json!(2)), "{shown}");
    let alone = Form::new().text("image_id", image);
    let (_, shown) = service.send_form(put.clone(), &path, alone).await;
    assert_eq!(shown["classes"][0]["references"], 1);

    let broken = form(None, &[Bytes::from_static(b"no picture")]);
    let (status, problem) = service.send_form(put.clone(), &path, broken).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("image")));
    let (_, shown) = service.get(&format!("/datasets/{dataset}")).await;
    assert_eq!(shown["classes"][0]["references"], 1, "a broken request changes nothing");
}

#[tokio::test]
async fn a_dataset_with_a_model_goes_only_when_asked_twice_and_leaves_nothing() {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[8, 8]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let run = trained(&service, &snapshot, 1).await;
    activated(&service, &run).await;
    worker.stop().await;
    let waiting = begun(&service, &snapshot, 2, 2).await;

    let path = format!("/datasets/{dataset}");
    let (status, problem) = service.delete(&path).await;
    assert_eq!((status, &problem["code"]), (409, &json!("dataset_in_use")));
    let (status, _) = service.delete(&format!("{path}?cascade=true")).await;
    assert_eq!(status, 204);
    let photo = reqwest::Client::new().post(service.url("/classify")).body(png(&patchwork(0, 1)));
    let answer = photo.header("content-type", "image/png").send().await.unwrap();
    assert_eq!(answer.status(), 503, "its model answers no more");
    assert_eq!(service.get(&path).await.0, 404);
    assert_eq!(service.get(&waiting).await.0, 404);
    assert_eq!(service.get("/models").await.1["items"], json!([]));
    let worker = service.work();
    emptied(&service).await;
    worker.stop().await;
    let unfinished = sqlx::query_scalar::<_, i64>(
        "select count(*) from tasks where state in ('available', 'running')",
    );
    assert_eq!(unfinished.fetch_one(&service.app.pool).await.unwrap(), 0);
}

/// Waits until the blob store is empty.
async fn emptied(service: &Service) {
    eventually("an empty store", PATIENCE, async || service.files("").is_empty()).await;
}

#[tokio::test]
async fn a_class_with_a_history_is_merged_and_never_just_removed() {
    let service = service(&[]).await;
    let dataset = created(&service).await;
    let pictures = [png(&patchwork(0, 1)), png(&patchwork(0, 2))];
    let (_, answer) = upload(&service, &dataset, form(Some("a"), &pictures)).await;
    let image = answer["items"][0]["image_id"].clone();
    let body = json!({"image_ids": [image], "decision": "reclass", "class": "b"});
    let (status, review) = service.post("/reviews", &body).await;
    assert_eq!(status, 201, "{review}");
    let class = format!("/datasets/{dataset}/classes/a");
    let (status, problem) = service.delete(&class).await;
    assert_eq!((status, &problem["code"]), (409, &json!("class_in_use")));

    let itself = service.post(&format!("{class}/merge"), &json!({"into": "a"})).await;
    assert_eq!((itself.0, &itself.1["errors"][0]["field"]), (422, &json!("into")));
    let (status, merged) = service.post(&format!("{class}/merge"), &json!({"into": "b"})).await;
    assert_eq!(status, 200, "{merged}");
    assert_eq!(merged["classes"].as_array().unwrap().len(), 1);
    assert_eq!(merged["classes"][0]["counts"]["accepted"], 2);
    let lineage = format!("/images/{}/lineage", image.as_str().unwrap());
    let (_, lineage) = service.get(&lineage).await;
    assert_eq!(lineage["sightings"][0]["class"], "b");
    let (_, reviews) = service.get("/reviews").await;
    assert_eq!(reviews["items"].as_array().unwrap().len(), 1, "what was decided stays");

    let body = json!({"name": "c"});
    service.post(&format!("/datasets/{dataset}/classes"), &body).await;
    assert_eq!(service.delete(&format!("/datasets/{dataset}/classes/c")).await.0, 204);
}
