//! Models that come back from their files, and files that are refused.

use bytes::Bytes;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use shipshape::db::{DatasetId, Sha256};

use crate::support::drawn::{PATIENCE, activated, drawn, frozen, patchwork, png, trained};
use crate::support::eventually;
use crate::support::service::{Service, service};

/// A service with an active model in a dataset of two classes.
async fn serving() -> (Service, DatasetId, String) {
    let service = service(&[]).await;
    let dataset = drawn(&service, "ships", &[12, 12]).await;
    let worker = service.work();
    let snapshot = frozen(&service, dataset).await;
    let run = trained(&service, &snapshot, 1).await;
    worker.stop().await;
    let active = activated(&service, &run).await;
    (service, dataset, active)
}

async fn download(service: &Service, path: &str) -> Bytes {
    let response = reqwest::get(service.url(path)).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.bytes().await.unwrap()
}

fn form(dataset: &str, file: Bytes) -> Form {
    let part = Part::stream(file).file_name("model");
    Form::new().text("dataset_id", dataset.to_owned()).part("file", part)
}

async fn import(service: &Service, dataset: DatasetId, file: Bytes) -> (u16, Value) {
    service.send_form(Method::POST, "/models", form(&dataset.to_string(), file)).await
}

/// What a model says of a photo, by class.
async fn answer(service: &Service, model: &str) -> Value {
    let url = service.url(&format!("/classify?model={model}"));
    let photo = png(&patchwork(1, 40));
    let request = reqwest::Client::new().post(url).header("content-type", "image/png").body(photo);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    for other in ["timings_ms", "model_id", "dataset"] {
        answer[other].take();
    }
    answer
}

#[tokio::test]
async fn a_downloaded_model_comes_back_and_answers_the_same() {
    let (service, dataset, active) = serving().await;
    let other = drawn(&service, "copies", &[2, 2]).await;
    let expected = answer(&service, &active).await;
    let (_, original) = service.get(&format!("/models/{active}")).await;
    for (path, form) in [("file", "bundle"), ("onnx", "onnx")] {
        let file = download(&service, &format!("/models/{active}/{path}")).await;
        for dataset in [dataset, other] {
            let (status, model) = import(&service, dataset, file.clone()).await;
            assert_eq!(status, 201, "{model}");
            assert_eq!(model["imported_from"], form);
            assert_eq!(model["sha256"], original["sha256"]);
            assert_eq!(model["unfamiliar_below"], original["unfamiliar_below"]);
            assert_eq!(model["training_run_id"], Value::Null);
            assert_eq!((&model["snapshot_id"], &model["active"]), (&Value::Null, &json!(false)));
            let id = model["id"].as_str().unwrap();
            assert_eq!(answer(&service, id).await, expected);
            let (_, page) = service.get(&format!("/models?dataset_id={dataset}")).await;
            assert_eq!(page["items"][0], model);
            let path = format!("/models/{id}/activate");
            let (status, activated) = service.post(&path, &json!({})).await;
            assert_eq!((status, &activated["default"]), (200, &json!(true)));
            assert_eq!(
                download(&service, &format!("/models/{id}/file")).await.len() as i64,
                model["bytes"]
            );
        }
    }
    let (status, _) = service.delete(&format!("/datasets/{other}")).await;
    assert_eq!(status, 409, "its models would go along");
    let worker = service.work();
    let (status, _) = service.delete(&format!("/datasets/{other}?cascade=true")).await;
    assert_eq!(status, 204);
    let open = "select count(*) from tasks where kind = 'bytes_removal' and state in ('available', 'running')";
    eventually("the removal ends", PATIENCE, async || {
        sqlx::query_scalar::<_, i64>(open).fetch_one(&service.app.pool).await.unwrap() == 0
    })
    .await;
    worker.stop().await;
    assert_eq!(answer(&service, &active).await, expected, "the shared file stays");
    assert_eq!(service.files("models").len(), 1);
}

#[tokio::test]
async fn an_import_happens_once_per_key_and_only_with_the_bytes_that_were_meant() {
    let (service, dataset, active) = serving().await;
    let file = download(&service, &format!("/models/{active}/file")).await;
    let send = async |key: &str, digest: String| {
        let id = dataset.to_string();
        let form = Form::new().text("dataset_id", id).text("sha256", digest);
        let form = form.part("file", Part::stream(file.clone()).file_name("m"));
        let request = reqwest::Client::new().post(service.url("/models")).multipart(form);
        let response = request.header("idempotency-key", key).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let digest = Sha256::of(&file).to_string();
    let first = send("a", digest.clone()).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(send("a", digest.clone()).await, first);
    let (_, page) = service.get("/models").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let (status, problem) = send("b", Sha256::of(b"other").to_string()).await;
    assert_eq!((status, &problem["code"]), (422, &json!("checksum_mismatch")));
    let (status, problem) = send("c", "xyz".to_owned()).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("sha256")));
}

/// The bundle with another header: `change` edits its JSON, the tensors stay.
fn with_header(file: &[u8], change: impl FnOnce(&mut Value)) -> Bytes {
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    change(&mut header);
    raw(&header.to_string(), &file[8 + length..])
}

