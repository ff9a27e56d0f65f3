//! What a finished run publishes: the model's file, and what the registry says of it.

use super::{Outcome, Setup, prediction};
use crate::db::{DatasetId, Sha256, TrainingRunId};
use crate::model::bundle::FORMAT_VERSION;
use crate::model::{Bundle, Metadata, Network, NewModel};
use crate::snapshot::Snapshot;

/// Name and version of the one transform from a picture to a network's input (`picture::tensor`): squashed to a square by
/// area, levels divided by 255. A model is only served by a program that has its transform.
pub const TRANSFORM: &str = "square/1";

/// The file of a network that was trained by `setup` on `snapshot`. It names neither run nor time: the same training
/// gives the same bytes.
pub fn file(network: Network, setup: &Setup, snapshot: &Snapshot) -> Vec<u8> {
    let metadata = Metadata {
        format_version: FORMAT_VERSION,
        architecture: network.architecture().clone(),
        classes: snapshot.classes.clone(),
        transform: TRANSFORM.to_owned(),
        snapshot_id: snapshot.id.to_string(),
        seed: setup.seed,
        recipe: serde_json::to_value(&setup.recipe).expect("a recipe is plain data"),
    };
    Bundle { metadata, network }.save()
}

/// The registry's entry for `file`.
pub fn entry(
    run: TrainingRunId,
    dataset: DatasetId,
    (file, outcome): (&[u8], &Outcome),
    classes: Vec<String>,
) -> NewModel {
    NewModel {
        dataset,
        run,
        sha256: Sha256::of(file),
        bytes: file.len() as i64,
        unfamiliar_below: prediction::unfamiliar_below(outcome, classes.len()),
        classes,
    }
}
