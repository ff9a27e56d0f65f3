//! The one place where object paths are spelled.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use crate::db::{DatasetId, ImportJobId, Sha256, TrainingRunId};

/// The address of an object. Made of ids and digests only, so that no name from outside is ever part of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// The original bytes of an accepted image.
    Image(DatasetId, Sha256),
    /// The original bytes of an image in quarantine.
    Flagged(DatasetId, Sha256),
    /// A reference picture of a class.
    Reference(DatasetId, Sha256),
    /// The thumbnail of the picture with this address.
    Thumbnail(Sha256),
    /// A model's weights.
    Model(Sha256),
    /// A checkpoint of a training run.
    Checkpoint(TrainingRunId, Sha256),
    /// The archive of an import job.
    Upload(ImportJobId),
}

impl Key {
    /// Where the original bytes of an image lie.
    pub fn of_image(dataset: DatasetId, sha256: Sha256, quarantined: bool) -> Self {
        if quarantined { Self::Flagged(dataset, sha256) } else { Self::Image(dataset, sha256) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(dataset, sha256) => write!(f, "datasets/{dataset}/images/{sha256}"),
            Self::Flagged(dataset, sha256) => write!(f, "datasets/{dataset}/flagged/{sha256}"),
            Self::Reference(dataset, sha256) => write!(f, "datasets/{dataset}/references/{sha256}"),
            Self::Thumbnail(sha256) => write!(f, "thumbnails/{sha256}"),
            Self::Model(sha256) => write!(f, "models/{sha256}.safetensors"),
            Self::Checkpoint(run, sha256) => write!(f, "checkpoints/{run}/{sha256}"),
            Self::Upload(job) => write!(f, "uploads/{job}"),
        }
    }
}

impl FromStr for Key {
    type Err = anyhow::Error;

    /// Reads a path that [`Key`] wrote, as a listing returns it.
    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = path.split('/').collect();
        let key = match parts[..] {
            ["datasets", dataset, "images", sha256] => {
                Self::Image(dataset.parse()?, sha256.parse()?)
            }
            ["datasets", dataset, "flagged", sha256] => {
                Self::Flagged(dataset.parse()?, sha256.parse()?)
            }
            ["datasets", dataset, "references", sha256] => {
                Self::Reference(dataset.parse()?, sha256.parse()?)
            }
            ["thumbnails", sha256] => Self::Thumbnail(sha256.parse()?),
            ["models", file] => {
                let sha256 = file.strip_suffix(".safetensors").context("no model's file name")?;
                Self::Model(sha256.parse()?)
            }
            ["checkpoints", run, sha256] => Self::Checkpoint(run.parse()?, sha256.parse()?),
            ["uploads", job] => Self::Upload(job.parse()?),
            _ => bail!("{path:?} is no object of shipshape's"),
        };
        Ok(key)
    }
}

impl Key {
    /// What the paths of all objects of one dataset begin with.
    pub fn dataset_prefix(dataset: DatasetId) -> String {
        format!("datasets/{dataset}/")
    }

    /// What the paths of all checkpoints of one training run begin with.
    pub fn checkpoint_prefix(run: TrainingRunId) -> String {
        format!("checkpoints/{run}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_back_from_its_path() {
        let (id, sha256) = (uuid::Uuid::now_v7(), Sha256::of(b"x"));
        let keys = [
            Key::Image(DatasetId(id), sha256),
            Key::Flagged(DatasetId(id), sha256),
            Key::Reference(DatasetId(id), sha256),
            Key::Thumbnail(sha256),
            Key::Model(sha256),
            Key::Checkpoint(TrainingRunId(id), sha256),
            Key::Upload(ImportJobId(id)),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
    }

    #[test]
    fn a_foreign_path_is_no_key() {
        for path in
            ["", "thumbnails/../../etc/passwd", "models/x.safetensors", "datasets/a/images/b"]
        {
            assert!(path.parse::<Key>().is_err(), "{path}");
        }
    }
}
