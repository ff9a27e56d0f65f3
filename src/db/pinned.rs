//! Downloads of files that are pinned by their SHA-256: bounded, checked, complete or absent.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sha2::Digest as _;
use tempfile::NamedTempFile;

use super::Sha256;

/// A server that does not take the connection is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server without bytes for this long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Downloads at most `max_bytes` from `url` into a temporary file in `folder`.
///
/// # Errors
/// The address does not answer, or its bytes are too many or others than pinned.
pub async fn download(
    url: &str,
    sha256: Sha256,
    max_bytes: u64,
    folder: &Path,
) -> anyhow::Result<NamedTempFile> {
    let client = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
    let client = client.read_timeout(READ_TIMEOUT).build()?;
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.with_context(|| format!("{url} cannot be downloaded"))?;
    let mut file = NamedTempFile::new_in(folder)?;
    let (mut hasher, mut length) = (sha2::Sha256::new(), 0);
    while let Some(chunk) = answer.chunk().await? {
        length += chunk.len() as u64;
        if length > max_bytes {
            bail!("{url} is larger than {max_bytes} bytes");
        }
        hasher.update(&chunk);
        file.write_all(&chunk)?;
    }
    let found = Sha256(hasher.finalize().into());
    if found != sha256 {
        bail!("{url} has the SHA-256 {found}, not {sha256}: it was not kept");
    }
    file.as_file().sync_all()?;
    Ok(file)
}
