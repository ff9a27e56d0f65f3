//! One contract for both stores, and what a bad S3 server may do.
//!
//! `SHIPSHAPE_TEST_S3=http://host:port` runs the contract against a real server with a bucket `shipshape`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use shipshape::blobs::{Blobs, Key, S3, Settings};
use shipshape::db::{DatasetId, ImportJobId, Sha256};
use uuid::Uuid;

use crate::support::s3::{Fault, S3StandIn, open};

async fn stand_in() -> (S3StandIn, Blobs) {
    let server = S3StandIn::start().await;
    let blobs = open(&server.endpoint, "team a/ü+1", Duration::from_millis(500)).await;
    (server, blobs)
}

/// A directory, and a bucket under a prefix that needs care.
async fn stores() -> (Vec<Blobs>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/when absent");
    let local = Blobs::open(path.to_str().unwrap(), None).await.unwrap();
    let bucket = match std::env::var("SHIPSHAPE_TEST_S3") {
        Ok(endpoint) => {
            open(&endpoint, &format!("t e/{}", Uuid::now_v7()), Duration::from_secs(10)).await
        }
        Err(_) => stand_in().await.1,
    };
    (vec![local, bucket], directory)
}

fn image(dataset: DatasetId, content: &str) -> (Key, Bytes) {
    let bytes = Bytes::from(content.to_owned());
    (Key::Image(dataset, Sha256::of(&bytes)), bytes)
}

