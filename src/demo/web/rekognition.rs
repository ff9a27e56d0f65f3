//! A stand-in for Rekognition's `DetectLabels`: the real wire protocol (`awsJson1_1`), labels by the picture's sha256.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use sha2::Digest as _;

use super::Shared;
use crate::demo::labels::Label;

const LARGEST: usize = 5 * 1024 * 1024;
const SMALLEST_SIDE: u32 = 80;
const LARGEST_SIDE: u32 = 10_000;
/// The first throttled call, and after how many calls the next one comes.
const THROTTLED: (u64, u64) = (40, 250);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ask {
    image: AskedImage,
    #[serde(default = "all")]
    max_labels: usize,
    #[serde(default = "usual_cut")]
    min_confidence: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AskedImage {
    bytes: Option<String>,
}

fn all() -> usize {
    1000
}

fn usual_cut() -> f64 {
    55.0
}

/// An error of the service: its name and what it says; all but one are 400.
struct Fault(&'static str, &'static str);

/// `POST /`, as the SDK calls it.
pub(super) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/", post(detect))
        .layer(DefaultBodyLimit::max(2 * LARGEST))
        .with_state(shared)
}

async fn detect(State(web): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    const KIND: [(header::HeaderName, &str); 1] =
        [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    match labels_for(&web, &headers, &body) {
        Ok(labels) => {
            let answer = json!({"Labels": labels, "LabelModelVersion": web.label_model_version});
            (KIND, answer.to_string()).into_response()
        }
        Err(Fault(name, message)) => {
            let answer =
                json!({"__type": name, "Code": name, "Message": message, "message": message})
                    .to_string();
            (StatusCode::BAD_REQUEST, KIND, [("x-amzn-errortype", name)], answer).into_response()
        }
    }
}

fn labels_for(web: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Label>, Fault> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if text("x-amz-target") != "RekognitionService.DetectLabels" {
        return Err(Fault("UnknownOperationException", "the stand-in knows DetectLabels only"));
    }
    if !text("authorization").starts_with("AWS4-HMAC-SHA256 ") {
        return Err(Fault("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    let call = web.tagger_calls.fetch_add(1, Ordering::Relaxed) + 1;
    if call >= THROTTLED.0 && (call - THROTTLED.0).is_multiple_of(THROTTLED.1) {
        web.throttled.fetch_add(1, Ordering::Relaxed);
        return Err(Fault(
            "ThrottlingException",
            "Slow down; sudden increase in rate of requests.",
        ));
    }
    let ask: Ask = serde_json::from_slice(body)
        .map_err(|_| Fault("SerializationException", "the request cannot be read"))?;
    let encoded = ask
        .image
        .bytes
        .ok_or(Fault("InvalidS3ObjectException", "the stand-in takes inline bytes only"))?;
    let bytes = BASE64
        .decode(encoded)
        .map_err(|_| Fault("SerializationException", "Image.Bytes is not base64"))?;
    check(&bytes)?;
    let mut labels = web.labels_of(&bytes);
    labels.retain(|label| label.confidence >= ask.min_confidence);
    labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    labels.truncate(ask.max_labels);
    Ok(labels)
}

fn check(bytes: &[u8]) -> Result<(), Fault> {
    const FORMAT: Fault = Fault("InvalidImageFormatException", "Request has invalid image format");
    if bytes.len() > LARGEST {
        return Err(Fault("ImageTooLargeException", "the image is larger than 5 MB"));
    }
    let reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().ok();
    let reader = reader.ok_or(FORMAT)?;
    if !matches!(reader.format(), Some(image::ImageFormat::Jpeg | image::ImageFormat::Png)) {
        return Err(FORMAT);
    }
    let (width, height) = reader.into_dimensions().map_err(|_| FORMAT)?;
    if width.min(height) < SMALLEST_SIDE {
        return Err(Fault("InvalidParameterException", "Request has invalid image size"));
    }
    if width.max(height) > LARGEST_SIDE {
        return Err(Fault("ImageTooLargeException", "the image has too many pixels"));
    }
    Ok(())
}

/// Sixteen by sixteen grey values: what is left of a picture after it has been encoded again.
type Sketch = [u8; 256];

/// Sketches of all pictures, for bytes that were encoded again on the way.
#[derive(Debug, Default)]
pub(super) struct Sketches(Vec<(Sketch, String)>);

impl Sketches {
    pub(super) fn of<'a>(pictures: impl Iterator<Item = (&'a [u8], &'a str)>) -> Self {
        let known: HashMap<String, Sketch> = pictures
            .filter_map(|(bytes, sha256)| Some((sha256.to_owned(), sketch(bytes)?)))
            .collect();
        Self(known.into_iter().map(|(sha256, sketch)| (sketch, sha256)).collect())
    }

    /// The picture whose grey values differ least, at most 4 of 255 in the mean.
    pub(super) fn nearest(&self, bytes: &[u8]) -> Option<&str> {
        let wanted = sketch(bytes)?;
        let apart = |other: &Sketch| -> u32 {
            wanted.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
        };
        let (sketch, sha256) = self.0.iter().min_by_key(|(sketch, _)| apart(sketch))?;
        (apart(sketch) <= 4 * 256).then_some(sha256)
    }
}

fn sketch(bytes: &[u8]) -> Option<Sketch> {
    let grey = image::load_from_memory(bytes).ok()?.to_luma8();
    let small = image::imageops::thumbnail(&grey, 16, 16);
    small.into_raw().try_into().ok()
}

/// The digest that the labels are kept under.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}
