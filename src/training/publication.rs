//! What a finished run publishes: the model's file, and what the registry says of it.

use std::sync::Arc;

use super::{Outcome, Setup, prediction};
use crate::db::{Sha256, TrainingRunId};
use crate::model::bundle::FORMAT_VERSION;
use crate::model::{self, Bundle, Metadata, Network, NewModel};
use crate::nn::backbone::Backbone;
use crate::snapshot::Snapshot;

/// Name and version of the one transform from a picture to a network's input (`picture::tensor`): squashed to a square by
/// area, levels divided by 255. A model is only served by a program that has its transform.
pub const TRANSFORM: &str = "square/1";

/// The networks of a finished run: what was trained, and the pretrained one under it.
pub type Networks = (Network, Option<Arc<Backbone>>);

/// The file of networks that were trained by `setup` on `snapshot`. It names neither run nor time: the same training
/// gives the same bytes. A pretrained network is part of it, so that it is all that serving needs.
pub fn file(
    (network, backbone): Networks,
    outcome: &Outcome,
    setup: &Setup,
    snapshot: &Snapshot,
) -> Vec<u8> {
    let metadata = Metadata {
        format_version: FORMAT_VERSION,
        architecture: network.architecture().clone(),
        classes: snapshot.classes.clone(),
        transform: TRANSFORM.to_owned(),
        snapshot_id: snapshot.id.to_string(),
        seed: setup.seed,
        recipe: serde_json::to_value(&setup.recipe).expect("a recipe is plain data"),
        unfamiliar_below: Some(prediction::unfamiliar_below(outcome, setup.classes)),
        backbone: setup.backbone,
    };
    Bundle { metadata, network, backbone }.save()
}

/// The registry's entry for `file`.
pub fn entry(
    run: TrainingRunId,
    snapshot: &Snapshot,
    (file, outcome): (&[u8], &Outcome),
    backbone: Option<Sha256>,
) -> NewModel {
    NewModel {
        dataset: snapshot.dataset_id,
        source: model::Source::Run(run),
        sha256: Sha256::of(file),
        bytes: file.len() as i64,
        unfamiliar_below: prediction::unfamiliar_below(outcome, snapshot.classes.len()),
        backbone,
        classes: snapshot.classes.clone(),
    }
}
