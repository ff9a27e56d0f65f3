//! What the S3 client says on the wire and what comes back: deadlines, errors, the copy header.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// The SDK's own default is to wait for ever.
pub(super) fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(attempt.min(Duration::from_secs(3)))
        .operation_attempt_timeout(attempt)
        .operation_timeout(3 * attempt)
        .build()
}

/// The HTTP status, where an answer came.
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether the object is not there.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

/// Whether the source of a copy changed or went, or another copy to the same place is under way.
pub(super) fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(status(error), Some(404 | 409 | 412)) && error.code() != Some("NoSuchBucket")
}

/// The server's code and words where it gave any; else what went wrong on the way to it.
pub(super) fn explain<E>(error: SdkError<E>) -> anyhow::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => anyhow!("the S3 server answered {code}: {message}"),
        (Some(code), None) => anyhow!("the S3 server answered {code}"),
        _ => match status(&error) {
            Some(status) => anyhow!("the S3 server answered {status}"),
            None => anyhow::Error::new(error),
        },
    }
}

/// A copy's source travels in a header, where it is percent-encoded except for its slashes.
pub(super) fn percent_encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(byte.into());
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_source_is_percent_encoded() {
        assert_eq!(percent_encoded("b/a c/ü+1"), "b/a%20c/%C3%BC%2B1");
    }
}
