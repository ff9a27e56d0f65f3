//! Rekognition's protocol: what is sent, what an answer becomes, what each error means.

use std::io::Cursor;

use aws_sdk_rekognition::config::{Credentials, Region};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::json;
use shipshape::picture;
use shipshape::tag::{Form, Labels, Rekognition, TagError, Tagger};
use tokio::io::AsyncReadExt as _;

use crate::support::rekognition::{Answer, RekognitionStandIn, failure};

async fn tagger(endpoint: &str) -> Tagger {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .load()
        .await;
    Tagger::Rekognition(Rekognition::with_config(&config, Some(endpoint.to_owned())))
}

async fn labels(tagger: &Tagger, bytes: &[u8], form: Form) -> Result<Labels, TagError> {
    tagger.labels(tagger.prepare(bytes.to_vec().into(), form).await?).await
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let pixels = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 3 % 256) as u8, (y * 5 % 256) as u8, ((x * y) % 256) as u8])
    });
    DynamicImage::from(pixels).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn boat() -> Answer {
    let labels = json!([
        {"Name": "Water", "Confidence": 97.7, "Instances": [], "Parents": [], "Aliases": [], "Categories": []},
        {"Name": "Vehicle", "Confidence": 99.8, "Parents": []},
        {"Name": "Boat", "Confidence": 99.8, "Instances": [{"BoundingBox": {"Width": 0.1, "Height": 0.1,
          "Left": 0.1, "Top": 0.1}, "Confidence": 99.8}], "Parents": [{"Name": "Vehicle"},
          {"Name": "Transportation"}], "Aliases": [{"Name": "Vessel"}],
          "Categories": [{"Name": "Vehicles and Automotive"}]},
    ]);
    (200, json!({"Labels": labels, "LabelModelVersion": "3.0"}))
}

#[tokio::test]
async fn an_answer_becomes_labels_in_the_fixed_order() {
    let server = RekognitionStandIn::start([boat()]).await;
    let bytes = picture(100, 90, ImageFormat::Jpeg);
    let labels = labels(&tagger(&server.endpoint).await, &bytes, Form::Stored).await.unwrap();
    assert_eq!(labels.model_version, "3.0");
    let names: Vec<&str> = labels.labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["Boat", "Vehicle", "Water"]);
    assert_eq!(labels.labels[0].parents, ["Vehicle", "Transportation"]);
    assert_eq!(labels.labels[0].aliases, ["Vessel"]);
    assert_eq!(labels.labels[0].categories, ["Vehicles and Automotive"]);
    assert_eq!(server.pictures(), [bytes]);
    let request = &server.requests()[0];
    assert!(request["MinConfidence"].as_f64().unwrap() < 55.0, "specific names are asked for");
}

#[tokio::test]
async fn without_credentials_the_error_says_so() {
    let server = RekognitionStandIn::start([boat()]).await;
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .build();
    let tagger = Rekognition::with_config(&config, Some(server.endpoint.clone()));
    let bytes = picture(100, 90, ImageFormat::Png);
    let answer = labels(&Tagger::Rekognition(tagger), &bytes, Form::Stored).await;
    assert_eq!(answer, Err(TagError::NoCredentials));
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn each_error_says_what_can_be_done() {
    let denied = |message: &str| TagError::AccessDenied { message: message.to_owned() };
    let cases = [
        (failure(400, "ThrottlingException", "Slow down"), TagError::Throttled),
        (
            failure(400, "ProvisionedThroughputExceededException", "Provisioned rate exceeded"),
            TagError::Throttled,
        ),
        (failure(500, "InternalServerError", "Service Unavailable"), TagError::Throttled),
        (
            failure(500, "InternalServerError", "oops"),
            TagError::Unavailable("InternalServerError: oops".into()),
        ),
        (
            failure(400, "AccessDeniedException", "not authorized to perform DetectLabels"),
            denied("AccessDeniedException: not authorized to perform DetectLabels"),
        ),
        (
            failure(400, "UnrecognizedClientException", "bad token"),
            denied("UnrecognizedClientException: bad token"),
        ),
        (
            failure(400, "InvalidParameterException", "no"),
            TagError::Refused { message: "InvalidParameterException: no".into() },
        ),
        (
            failure(400, "InvalidS3ObjectException", "region"),
            TagError::Refused { message: "InvalidS3ObjectException: region".into() },
        ),
    ];
    let bytes = picture(100, 90, ImageFormat::Png);
    for (answer, expected) in cases {
        let server = RekognitionStandIn::start([answer]).await;
        let error =
            labels(&tagger(&server.endpoint).await, &bytes, Form::Stored).await.unwrap_err();
        assert_eq!(error, expected);
        assert_eq!(server.requests().len(), 1, "pacing is decided outside: {expected:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_behind_the_request_may_have_been_paid_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            // Some of the request is read, none of it answered.
            connection.read_exact(&mut [0; 64]).await.unwrap();
        }
    });
    let bytes = picture(100, 90, ImageFormat::Png);
    let error = labels(&tagger(&endpoint).await, &bytes, Form::Stored).await.unwrap_err();
    assert!(matches!(error, TagError::Unanswered(_)), "{error:?}");
}

