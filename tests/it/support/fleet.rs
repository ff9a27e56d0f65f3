//! A dataset of drawn pictures with a running service, worker and tagger: what cleaning is tested on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use shipshape::blobs::{Blobs, Key};
use shipshape::dataset::{self, Arrival, NewClass, Origin};
use shipshape::db::{ClassId, DatasetId, ImageId, Sha256};
use shipshape::picture::{self, Limits, RgbImage};
use sqlx::PgConnection;

use super::rekognition::{RekognitionStandIn, labelled};
use super::service::{Service, TestWorker, service_on};

/// Long enough for any of these small jobs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The label model of the stand-in.
pub(crate) const VERSION: &str = "3.0";
/// What the tagger says of the reference.
const REFERENCE: [&str; 5] = ["Boat", "Vehicle", "Water", "Sea", "Sailor"];

/// An image of the fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vessel {
    pub(crate) id: ImageId,
    pub(crate) sha256: Sha256,
}

/// A dataset with the classes "ship" and "ferry", each with a reference.
pub(crate) struct Fleet {
    pub(crate) service: Arc<Service>,
    pub(crate) tagger: Arc<RekognitionStandIn>,
    pub(crate) dataset: DatasetId,
    classes: [ClassId; 2],
    _worker: Option<TestWorker>,
}

/// A service with an empty fleet.
pub(crate) async fn fleet() -> Fleet {
    begin("1000", None).await
}

/// The same with this many tagger calls a second.
pub(crate) async fn fleet_at(rate: &str) -> Fleet {
    begin(rate, None).await
}

/// The same with its bytes in this store.
pub(crate) async fn fleet_on(blobs: Blobs) -> Fleet {
    begin("1000", Some(blobs)).await
}

/// This many on one service, whose bytes may be in another store; work is left to others.
pub(crate) async fn idle_fleets(count: usize, blobs: Option<Blobs>) -> Vec<Fleet> {
    let (service, tagger) = port("1000", blobs).await;
    let founded = (0..count).map(|number| found(&service, &tagger, number, None));
    futures::future::join_all(founded).await
}

async fn begin(rate: &str, blobs: Option<Blobs>) -> Fleet {
    let (service, tagger) = port(rate, blobs).await;
    let worker = service.work();
    found(&service, &tagger, 0, Some(worker)).await
}

async fn port(rate: &str, blobs: Option<Blobs>) -> (Arc<Service>, Arc<RekognitionStandIn>) {
    let tagger = RekognitionStandIn::start([]).await;
    let flags = ["--rekognition-url", &tagger.endpoint, "--rekognition-rate", rate];
    (Arc::new(service_on(&flags, blobs).await), Arc::new(tagger))
}

async fn found(
    service: &Arc<Service>,
    tagger: &Arc<RekognitionStandIn>,
    number: usize,
    worker: Option<TestWorker>,
) -> Fleet {
    let mut connection = service.app.pool.acquire().await.unwrap();
    let classes = ["ship", "ferry"].map(|name| NewClass { name: name.into(), phrases: vec![] });
    let name = format!("fleet {number}");
    let created = dataset::insert(&mut connection, &name, &classes).await.unwrap().unwrap();
    let classes = [created.classes[0].id, created.classes[1].id];
    let (service, tagger) = (service.clone(), tagger.clone());
    let fleet = Fleet { dataset: created.id, classes, service, tagger, _worker: worker };
    for (class, seed) in classes.into_iter().zip([9001, 9002]) {
        fleet.refer(&mut connection, class, &drawing(seed, 128)).await;
    }
    drop(connection);
    fleet
}

/// A picture of blocks; another seed is another picture, another side the same one in another size.
pub(crate) fn drawing(seed: u32, side: u32) -> Vec<u8> {
    let pixels = RgbImage::from_fn(side, side, |x, y| {
        let block = (x * 8 / side) + 8 * (y * 8 / side);
        let mixed = (block + 1).wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503 + 7);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
        let grey = ((mixed ^ (mixed >> 13)) >> 24) as u8;
        image::Rgb([grey, grey, grey / 2])
    });
    picture::encode_jpeg(&pixels, 90)
}

impl Fleet {
    async fn refer(&self, connection: &mut PgConnection, class: ClassId, bytes: &[u8]) {
        let examined = picture::examine(bytes, &Limits::default()).unwrap();
        let sha256 = examined.facts.sha256;
        let bytes = Bytes::copy_from_slice(bytes);
        self.tagger.know(&bytes, labelled(VERSION, &REFERENCE));
        self.service.app.blobs.put(&Key::Reference(self.dataset, sha256), bytes).await.unwrap();
        picture::insert(connection, &examined.facts).await.unwrap();
        dataset::replace_references(connection, class, &[sha256]).await.unwrap();
    }

    /// Adds a picture to the class at `class`, of which the tagger sees `labels`.
    pub(crate) async fn add(&self, class: usize, bytes: &[u8], labels: &[&str]) -> Vessel {
        self.tagger.know(bytes, labelled(VERSION, labels));
        self.admit(self.dataset, self.classes[class], bytes).await
    }

