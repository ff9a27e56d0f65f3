//! The weights file of a pretrained network: read from a path, or fetched once from a model hub and
//! kept only when its checksum agrees.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::db::{Sha256, pinned};
use crate::nn::backbone::{self, Backbone};

/// The hub that `HF_ENDPOINT` replaces.
pub const ENDPOINT: &str = "https://huggingface.co";

/// Where timm publishes the weights that it trained `MobileNetV4` (conv, small) to.
pub const REPOSITORY: &str = "timm/mobilenetv4_conv_small.e2400_r224_in1k";

/// The file inside the repository.
const FILE: &str = "model.safetensors";

/// The largest file that is accepted; the published one has 15 MB.
const MAX_BYTES: u64 = 100 << 20;

/// A weights file at a model hub, pinned by revision and checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// For example [`ENDPOINT`].
    pub endpoint: String,
    /// For example [`REPOSITORY`].
    pub repository: String,
    /// The commit, so that the file cannot change.
    pub revision: String,
    /// What the file's bytes must hash to.
    pub sha256: Sha256,
}

impl Published {
    /// Where the file is: the address that the hub documents for direct downloads.
    pub fn url(&self) -> String {
        let endpoint = self.endpoint.trim_end_matches('/');
        format!("{endpoint}/{}/resolve/{}/{FILE}", self.repository, self.revision)
    }

    /// The file in `cache`, which is downloaded unless it is already there and sound.
    ///
    /// # Errors
    /// When the hub does not answer, or gives other bytes than pinned.
    pub async fn fetch(&self, cache: &Path) -> anyhow::Result<PathBuf> {
        let path = cache.join(format!("{}.safetensors", self.sha256));
        if let Ok(bytes) = tokio::fs::read(&path).await
            && Sha256::of(&bytes) == self.sha256
        {
            return Ok(path);
        }
        tokio::fs::create_dir_all(cache).await?;
        let url = self.url();
        tracing::info!(url, "downloading pretrained weights");
        let file = pinned::download(&url, self.sha256, MAX_BYTES, cache).await?;
        file.persist(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }
}

/// Reads a weights file from the disk; blocks for some milliseconds. The checksum says which weights a
/// model's layers were trained over.
///
/// # Errors
/// When the file cannot be read or is not the network's.
pub fn load(path: &Path) -> anyhow::Result<(Backbone, Sha256)> {
    let name = || path.display().to_string();
    let bytes = std::fs::read(path).with_context(name)?;
    Ok((backbone::read(&bytes).with_context(name)?, Sha256::of(&bytes)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    /// A hub that answers one request with `body` and gives the request's first line.
    async fn hub(body: &'static [u8]) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            request.lines().next().unwrap_or_default().to_owned()
        });
        (endpoint, served)
    }

    fn published(endpoint: String, bytes: &[u8]) -> Published {
        let (repository, revision) = ("timm/net".to_owned(), "abc123".to_owned());
        Published { endpoint, repository, revision, sha256: Sha256::of(bytes) }
    }

    #[tokio::test]
    async fn a_file_is_fetched_once_by_its_revision() {
        let cache = tempfile::tempdir().unwrap();
        let (endpoint, served) = hub(b"weights").await;
        let published = published(endpoint, b"weights");
        let path = published.fetch(cache.path()).await.unwrap();
        let line = served.await.unwrap();
        assert_eq!(line, "GET /timm/net/resolve/abc123/model.safetensors HTTP/1.1");
        // The hub is gone by now.
        assert_eq!(published.fetch(cache.path()).await.unwrap(), path);
        std::fs::write(&path, b"weightz").unwrap();
        assert!(published.fetch(cache.path()).await.is_err(), "a damaged copy is not used");
    }

    #[tokio::test]
    async fn other_bytes_than_pinned_are_not_kept() {
        let cache = tempfile::tempdir().unwrap();
        let (endpoint, _served) = hub(b"something else").await;
        let error = published(endpoint, b"weights").fetch(cache.path()).await.unwrap_err();
        assert!(error.to_string().contains("it was not kept"), "{error}");
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_is_no_such_network_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"not safetensors").unwrap();
        let error = format!("{:#}", load(file.path()).unwrap_err());
        assert!(error.contains("safetensors"), "{error}");
    }
}
