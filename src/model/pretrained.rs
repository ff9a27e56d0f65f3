//! A file of a pretrained network: read from a path, or fetched once from a model hub and kept only when its checksum
//! agrees.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::db::{Sha256, pinned};
use crate::nn::backbone::{self, Backbone, Classifier};

/// Where timm publishes the weights that it trained `MobileNetV4` (conv, small) to.
pub const REPOSITORY: &str = "timm/mobilenetv4_conv_small.e2400_r224_in1k";

/// A commit of [`REPOSITORY`].
pub const REVISION: &str = "331fb803779522b685cf942e15f914fb6741c1eb";

/// What the file of [`REVISION`] hashes to.
pub const SHA256: &str = "7a7102ec18f62bbfb555b6fe829bbb5af749516b84174926c29ffdfdfc03aec4";

/// The weights' file inside the repository.
pub const FILE: &str = "model.safetensors";

/// The largest file that is downloaded; `SigLIP`'s has 813 MB.
const MAX_BYTES: u64 = 1 << 30;

/// What to do where there are no weights.
const HINT: &str = "set SHIPSHAPE_BACKBONE_WEIGHTS to a local model.safetensors of mobilenetv4_conv_small, or \
                    HF_ENDPOINT to a model hub that this machine reaches";

/// Where the weights come from. Nothing is read or downloaded before [`Self::load`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pretrained {
    /// A file on this machine.
    File {
        /// Where.
        path: PathBuf,
        /// What its bytes must hash to; any without it.
        sha256: Option<Sha256>,
    },
    /// A file at a hub.
    Hub {
        /// Which.
        published: Published,
        /// The folder that it is kept in.
        cache: PathBuf,
    },
    /// Nowhere.
    Nowhere,
}

/// Why there are no pretrained weights.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// None are configured.
    #[error("{}; {HINT}", self.reason())]
    Nowhere,
    /// The file is not there, or the hub does not give it.
    #[error("{}; {HINT}", self.reason())]
    Unavailable(anyhow::Error),
    /// The file is there and is not what it should be.
    #[error("{}; {HINT}", self.reason())]
    Invalid(anyhow::Error),
}

impl PretrainedError {
    /// The stable machine code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nowhere => "pretrained_weights_not_configured",
            Self::Unavailable(_) => "pretrained_weights_unavailable",
            Self::Invalid(_) => "pretrained_weights_invalid",
        }
    }

    /// What is wrong, without what to do about it.
    pub fn reason(&self) -> String {
        match self {
            Self::Nowhere => "no pretrained weights are configured".to_owned(),
            Self::Unavailable(error) => format!("the pretrained weights cannot be had: {error:#}"),
            Self::Invalid(error) => format!("the pretrained weights cannot be used: {error:#}"),
        }
    }
}

impl Pretrained {
    /// The network, and the checksum of the file that its weights are in.
    ///
    /// # Errors
    /// When there is no file, or it is not the network's.
    pub async fn load(&self) -> Result<(Arc<Backbone>, Sha256), PretrainedError> {
        self.read(backbone::read).await
    }

    /// The network with its classifier, and the checksum of the file.
    ///
    /// # Errors
    /// When there is no file, or it is not the network's.
    pub async fn load_classifier(&self) -> Result<(Arc<Classifier>, Sha256), PretrainedError> {
        self.read(backbone::read_classifier).await
    }

    /// What `parse` makes of the file on a thread for such work, and the file's checksum.
    ///
    /// # Errors
    /// When there is no file, or it is another than pinned, or `parse` says so.
    pub async fn read<T: Send + Sync + 'static, E: Into<anyhow::Error>>(
        &self,
        parse: impl FnOnce(&[u8]) -> Result<T, E> + Send + 'static,
    ) -> Result<(Arc<T>, Sha256), PretrainedError> {
        use PretrainedError::{Invalid, Unavailable};
        let (path, pinned) = match self {
            Self::File { path, sha256 } => (path.clone(), *sha256),
            Self::Hub { published, cache } => {
                (published.fetch(cache).await.map_err(Unavailable)?, Some(published.sha256))
            }
            Self::Nowhere => return Err(PretrainedError::Nowhere),
        };
        let read = move || {
            let name = path.display().to_string();
            let bytes = std::fs::read(&path).with_context(|| name.clone()).map_err(Unavailable)?;
            let found = Sha256::of(&bytes);
            if let Some(pinned) = pinned.filter(|pinned| *pinned != found) {
                let error = anyhow::anyhow!("{name} has the SHA-256 {found}, not {pinned}");
                return Err(Invalid(error));
            }
            let parsed = parse(&bytes).map_err(|error| Invalid(error.into().context(name)))?;
            Ok((Arc::new(parsed), found))
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| Unavailable(error.into()))?
    }
}

/// A file at a model hub, pinned by revision and checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// For example `https://huggingface.co`.
    pub endpoint: String,
    /// For example [`REPOSITORY`].
    pub repository: String,
    /// The commit, so that the file cannot change.
    pub revision: String,
    /// Its name in the repository, for example [`FILE`].
    pub file: String,
    /// What the file's bytes must hash to.
    pub sha256: Sha256,
}

impl Published {
    /// Where the file is: the address that the hub documents for direct downloads.
    pub fn url(&self) -> String {
        let endpoint = self.endpoint.trim_end_matches('/');
        format!("{endpoint}/{}/resolve/{}/{}", self.repository, self.revision, self.file)
    }

    /// The file in `cache`, which is downloaded unless it is already there and sound.
    ///
    /// # Errors
    /// When the hub does not answer, or gives other bytes than pinned.
    pub async fn fetch(&self, cache: &Path) -> anyhow::Result<PathBuf> {
        let ending = self.file.rsplit('.').next().unwrap_or_default();
        let path = cache.join(format!("{}.{ending}", self.sha256));
        if let Ok(bytes) = tokio::fs::read(&path).await
            && Sha256::of(&bytes) == self.sha256
        {
            return Ok(path);
        }
        tokio::fs::create_dir_all(cache).await?;
        let url = self.url();
        tracing::info!(url, "downloading a pretrained network");
        let file = pinned::download(&url, self.sha256, MAX_BYTES, cache).await?;
        file.persist(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }
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
        Published { endpoint, repository, revision, file: FILE.into(), sha256: Sha256::of(bytes) }
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

    #[tokio::test]
    async fn a_file_that_is_no_such_network_or_another_than_pinned_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"not safetensors").unwrap();
        let source = |path: &Path, sha256| Pretrained::File { path: path.to_owned(), sha256 };
        let error = source(file.path(), None).load().await.unwrap_err();
        assert_eq!(error.code(), "pretrained_weights_invalid");
        assert!(error.to_string().contains("safetensors"), "{error}");
        let error = source(file.path(), Some(Sha256::of(b"other"))).load().await.unwrap_err();
        assert!(error.to_string().contains("has the SHA-256"), "{error}");
        let missing = source(Path::new("/nowhere/x.safetensors"), None).load().await.unwrap_err();
        assert_eq!(missing.code(), "pretrained_weights_unavailable");
        assert!(missing.to_string().contains("HF_ENDPOINT"), "{missing}");
        let nowhere = Pretrained::Nowhere.load().await.unwrap_err();
        assert_eq!(nowhere.code(), "pretrained_weights_not_configured");
    }
}
