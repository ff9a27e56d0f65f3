//! Amazon Rekognition's `DetectLabels`: what it takes, what it answers, and what its errors mean.

use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::config::retry::RetryConfig;
use aws_sdk_rekognition::config::timeout::TimeoutConfig;
use aws_sdk_rekognition::config::{Credentials, Region};
use aws_sdk_rekognition::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_rekognition::operation::detect_labels::{DetectLabelsError, DetectLabelsOutput};
use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types;
use bytes::Bytes;

use super::{Form, Label, Labels, Prepared, TagError, generous, unscannable};
use crate::picture::{self, Format};

/// What is asked for: well under the service's own 55, because specific names ("Cruiser") stand beside that cut. All
/// that comes is kept, and the caller applies its own threshold; a later job with another one costs nothing.
pub const MIN_CONFIDENCE: f32 = 20.0;

/// Most labels asked for in one answer.
const MAX_LABELS: i32 = 100;

/// Longest picture that travels inside the request, in bytes.
const MAX_BYTES: usize = 5 * 1024 * 1024;

/// Shortest and longest side that the service reads, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 80..=10_000;

/// Longest side of a picture that has to be encoded anew.
const REENCODED_SIDE: u32 = 2048;

/// A client of `DetectLabels`. Cheap to clone.
///
/// It paces nothing and retries nothing: how often to call is decided over all workers, outside.
#[derive(Debug, Clone)]
pub struct Rekognition {
    client: Client,
}

impl Rekognition {
    /// A client by AWS's usual variables and files; `endpoint` goes before `AWS_ENDPOINT_URL_REKOGNITION`.
    pub async fn new(endpoint: Option<String>) -> Self {
        let region = RegionProviderChain::default_provider().or_else("us-east-1");
        let config = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
        Self::with_config(&config, endpoint)
    }

    /// A client of a stand-in at `endpoint`, with made-up credentials.
    pub async fn stand_in(endpoint: String) -> Self {
        let credentials = Credentials::new("stand-in", "stand-in", None, None, "loopback");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials)
            .load()
            .await;
        Self::with_config(&config, Some(endpoint))
    }

    /// A client with credentials and region from `config`.
    pub fn with_config(config: &SdkConfig, endpoint: Option<String>) -> Self {
        let mut config = aws_sdk_rekognition::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(3))
                    .operation_attempt_timeout(Duration::from_secs(10))
                    .operation_timeout(Duration::from_secs(30))
                    .build(),
            );
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self { client: Client::from_conf(config.build()) }
    }

    /// The picture in `bytes` as it travels.
    ///
    /// JPEG and PNG within the service's bounds travel as they are; others, and all in [`Form::Reencoded`], are encoded
    /// anew as JPEG.
    pub(super) async fn prepare(&self, bytes: Bytes, form: Form) -> Result<Prepared, TagError> {
        if !fits(&bytes)? || form == Form::Reencoded {
            return Ok(Prepared { bytes: reencoded(bytes).await?, form: Form::Reencoded });
        }
        Ok(Prepared { bytes, form })
    }

    /// The labels of a picture, by one call. Bytes that the service refuses as they are stored end
    /// [`TagError::Unreadable`].
    pub(super) async fn detect(&self, picture: Prepared) -> Result<Labels, TagError> {
        let image = types::Image::builder().bytes(Blob::new(picture.bytes)).build();
        let request = self.client.detect_labels().image(image);
        let request = request.max_labels(MAX_LABELS).min_confidence(MIN_CONFIDENCE);
        match request.send().await.map_err(|error| reading(&error)) {
            Err(TagError::Unscannable { .. }) if picture.form == Form::Stored => {
                Err(TagError::Unreadable)
            }
            answered => answered.map(answer),
        }
    }
}

fn answer(output: DetectLabelsOutput) -> Labels {
    let labels = output.labels.unwrap_or_default().into_iter().filter_map(|label| {
        Some(Label {
            name: label.name?,
            confidence: label.confidence?,
            parents: names(label.parents, |parent| parent.name),
            aliases: names(label.aliases, |alias| alias.name),
            categories: names(label.categories, |category| category.name),
        })
    });
    Labels::new(output.label_model_version.unwrap_or_default(), labels.collect())
}