#[tokio::test]
async fn what_is_put_is_read_until_it_is_deleted() {
    let (stores, _directory) = stores().await;
    for blobs in stores {
        let (key, bytes) = image(DatasetId(Uuid::now_v7()), "a ship");
        assert_eq!(blobs.get(&key).await.unwrap(), None);
        assert_eq!(blobs.head(&key).await.unwrap(), None);
        blobs.put(&key, Bytes::from_static(b"an older, longer content")).await.unwrap();
        for _ in 0..2 {
            blobs.put(&key, bytes.clone()).await.unwrap();
            assert_eq!(blobs.get(&key).await.unwrap().as_ref(), Some(&bytes));
        }
        assert_eq!(blobs.head(&key).await.unwrap().unwrap().size, 6);
        assert_eq!(blobs.digest(&key).await.unwrap(), Some(Sha256::of(b"a ship")));
        for _ in 0..2 {
            blobs.delete(&key).await.unwrap();
            assert_eq!(blobs.get(&key).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    let (stores, _directory) = stores().await;
    for blobs in stores {
        let key = Key::Thumbnail(Sha256::of(b""));
        blobs.put(&key, Bytes::new()).await.unwrap();
        assert_eq!(blobs.get(&key).await.unwrap(), Some(Bytes::new()));
    }
}

#[tokio::test]
async fn a_copy_leaves_the_source_and_may_be_repeated() {
    let (stores, _directory) = stores().await;
    for blobs in stores {
        let dataset = DatasetId(Uuid::now_v7());
        let (from, bytes) = image(dataset, "moved aside");
        let to = Key::Flagged(dataset, Sha256::of(&bytes));
        assert_eq!(blobs.copy(&from, &to).await.unwrap(), None);
        blobs.put(&from, bytes.clone()).await.unwrap();
        for _ in 0..2 {
            let copied = blobs.copy(&from, &to).await.unwrap().unwrap();
            assert_eq!(Some(copied), blobs.head(&from).await.unwrap());
            assert_eq!(blobs.get(&to).await.unwrap().as_ref(), Some(&bytes));
        }
        blobs.delete(&from).await.unwrap();
        assert_eq!(blobs.copy(&from, &to).await.unwrap(), None);
        assert_eq!(blobs.get(&to).await.unwrap(), Some(bytes));
    }
}

#[tokio::test]
async fn a_listing_has_all_pages_and_only_the_prefix() {
    let (stores, _directory) = stores().await;
    for blobs in stores {
        let (ours, theirs) = (DatasetId(Uuid::now_v7()), DatasetId(Uuid::now_v7()));
        let mut expected = Vec::new();
        for number in 0..10 {
            let (key, bytes) = image(ours, &format!("ship {number}"));
            blobs.put(&key, bytes.clone()).await.unwrap();
            expected.push(key.to_string());
            blobs.put(&image(theirs, &format!("ship {number}")).0, bytes).await.unwrap();
        }
        expected.sort();
        assert_eq!(blobs.list(&Key::dataset_prefix(ours)).await.unwrap(), expected);
        assert!(expected.iter().all(|path| path.parse::<Key>().is_ok()));
        assert_eq!(blobs.list("").await.unwrap().len(), 20);
        assert_eq!(blobs.list("checkpoints/").await.unwrap(), Vec::<String>::new());
        assert_eq!(blobs.list(&expected[0][..60]).await.unwrap(), vec![expected[0].clone()]);
    }
}

#[tokio::test]
async fn a_large_file_goes_up_in_parts_and_comes_back_whole() {
    let (stores, directory) = stores().await;
    let whole: Vec<u8> = (0..40_000_000_u32).map(|at| (at % 251) as u8).collect();
    let source = directory.path().join("archive.zip");
    std::fs::write(&source, &whole).unwrap();
    for blobs in stores {
        let key = Key::Upload(ImportJobId(Uuid::now_v7()));
        blobs.put_file(&key, &source).await.unwrap();
        let back = directory.path().join("back.zip");
        assert_eq!(blobs.get_file(&key, &back).await.unwrap(), Some(40_000_000));
        assert!(std::fs::read(&back).unwrap() == whole);
        blobs.delete(&key).await.unwrap();
        assert_eq!(blobs.get_file(&key, &back).await.unwrap(), None);
    }
}

#[tokio::test]
async fn readers_see_whole_objects_while_writers_replace_them() {
    let (stores, _directory) = stores().await;
    for blobs in stores {
        let key = Key::Thumbnail(Sha256::of(b"busy"));
        let contents = [vec![b'a'; 300_000], vec![b'b'; 200_000]].map(Bytes::from);
        blobs.put(&key, contents[0].clone()).await.unwrap();
        let (writer, target) = (blobs.clone(), contents.clone());
        let writes = tokio::spawn(async move {
            for turn in 0..20 {
                writer.put(&key, target[turn % 2].clone()).await.unwrap();
            }
        });
        for _ in 0..20 {
            assert!(contents.contains(&blobs.get(&key).await.unwrap().unwrap()));
        }
        writes.await.unwrap();
    }
}

#[tokio::test]
async fn a_half_written_file_is_no_object() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(directory.path().to_str().unwrap(), None).await.unwrap();
    blobs.put(&Key::Thumbnail(Sha256::of(b"x")), Bytes::from_static(b"x")).await.unwrap();
    std::fs::write(directory.path().join("thumbnails/.unfinished-abc"), "half").unwrap();
    assert_eq!(blobs.list("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_place_is_one_clear_sentence() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Blobs::open(file.path().to_str().unwrap(), None).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    let error = Blobs::open("gs://bucket", None).await.unwrap_err();
    assert!(error.to_string().contains("s3://bucket/prefix"), "{error}");
    let server = S3StandIn::start().await;
    let settings = Settings {
        endpoint: Some(server.endpoint),
        credentials: Some(aws_sdk_s3::config::Credentials::new("a", "b", None, None, "test")),
        ..Settings::parse("s3://absent").unwrap()
    };
    let error = S3::open(settings).await.unwrap_err();
    assert_eq!(error.to_string(), "the bucket absent does not exist");
}

#[tokio::test]
async fn passing_faults_of_the_server_are_outlasted() {
    let (server, blobs) = stand_in().await;
    let (key, bytes) = image(DatasetId(Uuid::now_v7()), "patience");
    server.fail("put", &[Fault::Internal, Fault::SlowDown]);
    blobs.put(&key, bytes.clone()).await.unwrap();
    server.fail("get", &[Fault::Internal, Fault::CutBody]);
    assert_eq!(blobs.get(&key).await.unwrap(), Some(bytes));
    assert_eq!((server.count("put"), server.count("get")), (3, 3));
}

#[tokio::test]
async fn a_stalled_answer_is_given_up_and_asked_again() {
    let (server, blobs) = stand_in().await;
    let (key, bytes) = image(DatasetId(Uuid::now_v7()), "stalled");
    blobs.put(&key, bytes.clone()).await.unwrap();
    server.fail("get", &[Fault::Stall(Duration::from_mins(1))]);
    let start = Instant::now();
    assert_eq!(blobs.get(&key).await.unwrap(), Some(bytes));
    assert!(start.elapsed() < Duration::from_secs(5));
    server.fail("head", &[Fault::Stall(Duration::from_mins(1)); 9]);
    assert!(blobs.head(&key).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_copy_survives_errors_inside_200_conflicts_and_failed_conditions() {
    let (server, blobs) = stand_in().await;
    let dataset = DatasetId(Uuid::now_v7());
    let (from, bytes) = image(dataset, "copied");
    let to = Key::Flagged(dataset, Sha256::of(&bytes));
    blobs.put(&from, bytes.clone()).await.unwrap();
    for fault in [Fault::ErrorIn200, Fault::Conflict, Fault::Precondition] {
        server.fail("copy", &[fault]);
        blobs.copy(&from, &to).await.unwrap().unwrap();
        assert_eq!(blobs.get(&to).await.unwrap().as_ref(), Some(&bytes));
        blobs.delete(&to).await.unwrap();
    }
    server.fail("copy", &[Fault::ErrorIn200; 12]);
    assert!(blobs.copy(&from, &to).await.is_err(), "an error inside 200 is no success");
    assert_eq!(blobs.get(&to).await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_no_parts() {
    let (server, blobs) = stand_in().await;
    let key = Key::Upload(ImportJobId(Uuid::now_v7()));
    let whole = Bytes::from(vec![7; 33 * 1024 * 1024]);
    server.fail("part", &[Fault::Internal]);
    blobs.put(&key, whole.clone()).await.unwrap();
    // One part is refused while another one is on its way.
    server.fail("part", &[Fault::Denied, Fault::Late(Duration::from_millis(300))]);
    let error = blobs.put(&key, whole).await.unwrap_err();
    assert!(format!("{error:#}").contains("AccessDenied"), "{error:#}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((server.unfinished_uploads(), server.count("abort")), (0, 1));
}