#[tokio::test]
async fn an_unreachable_tagger_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bytes = picture(100, 90, ImageFormat::Png);
    let error = labels(&tagger(&endpoint).await, &bytes, Form::Stored).await.unwrap_err();
    assert!(matches!(error, TagError::Unavailable(_)), "{error:?}");
    let server = RekognitionStandIn::start([(502, json!("bad gateway"))]).await;
    let error = labels(&tagger(&server.endpoint).await, &bytes, Form::Stored).await.unwrap_err();
    assert!(matches!(error, TagError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_or_cannot_be_read_may_have_been_paid_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let garbled = RekognitionStandIn::start([(200, json!("no labels"))]).await;
    let bytes = picture(100, 90, ImageFormat::Png);
    for endpoint in [&silent, &garbled.endpoint] {
        let error = labels(&tagger(endpoint).await, &bytes, Form::Stored).await.unwrap_err();
        assert!(matches!(error, TagError::Unanswered(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_picture_may_go_once_more_encoded_anew() {
    for code in ["InvalidImageFormatException", "ImageTooLargeException"] {
        let server = RekognitionStandIn::start([failure(400, code, "no"), boat()]).await;
        let (tagger, bytes) = (tagger(&server.endpoint).await, picture(100, 90, ImageFormat::Png));
        let refused = labels(&tagger, &bytes, Form::Stored).await;
        assert_eq!(refused.unwrap_err(), TagError::Unreadable);
        labels(&tagger, &bytes, Form::Reencoded).await.unwrap();
        let sent = server.pictures();
        assert_eq!(sent[0], bytes);
        assert!(sent[1].starts_with(&[0xff, 0xd8]));
    }
    let refusal = failure(400, "InvalidImageFormatException", "no");
    let server = RekognitionStandIn::start([refusal]).await;
    let bytes = picture(100, 90, ImageFormat::Png);
    let error = labels(&tagger(&server.endpoint).await, &bytes, Form::Reencoded).await.unwrap_err();
    assert_eq!(error, TagError::Unscannable { code: "invalid_image_format" });
}

#[tokio::test]
async fn other_formats_and_sizes_are_encoded_as_jpeg() {
    let cases = [
        (picture(100, 90, ImageFormat::WebP), (100, 90)),
        (picture(100, 90, ImageFormat::Gif), (100, 90)),
        (picture(12_000, 240, ImageFormat::Png), (4000, 80)),
    ];
    for (bytes, size) in cases {
        let server = RekognitionStandIn::start([boat()]).await;
        labels(&tagger(&server.endpoint).await, &bytes, Form::Stored).await.unwrap();
        let sent = picture::header(&server.pictures()[0], &picture::Limits::default()).unwrap();
        assert_eq!(sent.format, picture::Format::Jpeg);
        assert_eq!((sent.width, sent.height), size);
    }
}

#[tokio::test]
async fn what_cannot_be_scanned_is_not_sent() {
    let cases = [
        (picture(200, 79, ImageFormat::Jpeg), "too_small_for_tagger"),
        (b"<html>".to_vec(), "not_image"),
        (picture(100, 90, ImageFormat::WebP)[..60].to_vec(), "truncated"),
    ];
    for (bytes, code) in cases {
        let server = RekognitionStandIn::start([]).await;
        let error =
            labels(&tagger(&server.endpoint).await, &bytes, Form::Stored).await.unwrap_err();
        assert_eq!(error, TagError::Unscannable { code });
        assert!(server.requests().is_empty());
    }
}