fn names<T>(items: Option<Vec<T>>, name: impl Fn(T) -> Option<String>) -> Vec<String> {
    items.unwrap_or_default().into_iter().filter_map(name).collect()
}

/// What each error means for the picture, the job and the pace.
fn reading(error: &SdkError<DetectLabelsError>) -> TagError {
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let words = error.message().unwrap_or("no reason given");
    match error.code() {
        Some(
            "ThrottlingException"
            | "Throttling"
            | "ProvisionedThroughputExceededException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown",
        ) => TagError::Throttled,
        Some("InvalidImageFormatException") => {
            TagError::Unscannable { code: "invalid_image_format" }
        }
        Some("ImageTooLargeException") => TagError::Unscannable { code: "image_too_large" },
        Some(
            code @ ("AccessDeniedException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignatureException"
            | "OptInRequired"
            | "NotAuthorized"),
        ) => TagError::AccessDenied { message: format!("{code}: {words}") },
        // The service says so under sudden load.
        _ if status == 500 && words == "Service Unavailable" => TagError::Throttled,
        _ if status == 429 => TagError::Throttled,
        _ if status == 401 || status == 403 => TagError::AccessDenied { message: words.to_owned() },
        Some(code) if (400..500).contains(&status) => {
            TagError::Refused { message: format!("{code}: {words}") }
        }
        Some(code) => TagError::Unavailable(format!("{code}: {words}")),
        None => unreached(error, status),
    }
}

/// No code: the service was not reached, or gave no answer that can be read, or there are no credentials to reach it with.
fn unreached(error: &SdkError<DetectLabelsError>, status: u16) -> TagError {
    let chain = DisplayErrorContext(error).to_string();
    if status == 0 && (chain.contains("Credentials") || chain.contains("credential")) {
        return TagError::NoCredentials;
    }
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    // hyper-util's words for a connection that did not come about, and smithy's for one that took too long.
    let unconnected = chain.contains("(Connect)") || chain.contains("connect timeout");
    match error {
        SdkError::ConstructionFailure(_) => TagError::Unavailable(reason),
        // Another answer than the one that is paid for.
        _ if status != 0 && status != 200 => TagError::Unavailable(reason),
        _ if unconnected => TagError::Unavailable(reason),
        // The request was on its way: the service may have done its work.
        _ => TagError::Unanswered(reason),
    }
}

/// Whether the service takes these bytes as they are.
fn fits(bytes: &[u8]) -> Result<bool, TagError> {
    let header = picture::header(bytes, &generous()).map_err(|why| unscannable(&why))?;
    let (short, long) = (header.width.min(header.height), header.width.max(header.height));
    if short < *SIDES.start() {
        return Err(TagError::Unscannable { code: "too_small_for_tagger" });
    }
    let known = matches!(header.format, Format::Jpeg | Format::Png);
    Ok(known && bytes.len() <= MAX_BYTES && long <= *SIDES.end())
}

async fn reencoded(bytes: Bytes) -> Result<Bytes, TagError> {
    tokio::task::spawn_blocking(move || {
        let mut pixels = picture::decode(&bytes, &generous()).map_err(|why| unscannable(&why))?;
        let (short, long) =
            (pixels.width().min(pixels.height()), pixels.width().max(pixels.height()));
        // A long, narrow picture stays longer, so that its short side is not lost.
        let least = (long * SIDES.start()).div_ceil(short).min(*SIDES.end());
        for side in [REENCODED_SIDE.max(least), REENCODED_SIDE.max(least) / 2] {
            pixels = picture::fit(pixels, side);
            let jpeg = picture::encode_jpeg(&pixels, 85);
            if jpeg.len() <= MAX_BYTES {
                return Ok(jpeg.into());
            }
        }
        Err(TagError::Unscannable { code: "too_large_for_tagger" })
    })
    .await
    .map_err(|_| TagError::Unavailable("the picture was not encoded".to_owned()))?
}
