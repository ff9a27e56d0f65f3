//! Import jobs: an archive becomes images, each entry once, whoever stops on the way.

use std::io::{Cursor, Write as _};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::support::drawn::{PATIENCE, patchwork, png};
use crate::support::eventually;
use crate::support::service::{Service, service};

/// Three pictures for each of two classes, a repeat, a text file and a folder that is no class.
fn entries() -> Vec<(String, Vec<u8>)> {
    let picture = |class, number| png(&patchwork(class, number)).to_vec();
    let mut entries = Vec::new();
    for (class, name) in ["a", "b"].into_iter().enumerate() {
        for number in 0..3 {
            entries.push((format!("ships/{name}/{number}.png"), picture(class, number)));
        }
    }
    entries.push(("ships/a/again.png".into(), picture(0, 0)));
    entries.push(("ships/a/notes.png".into(), b"no picture".to_vec()));
    entries.push(("ships/c/0.png".into(), picture(2, 0)));
    entries
}

fn zipped() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in entries() {
        archive.start_file(path, SimpleFileOptions::default()).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tarred() -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, bytes) in entries() {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A dataset with the classes `a` and `b`, and the path of a job that imports the archive into it.
async fn importing(service: &Service, archive: Vec<u8>) -> (String, String) {
    let body = json!({"name": "ships", "classes": [{"name": "a"}, {"name": "b"}]});
    let (_, dataset) = service.post("/datasets", &body).await;
    let dataset = dataset["id"].as_str().unwrap().to_owned();
    let form = Form::new().part("archive", Part::bytes(archive).file_name("ships.zip"));
    let path = format!("/datasets/{dataset}/images");
    let (status, job) = service.send_form(reqwest::Method::POST, &path, form).await;
    assert_eq!((status, &job["status"]), (202, &json!("queued")), "{job}");
    (dataset, format!("/import-jobs/{}", job["id"].as_str().unwrap()))
}

async fn assert_imported(service: &Service, dataset: &str, job: &Value) {
    assert_eq!((&job["status"], &job["error"]), (&json!("succeeded"), &Value::Null));
    assert_eq!(job["progress"], json!({"done": 9, "total": 9}));
    let outcomes = json!({
        "stored": 6, "duplicate": 1, "rejected:not_image": 1, "rejected:unknown_class": 1,
    });
    assert_eq!(job["outcomes"], outcomes);
    let (_, shown) = service.get(&format!("/datasets/{dataset}")).await;
    let counts = |class: usize| shown["classes"][class]["counts"]["accepted"].clone();
    assert_eq!((counts(0), counts(1)), (json!(3), json!(3)));
    let gone = async || service.files("uploads").is_empty();
    eventually("the archive goes", PATIENCE, gone).await;
    assert_eq!(service.files(&format!("datasets/{dataset}")).len(), 6);
}

#[tokio::test]
async fn zip_and_tar_gz_become_images_by_their_folders() {
    for archive in [zipped(), tarred()] {
        let service = service(&[]).await;
        let (dataset, path) = importing(&service, archive).await;
        let worker = service.work();
        let job = service.ended(&path, PATIENCE).await;
        assert_imported(&service, &dataset, &job).await;
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_job_that_is_stopped_again_and_again_settles_each_entry_once() {
    let service = service(&[]).await;
    let (dataset, path) = importing(&service, zipped()).await;
    for _ in 0..6 {
        let worker = service.work();
        tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        worker.stop().await;
    }
    let worker = service.work();
    let job = service.ended(&path, PATIENCE).await;
    assert_imported(&service, &dataset, &job).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_is_no_archive_fails_with_its_reason() {
    let service = service(&[]).await;
    let (_, path) = importing(&service, b"PK\x03\x04 and then nothing of the kind".to_vec()).await;
    let worker = service.work();
    let job = service.ended(&path, PATIENCE).await;
    worker.stop().await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("bad_archive")));
}

#[tokio::test]
async fn events_show_a_job_to_its_end_and_a_late_watcher_its_last_state() {
    let service = service(&[]).await;
    let (_, path) = importing(&service, zipped()).await;
    let watched = service.events(&path, PATIENCE);
    let worked = async {
        let worker = service.work();
        service.ended(&path, PATIENCE).await;
        worker.stop().await;
    };
    let (shown, ()) = tokio::join!(watched, worked);
    assert!(!shown.is_empty());
    assert!(shown.windows(2).all(|pair| pair[0] != pair[1]), "an event is a change");
    let (_, job) = service.get(&path).await;
    assert_eq!(shown.last(), Some(&job));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(
        service.events(&path, PATIENCE).await,
        [job],
        "who connects again sees how it ended"
    );
    let missing = "/import-jobs/00000000-0000-7000-8000-000000000000/events";
    assert_eq!(service.get(missing).await.0, 404);
}
