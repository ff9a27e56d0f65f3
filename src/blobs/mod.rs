//! Bytes by key, on the local disk or in S3.

mod key;
mod local;
mod s3;
mod upload;
mod wire;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_s3::config::Credentials;
use bytes::Bytes;

pub use key::Key;
pub use local::Local;
pub use s3::{S3, Settings, endpoint as s3_endpoint};

use crate::db::Sha256;

/// The store did not do what it was asked to do; the cause is behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Length in bytes.
    pub size: u64,
    /// The store's own mark of the content, where it has one; only good for comparing inside one store.
    pub etag: Option<String>,
}

/// Where bytes are kept. Cheap to clone.
///
/// Every write is all or nothing: a reader sees the whole object or none. Every operation may be repeated.
#[derive(Debug, Clone)]
pub enum Blobs {
    /// A directory.
    Local(Local),
    /// A bucket, under a prefix.
    S3(S3),
}

impl Blobs {
    /// Opens what `spec` names: `s3://bucket/prefix`, with these credentials or those of AWS's usual chain, or a
    /// directory, made if absent.
    pub async fn open(spec: &str, credentials: Option<Credentials>) -> anyhow::Result<Self> {
        if spec.starts_with("s3://") {
            let settings = Settings { credentials, ..Settings::parse(spec)? };
            return Ok(Self::S3(S3::open(settings).await?));
        }
        if let Some((scheme, _)) = spec.split_once("://") {
            bail!(
                "{spec}: blobs are kept in a directory or in s3://bucket/prefix, not in {scheme}"
            );
        }
        Ok(Self::Local(Local::open(Path::new(spec)).await?))
    }

    /// Stores `bytes` under `key`, in place of what was there.
    pub async fn put(&self, key: &Key, bytes: Bytes) -> anyhow::Result<()> {
        match self {
            Self::Local(local) => local.put(key, bytes).await,
            Self::S3(s3) => s3.put(key, bytes).await,
        }
        .with_context(|| Unavailable(format!("store {key}")))
    }

    /// Stores the content of the file at `path`, of any size up to S3's 5 TB, without holding it in memory.
    pub async fn put_file(&self, key: &Key, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Local(local) => local.put_file(key, path).await,
            Self::S3(s3) => s3.put_file(key, path).await,
        }
        .with_context(|| Unavailable(format!("store {key} from {}", path.display())))
    }

    /// The bytes under `key`; `None` where there is no such object.
    pub async fn get(&self, key: &Key) -> anyhow::Result<Option<Bytes>> {
        match self {
            Self::Local(local) => local.get(key).await,
            Self::S3(s3) => s3.get(key).await,
        }
        .with_context(|| Unavailable(format!("read {key}")))
    }

    /// Writes the object to a new file at `path`, without holding it in memory; `None` where there is no such object,
    /// else its length.
    pub async fn get_file(&self, key: &Key, path: &Path) -> anyhow::Result<Option<u64>> {
        match self {
            Self::Local(local) => local.get_file(key, path).await,
            Self::S3(s3) => s3.get_file(key, path).await,
        }
        .with_context(|| Unavailable(format!("read {key} to {}", path.display())))
    }

    /// Length and mark of the object; `None` where there is none.
    pub async fn head(&self, key: &Key) -> anyhow::Result<Option<Meta>> {
        match self {
            Self::Local(local) => local.head(key).await,
            Self::S3(s3) => s3.head(key).await,
        }
        .with_context(|| Unavailable(format!("look up {key}")))
    }

    /// Copies `from` to `to` inside the store and answers with what arrived; `None` where there is no `from`.
    ///
    /// The copy is of one version of the source and has its length, or the call fails.
    pub async fn copy(&self, from: &Key, to: &Key) -> anyhow::Result<Option<Meta>> {
        match self {
            Self::Local(local) => local.copy(from, to).await,
            Self::S3(s3) => s3.copy(from, to).await,
        }
        .with_context(|| Unavailable(format!("copy {from} to {to}")))
    }

    /// Removes the object, if it is there.
    pub async fn delete(&self, key: &Key) -> anyhow::Result<()> {
        match self {
            Self::Local(local) => local.delete(key).await,
            Self::S3(s3) => s3.delete(key).await,
        }
        .with_context(|| Unavailable(format!("delete {key}")))
    }

    /// All paths that begin with `prefix`, sorted; half-written files are none.
    pub async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Local(local) => local.list(prefix).await,
            Self::S3(s3) => s3.list(prefix).await,
        }
        .with_context(|| Unavailable(format!("list {prefix}")))
    }

    /// Removes what writers that died left behind more than an hour ago; S3 keeps no half-written objects.
    pub async fn sweep(&self) -> anyhow::Result<usize> {
        match self {
            Self::Local(local) => local.sweep(Duration::from_hours(1)).await,
            Self::S3(_) => Ok(0),
        }
        .context("sweep the blob directory")
    }

    /// The SHA-256 of the object's bytes, read for it; `None` where there is no such object.
    pub async fn digest(&self, key: &Key) -> anyhow::Result<Option<Sha256>> {
        Ok(self.get(key).await?.map(|bytes| Sha256::of(&bytes)))
    }
}
