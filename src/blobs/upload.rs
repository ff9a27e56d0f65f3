//! Uploads: small objects in one request, large ones in parts, so that no request outlives its deadline.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::{StreamExt as _, TryFutureExt as _};

use super::s3::S3;
use super::wire::{explain, timeouts};

/// Length of a part, and the longest object that goes in one request.
const PART: u64 = 16 * 1024 * 1024;

/// S3 takes no more parts than this for one object.
const MOST_PARTS: u64 = 10_000;

/// Parts on their way at once.
const AT_ONCE: usize = 4;

/// What is uploaded.
pub(super) enum Source<'a> {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file and its length.
    File(&'a Path, u64),
}

impl Source<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    async fn part(&self, at: u64, length: u64) -> anyhow::Result<ByteStream> {
        match self {
            Self::Bytes(bytes) => {
                Ok(ByteStream::from(bytes.slice(at as usize..(at + length) as usize)))
            }
            Self::File(path, _) => {
                let range = ByteStream::read_from().path(path).offset(at);
                Ok(range.length(Length::Exact(length)).build().await?)
            }
        }
    }
}

/// Stores `source` at `path`: the object appears whole, or not at all.
pub(super) async fn upload(s3: &S3, path: &str, source: Source<'_>) -> anyhow::Result<()> {
    let length = source.length();
    if length <= PART {
        let request = s3.client.put_object().bucket(&s3.bucket).key(path);
        let request = request.body(source.part(0, length).await?).customize();
        request.config_override(patient(s3, length)).send().await.map_err(explain)?;
        return Ok(());
    }
    let created = s3.client.create_multipart_upload().bucket(&s3.bucket).key(path).send().await;
    let id = created.map_err(explain)?.upload_id.context("the upload got no id")?;
    let result = send_parts(s3, path, &id, &source).await;
    if result.is_err() {
        // Parts of an upload that is never finished are kept, and paid for, until it is aborted.
        let abort = s3.client.abort_multipart_upload().bucket(&s3.bucket).key(path).upload_id(id);
        if let Err(error) = abort.send().await {
            tracing::warn!(path, error = %explain(error), "an unfinished upload stays in the bucket");
        }
    }
    result
}

async fn send_parts(s3: &S3, path: &str, id: &str, source: &Source<'_>) -> anyhow::Result<()> {
    let length = source.length();
    let size = PART.max(length.div_ceil(MOST_PARTS));
    let starts = (0..length.div_ceil(size)).map(|part| part * size);
    let failed = AtomicBool::new(false);
    let send = async |index: usize, at: u64| {
        anyhow::ensure!(!failed.load(Ordering::Relaxed), "a part before this one failed");
        let number = index as i32 + 1;
        let part_length = size.min(length - at);
        let request = s3.client.upload_part().bucket(&s3.bucket).key(path).upload_id(id);
        let request = request.part_number(number).body(source.part(at, part_length).await?);
        let request = request.customize().config_override(patient(s3, part_length));
        let etag = request.send().await.map_err(explain)?.e_tag;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(etag).build())
    };
    // Those on their way end before the upload is aborted: S3 would keep what arrives behind that.
    let sent: Vec<anyhow::Result<CompletedPart>> = futures::stream::iter(starts.enumerate())
        .map(|(index, at)| send(index, at).inspect_err(|_| failed.store(true, Ordering::Relaxed)))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let parts: Vec<CompletedPart> = sent.into_iter().collect::<anyhow::Result<_>>()?;
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let request = s3.client.complete_multipart_upload().bucket(&s3.bucket).key(path);
    let request = request.upload_id(id).multipart_upload(parts).customize();
    // The server may take its time to put many parts together.
    request.config_override(patient(s3, length.min(8 * PART))).send().await.map_err(explain)?;
    Ok(())
}

/// Deadlines that grow with the bytes to send: one second for each 256 KiB.
fn patient(s3: &S3, bytes: u64) -> aws_sdk_s3::config::Builder {
    let attempt = s3.attempt_timeout + Duration::from_secs(bytes / (256 * 1024));
    aws_sdk_s3::config::Builder::new().timeout_config(timeouts(attempt))
}
