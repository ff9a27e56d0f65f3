//! Datasets of small drawn pictures, and models trained on them.

use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use shipshape::blobs::Key;
use shipshape::dataset::{self, Admission, Arrival, NewClass, Origin};
use shipshape::db::{ClassId, DatasetId, ImageId};
use shipshape::nn::rng::{Purpose, Stream};
use shipshape::picture::{self, Limits};

use super::service::Service;

/// Longer than any of these runs takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A patchwork in the colour of its class, the same for the same numbers; no two look alike.
pub(crate) fn patchwork(class: usize, number: u64) -> RgbImage {
    let mut stream = Stream::new(number, Purpose::Augment, class as u64, 0);
    let patches: Vec<u8> = (0..64).map(|_| stream.below(200) as u8).collect();
    RgbImage::from_fn(32, 32, |x, y| {
        let level = patches[(y / 4 * 8 + x / 4) as usize];
        let mut colour = [level, level, level];
        colour[class % 3] = level + 55;
        Rgb(colour)
    })
}

pub(crate) fn png(pixels: &RgbImage) -> Bytes {
    encoded(pixels, ImageFormat::Png)
}

pub(crate) fn encoded(pixels: &RgbImage, format: ImageFormat) -> Bytes {
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner().into()
}

/// A dataset with a class per count, each with so many patchworks.
pub(crate) async fn drawn(service: &Service, name: &str, counts: &[usize]) -> DatasetId {
    let class = |class: usize| NewClass { name: format!("class {class}"), phrases: Vec::new() };
    let classes: Vec<NewClass> = (0..counts.len()).map(class).collect();
    let mut connection = service.app.pool.acquire().await.unwrap();
    let created = dataset::insert(&mut connection, name, &classes).await.unwrap();
    let id = created.expect("the name is free").id;
    for (class, count) in counts.iter().enumerate() {
        for number in 0..*count as u64 {
            admit(service, id, class, png(&patchwork(class, number))).await;
        }
    }
    id
}

/// Puts a picture into a class of a dataset made by [`drawn`].
pub(crate) async fn admit(
    service: &Service,
    dataset: DatasetId,
    class: usize,
    bytes: Bytes,
) -> ImageId {
    let facts = picture::examine(&bytes, &Limits::default()).unwrap().facts;
    let key = Key::Image(dataset, facts.sha256);
    service.app.blobs.put(&key, bytes).await.unwrap();
    let mut connection = service.app.pool.acquire().await.unwrap();
    let name = format!("class {class}");
    let class: ClassId =
        dataset::find_class(&mut *connection, dataset, &name).await.unwrap().unwrap();
    let origin = Origin::Upload("drawn.png".into());
    let arrival = Arrival { dataset, class, facts: &facts, origin };
    match dataset::admit(&mut connection, &service.app.blobs, &arrival).await.unwrap() {
        Admission::Stored(id) => id,
        other => panic!("{other:?}"),
    }
}

/// A network that trains in a moment.
pub(crate) fn tiny_recipe(epochs: u32) -> Value {
    json!({
        "conv": [4, 8], "dense": [8], "dropout": [0.2], "image_size": 32, "epochs": epochs,
        "batch_size": 8, "learning_rate": 0.005, "augment": {"shear_degrees": 5, "zoom": 0.1},
    })
}

/// Freezes the dataset; a worker must be running.
pub(crate) async fn frozen(service: &Service, dataset: DatasetId) -> Value {
    let path = format!("/datasets/{dataset}/snapshots");
    let (status, snapshot) = service.post(&path, &json!({"test_fraction": 0.25})).await;
    assert_eq!(status, 202, "{snapshot}");
    let path = format!("/snapshots/{}", snapshot["id"].as_str().unwrap());
    let snapshot = service.ended(&path, PATIENCE).await;
    assert_eq!(snapshot["status"], "succeeded", "{snapshot}");
    snapshot
}

/// Begins a run and returns its path.
pub(crate) async fn begun(service: &Service, snapshot: &Value, seed: u64, epochs: u32) -> String {
    let run = json!({
        "snapshot_id": snapshot["id"], "seed": seed, "recipe": tiny_recipe(epochs),
    });
    let (status, run) = service.post("/training-runs", &run).await;
    assert_eq!(status, 202, "{run}");
    format!("/training-runs/{}", run["id"].as_str().unwrap())
}

/// Trains for two epochs and returns the run.
pub(crate) async fn trained(service: &Service, snapshot: &Value, seed: u64) -> Value {
    let path = begun(service, snapshot, seed, 2).await;
    let run = service.ended(&path, PATIENCE).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    run
}

/// Lets the run's model answer; returns its id.
pub(crate) async fn activated(service: &Service, run: &Value) -> String {
    let id = run["model_id"].as_str().unwrap().to_owned();
    let (status, model) = service.post(&format!("/models/{id}/activate"), &json!({})).await;
    assert_eq!((status, &model["active"]), (200, &json!(true)), "{model}");
    id
}