fn raw(header: &str, data: &[u8]) -> Bytes {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), data].concat().into()
}

/// The bundle with another description of itself.
fn described(file: &[u8], change: impl FnOnce(&mut Value)) -> Bytes {
    with_header(file, |header| {
        let text = header["__metadata__"]["shipshape"].as_str().unwrap();
        let mut description: Value = serde_json::from_str(text).unwrap();
        change(&mut description);
        header["__metadata__"]["shipshape"] = json!(description.to_string());
    })
}

/// Files that are broken, from another program, or not what they say, each with status, code and a word of the detail.
fn hostile(file: &[u8]) -> Vec<(Bytes, u16, &'static str, &'static str)> {
    let start = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let mut nan = file.to_vec();
    nan[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut zeros = file.to_vec();
    zeros[start..].fill(0);
    let many = |offsets: &str| {
        let tensor = |at| {
            format!("\"t{at}\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{offsets}}}")
        };
        raw(&format!("{{{}}}", (0..1000).map(tensor).collect::<Vec<_>>().join(",")), &[0; 8])
    };
    let sized = |length: u64| Bytes::from([&length.to_le_bytes()[..], b"{}      "].concat());
    let model = "invalid_model";
    let media = "unsupported_media_type";
    vec![
        (Bytes::new(), 422, model, "safetensors"),
        (Bytes::from_static(&[0; 7]), 422, model, "safetensors"),
        (sized(1 << 63), 422, model, "header"),
        (sized(100_000_001), 422, model, "header"),
        (sized(500_000), 422, model, "safetensors"),
        (raw("{\"a\": \u{fffd}", &[]), 422, model, "safetensors"),
        (raw(&"[".repeat(100_000), &[]), 422, model, "safetensors"),
        (many("[0,8]"), 422, model, "safetensors"),
        (many("[8,0]"), 422, model, "safetensors"),
        (Bytes::copy_from_slice(&file[..file.len() - 2]), 422, model, "safetensors"),
        (Bytes::from([file, b"trailing"].concat()), 422, model, "safetensors"),
        (Bytes::from(nan), 422, model, "not finite"),
        (Bytes::from(zeros), 422, model, "all zeros"),
        (described(file, |d| d["architecture"]["conv"][1] = json!(9)), 422, model, "conv2"),
        (
            described(file, |d| d["architecture"]["conv"][0] = json!(1i64 << 40)),
            422,
            model,
            "conv[0]",
        ),
        (described(file, |d| d["architecture"]["classes"] = json!(3)), 422, model, "class names"),
        (described(file, |d| d["classes"][1] = json!("class 0")), 422, model, "class names"),
        (described(file, |d| d["classes"][1] = json!("tug")), 422, "unknown_class", "tug"),
        (described(file, |d| d["transform"] = json!("crop/9")), 422, "unknown_transform", "crop/9"),
        (described(file, |d| d["format_version"] = json!(9)), 422, model, "version 9"),
        (described(file, |d| d["path"] = json!("../../etc/passwd")), 422, model, "unknown field"),
        (with_header(file, |h| h["extra"] = h["output.bias"].clone()), 422, model, "safetensors"),
        (Bytes::from_static(b"PK\x03\x04 model.pt"), 415, media, "PyTorch"),
        (Bytes::from_static(b"\x80\x02}q\x00X"), 415, media, "pickle"),
        (Bytes::from_static(b"\x89HDF\r\n\x1a\n"), 415, media, "Keras"),
        (Bytes::from_static(b"GGUF\x03\0\0\0"), 415, media, "GGUF"),
        (Bytes::from_static(b"\x08\x08\x12\x07pytorch"), 415, media, "not exported by shipshape"),
    ]
}

#[tokio::test]
async fn hostile_files_are_refused_by_what_is_wrong_and_the_active_model_stays() {
    let (service, dataset, active) = serving().await;
    let file = download(&service, &format!("/models/{active}/file")).await;
    for (at, (bytes, status, code, word)) in hostile(&file).into_iter().enumerate() {
        let (found, problem) = import(&service, dataset, bytes).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{at}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{at}: {detail}");
    }
    let onnx = download(&service, &format!("/models/{active}/onnx")).await;
    let at = onnx.windows(4).position(|window| window == b"Relu").unwrap();
    let changed = [&onnx[..at], b"Selu", &onnx[at + 4..]].concat();
    let (status, problem) = import(&service, dataset, changed.into()).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_onnx")), "{problem}");

    let nowhere = form("0190aaaa-0000-7000-8000-000000000000", file.clone());
    let (status, problem) = service.send_form(Method::POST, "/models", nowhere).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("dataset_id")));
    let late = Form::new().part("file", Part::stream(file).file_name("model"));
    assert_eq!(service.send_form(Method::POST, "/models", late).await.0, 422);
    assert_eq!(service.post("/models", &json!({})).await.0, 415);
    let (_, page) = service.get("/models").await;
    let ids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
    assert_eq!(ids, [&json!(active)]);
    assert_eq!(page["items"][0]["default"], json!(true));
    assert_eq!(service.files("models").len(), 1);
}