    /// Adds a picture to a dataset of its own.
    pub(crate) async fn add_elsewhere(&self, bytes: &[u8]) -> (DatasetId, Vessel) {
        let mut connection = self.service.app.pool.acquire().await.unwrap();
        let class = NewClass { name: "ship".into(), phrases: vec![] };
        let created = dataset::insert(&mut connection, "elsewhere", &[class]).await;
        let created = created.unwrap().unwrap();
        (created.id, self.admit(created.id, created.classes[0].id, bytes).await)
    }

    async fn admit(&self, dataset: DatasetId, class: ClassId, bytes: &[u8]) -> Vessel {
        let app = &self.service.app;
        let examined = picture::examine(bytes, &Limits::default()).unwrap();
        let copy = Bytes::copy_from_slice(bytes);
        let mut transaction = app.pool.begin().await.unwrap();
        dataset::store(&mut transaction, &app.blobs, dataset, copy, &examined).await.unwrap();
        let arrival = Arrival {
            dataset,
            class,
            facts: &examined.facts,
            origin: Origin::Upload("drawing.jpg".into()),
        };
        let admission = dataset::admit(&mut transaction, &app.blobs, &arrival).await.unwrap();
        transaction.commit().await.unwrap();
        match admission {
            dataset::Admission::Stored(id) | dataset::Admission::Duplicate(id) => {
                Vessel { id, sha256: examined.facts.sha256 }
            }
            dataset::Admission::Deleted => panic!("a new picture is not deleted"),
        }
    }

    /// Adds `count` ships, drawn from `seed` up.
    pub(crate) async fn ships(&self, seed: u32, count: u32) -> Vec<Vessel> {
        let mut ships = Vec::new();
        for seed in seed..seed + count {
            ships.push(self.add(0, &drawing(seed, 128), &["Water", "Person"]).await);
        }
        ships
    }

    /// Adds what is no ship.
    pub(crate) async fn cow(&self, seed: u32) -> Vessel {
        self.add(0, &drawing(seed, 128), &["Animal", "Cow"]).await
    }

    /// Starts a job of these checks.
    pub(crate) async fn start(&self, checks: &[&str], more: Value) -> String {
        let mut body = json!({ "dataset_id": self.dataset, "checks": checks });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, job) = self.service.post("/cleaning-jobs", &body).await;
        assert_eq!(status, 202, "{job}");
        format!("/cleaning-jobs/{}", job["id"].as_str().unwrap())
    }

    /// Runs a job of these checks to its end.
    pub(crate) async fn clean(&self, checks: &[&str]) -> Value {
        let path = self.start(checks, json!({})).await;
        let job = self.service.ended(&path, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        job
    }

    /// State and class of an image.
    pub(crate) async fn state(&self, vessel: Vessel) -> (String, String) {
        let image = dataset::find_image(&self.service.app.pool, vessel.id).await.unwrap().unwrap();
        (json!(image.state).as_str().unwrap().to_owned(), image.class)
    }

    /// Whether the bytes lie in (`images/`, `flagged/`), each place only with the right bytes.
    pub(crate) async fn places(&self, vessel: Vessel) -> (bool, bool) {
        let blobs = &self.service.app.blobs;
        let here = blobs.digest(&Key::Image(self.dataset, vessel.sha256)).await.unwrap();
        let aside = blobs.digest(&Key::Flagged(self.dataset, vessel.sha256)).await.unwrap();
        for digest in [here, aside].into_iter().flatten() {
            assert_eq!(digest, vessel.sha256, "other bytes");
        }
        (here.is_some(), aside.is_some())
    }

    /// The same while the bytes may be moving: they are never in neither place.
    pub(crate) async fn places_moving(&self, vessel: Vessel) -> (bool, bool) {
        // Two looks, since a whole move may lie between the two halves of one.
        let first = self.places(vessel).await;
        let places = if first == (false, false) { self.places(vessel).await } else { first };
        assert_ne!(places, (false, false), "the bytes are gone");
        places
    }

    /// Waits until the image is in this state and its bytes lie in quarantine, or do not.
    pub(crate) async fn settled(&self, vessel: Vessel, state: &str, aside: bool) {
        super::eventually(&format!("{state}, aside: {aside}"), PATIENCE, async || {
            self.state(vessel).await.0 == state && self.places(vessel).await == (!aside, aside)
        })
        .await;
    }

    /// The tagger calls of a job by outcome; their costs are the job's.
    pub(crate) async fn ledger(&self, job: &Value) -> Value {
        let (status, page) =
            self.service.get(&format!("{}/tagger-calls?limit=200", path(job))).await;
        assert_eq!(status, 200, "{page}");
        let (mut outcomes, mut cost) = (BTreeMap::<&str, usize>::new(), 0.0);
        for call in page["items"].as_array().unwrap() {
            *outcomes.entry(call["outcome"].as_str().unwrap()).or_default() += 1;
            cost += call["cost_usd"].as_f64().unwrap();
        }
        assert!((cost - job["cost_usd"].as_f64().unwrap()).abs() < 1e-9, "{cost} dollars of {job}");
        json!(outcomes)
    }

    /// The verdicts of a job.
    pub(crate) async fn verdicts(&self, path: &str, query: &str) -> Vec<Value> {
        let (status, page) = self.service.get(&format!("{path}/verdicts?limit=200{query}")).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }
}

/// The path of a job.
pub(crate) fn path(job: &Value) -> String {
    format!("/cleaning-jobs/{}", job["id"].as_str().unwrap())
}
