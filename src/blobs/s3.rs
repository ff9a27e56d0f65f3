//! Objects in a bucket, on AWS or on any server that speaks its protocol.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use aws_config::BehaviorVersion;
use aws_config::meta::region::RegionProviderChain;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::upload::{self, Source};
use super::wire::{explain, is_conflict, is_missing, percent_encoded, status, timeouts};
use super::{Key, Meta};

/// How often an operation that the SDK does not repeat by itself is tried: a body cut off half-way, a copy of a source that
/// just changed.
const TRIES: u32 = 3;

/// Where the bucket is and how patient to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bucket's name.
    pub bucket: String,
    /// What the paths of all objects begin with; empty, or without a slash at either end.
    pub prefix: String,
    /// Base URL of the server; `None` asks the AWS variables, and then AWS itself.
    pub endpoint: Option<String>,
    /// Credentials; `None` asks AWS's usual chain.
    pub credentials: Option<Credentials>,
    /// How long one attempt may take; the whole operation may take three times as long.
    pub attempt_timeout: Duration,
}

impl Settings {
    /// Reads `s3://bucket/prefix`.
    pub fn parse(spec: &str) -> anyhow::Result<Self> {
        let rest = spec.strip_prefix("s3://").context("an S3 place begins with s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        ensure!(!bucket.is_empty(), "{spec}: no bucket, expected s3://bucket/prefix");
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            endpoint: endpoint(),
            credentials: None,
            attempt_timeout: Duration::from_secs(10),
        })
    }
}

/// Base URL of the S3 server by the AWS variables, if they name one.
pub fn endpoint() -> Option<String> {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()))
}

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    pub(super) client: Client,
    pub(super) bucket: String,
    prefix: String,
    pub(super) attempt_timeout: Duration,
}

