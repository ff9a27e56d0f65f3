//! The three files of a `SigLIP`: in a folder on this machine, or pinned at a model hub.

use std::path::Path;
use std::sync::Arc;

use candle_transformers::models::siglip;

use super::network::Network;
use super::tokens::Tokens;
use crate::db::Sha256;
use crate::model::pretrained::{Pretrained, PretrainedError, Published};

/// Google's weights in the layout of `transformers`.
const REPOSITORY: &str = "google/siglip-base-patch16-224";

/// A commit of [`REPOSITORY`].
const REVISION: &str = "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed";

/// A file of the repository, and what it hashes to at [`REVISION`]: for the weights as the hub's own page says, for the
/// other two as several projects that pinned the same commit have written down.
struct Pinned {
    name: &'static str,
    sha256: &'static str,
}

const CONFIG: Pinned = Pinned {
    name: "config.json",
    sha256: "cd85b3d28829722820bcb89a2cfbb4160e55fd359249a3044da724166a8d9688",
};

const TOKENIZER: Pinned = Pinned {
    name: "tokenizer.json",
    sha256: "c6e405cb7c670d56636a9402c81023a55bc6c3c53d89cf02b92f5c5005bfe920",
};

const WEIGHTS: Pinned = Pinned {
    name: "model.safetensors",
    sha256: "2c63cb7d1f2e95ba501893cbb8faeb4ea9a3af295498d35097126228659c2af8",
};

/// Where the files come from. Nothing is read or downloaded before a picture needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiglipFiles {
    config: Pretrained,
    tokenizer: Pretrained,
    weights: Pretrained,
}

/// A network and the checksums of what it was read from.
pub(super) struct Read {
    pub(super) network: Arc<Network>,
    pub(super) weights: Sha256,
    /// Of the other two files.
    pub(super) rest: Sha256,
}

impl SiglipFiles {
    /// A folder with the files as the repository names them; any `SigLIP` of the first generation.
    pub fn folder(folder: &Path) -> Self {
        let file = |file: Pinned| Pretrained::File { path: folder.join(file.name), sha256: None };
        Self::each(file)
    }

    /// [`REPOSITORY`] at the hub, kept in `cache`.
    pub fn hub(endpoint: &str, cache: &Path) -> Self {
        Self::each(|file| Pretrained::Hub {
            published: Published {
                endpoint: endpoint.to_owned(),
                repository: REPOSITORY.to_owned(),
                revision: REVISION.to_owned(),
                file: file.name.to_owned(),
                sha256: file.sha256.parse().expect("the pinned digests are hex"),
            },
            cache: cache.to_owned(),
        })
    }

    /// No files.
    pub fn nowhere() -> Self {
        Self::each(|_| Pretrained::Nowhere)
    }

    fn each(of: impl Fn(Pinned) -> Pretrained) -> Self {
        Self { config: of(CONFIG), tokenizer: of(TOKENIZER), weights: of(WEIGHTS) }
    }

    /// Whether they are named on this machine.
    pub(super) fn are_here(&self) -> bool {
        matches!(self.weights, Pretrained::File { .. })
    }

    /// The network; while it is read, its weights are in memory twice.
    pub(super) async fn read(&self) -> Result<Read, PretrainedError> {
        let config = |bytes: &[u8]| serde_json::from_slice::<siglip::Config>(bytes);
        let (config, told) = self.config.read(config).await?;
        let (tokens, spelt) = self.tokenizer.read(Tokens::read).await?;
        let parse = move |bytes: &[u8]| Network::read(&config, tokens, bytes);
        let (network, weights) = self.weights.read(parse).await?;
        let rest = Sha256::of(format!("{told} {spelt}").as_bytes());
        Ok(Read { network, weights, rest })
    }
}