impl S3 {
    /// Connects and looks the bucket up, so that a wrong name or address is known at the start.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let Settings { bucket, prefix, endpoint, credentials, attempt_timeout } = settings;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts(attempt_timeout))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(4)
                    .with_initial_backoff(Duration::from_millis(200)),
            );
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials);
        }
        let in_env =
            ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().any(|name| std::env::var(name).is_ok());
        loader = match &endpoint {
            // A server of one's own rarely has regions, and asking the cloud for one takes seconds.
            Some(_) if !in_env => loader.region(Region::from_static("us-east-1")),
            _ => loader.region(RegionProviderChain::default_provider().or_else("us-east-1")),
        };
        let mut config = aws_sdk_s3::config::Builder::from(&loader.load().await)
            // Servers other than AWS's refuse the newer checksum trailers.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .force_path_style(endpoint.is_some());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        let client = Client::from_conf(config.build());
        match client.head_bucket().bucket(&bucket).send().await {
            Err(error) if status(&error) == Some(403) => {
                tracing::warn!(
                    bucket,
                    "this account may not look the bucket up; its objects may still work"
                );
            }
            Err(error) if status(&error) == Some(404) => {
                return Err(anyhow!("the bucket {bucket} does not exist"));
            }
            result => {
                result.map_err(explain).with_context(|| format!("reach the bucket {bucket}"))?;
            }
        }
        Ok(Self { client, bucket, prefix, attempt_timeout })
    }

    pub(super) fn path(&self, key: &Key) -> String {
        self.under_prefix(&key.to_string())
    }

    fn under_prefix(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    pub(super) async fn put(&self, key: &Key, bytes: Bytes) -> anyhow::Result<()> {
        upload::upload(self, &self.path(key), Source::Bytes(bytes)).await
    }

    pub(super) async fn put_file(&self, key: &Key, path: &Path) -> anyhow::Result<()> {
        let length = tokio::fs::metadata(path).await?.len();
        upload::upload(self, &self.path(key), Source::File(path, length)).await
    }

    pub(super) async fn get(&self, key: &Key) -> anyhow::Result<Option<Bytes>> {
        let mut tries = 1;
        loop {
            let result =
                self.client.get_object().bucket(&self.bucket).key(self.path(key)).send().await;
            let object = match result {
                Err(error) if is_missing(&error) => return Ok(None),
                result => result.map_err(explain)?,
            };
            // The SDK's own deadlines end with the headers.
            match timeout(3 * self.attempt_timeout, object.body.collect()).await {
                Ok(Ok(body)) => return Ok(Some(body.into_bytes())),
                Ok(Err(error)) if tries == TRIES => return Err(error.into()),
                Err(_) if tries == TRIES => return Err(anyhow!("the body did not come in time")),
                _ => tries += 1,
            }
        }
    }

    pub(super) async fn get_file(&self, key: &Key, path: &Path) -> anyhow::Result<Option<u64>> {
        let result = self.client.get_object().bucket(&self.bucket).key(self.path(key)).send().await;
        let mut object = match result {
            Err(error) if is_missing(&error) => return Ok(None),
            result => result.map_err(explain)?,
        };
        let mut file = tokio::fs::File::create(path).await?;
        let mut length = 0;
        while let Some(chunk) = timeout(3 * self.attempt_timeout, object.body.next())
            .await
            .context("the body stopped coming")?
        {
            let chunk = chunk?;
            length += chunk.len() as u64;
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        Ok(Some(length))
    }

    pub(super) async fn head(&self, key: &Key) -> anyhow::Result<Option<Meta>> {
        match self.client.head_object().bucket(&self.bucket).key(self.path(key)).send().await {
            Err(error) if is_missing(&error) => Ok(None),
            result => {
                let object = result.map_err(explain)?;
                let size = object.content_length.unwrap_or_default().try_into()?;
                Ok(Some(Meta { size, etag: object.e_tag }))
            }
        }
    }

    pub(super) async fn copy(&self, from: &Key, to: &Key) -> anyhow::Result<Option<Meta>> {
        let source = percent_encoded(&format!("{}/{}", self.bucket, self.path(from)));
        let mut tries = 1;
        loop {
            let Some(before) = self.head(from).await? else {
                return Ok(None);
            };
            let request = self.client.copy_object().bucket(&self.bucket).key(self.path(to));
            let request =
                request.copy_source(&source).set_copy_source_if_match(before.etag.clone());
            match request.send().await {
                Ok(_) => {
                    let after = self.head(to).await?.context("the copy is not there")?;
                    ensure!(
                        after.size == before.size,
                        "{} of {} bytes arrived",
                        after.size,
                        before.size
                    );
                    return Ok(Some(after));
                }
                // The source changed or went between the two calls, or another copy to this place is under way.
                Err(error) if tries < TRIES && is_conflict(&error) => tries += 1,
                Err(error) => return Err(explain(error)),
            }
        }
    }

    pub(super) async fn delete(&self, key: &Key) -> anyhow::Result<()> {
        match self.client.delete_object().bucket(&self.bucket).key(self.path(key)).send().await {
            Err(error) if !is_missing(&error) => Err(explain(error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket);
        let mut pages = request.prefix(self.under_prefix(prefix)).into_paginator().send();
        let ours = self.under_prefix("");
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let objects = page.map_err(explain)?.contents.unwrap_or_default();
            let paths = objects.iter().filter_map(|object| object.key.as_deref());
            found.extend(paths.filter_map(|path| path.strip_prefix(&ours)).map(str::to_owned));
        }
        found.sort_unstable();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_a_prefix() {
        let place = |spec| Settings::parse(spec).map(|place| (place.bucket, place.prefix)).ok();
        assert_eq!(place("s3://b"), Some(("b".into(), String::new())));
        assert_eq!(place("s3://b/a/c/"), Some(("b".into(), "a/c".into())));
        assert_eq!(place("s3:///a"), None);
        assert_eq!(place("http://b"), None);
    }
}
