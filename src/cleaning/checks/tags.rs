//! `tags`: an image that does not share what the job's rule asks for with the references of its class is flagged.

use futures::future::BoxFuture;

use super::{Check, Finding, Halt, Scene};
use crate::cleaning::labeller::Unlabelled;
use crate::cleaning::original::Original;
use crate::cleaning::tag_rule::{self, Reference, Standard, TagWeight};
use crate::db::Sha256;
use crate::tag::Labels;

/// The name of the check.
pub const CHECK: &str = "tags";

pub(super) struct Tags;

impl Check for Tags {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn about(&self) -> &'static str {
        "shares no tag, or too little, with the references of its class"
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(compare(scene))
    }
}

async fn compare(scene: &Scene<'_>) -> Result<Finding, Halt> {
    let Scene { job, image, .. } = scene;
    let addresses: Vec<Sha256> = job
        .references
        .iter()
        .filter(|reference| reference.class_id == image.class_id)
        .map(|reference| reference.sha256)
        .collect();
    if addresses.is_empty() {
        let reason = format!("{:?} had no reference when the job was planned", image.class);
        return Ok(Finding::unscannable("no_reference", reason));
    }
    let references: Vec<Original> = addresses
        .iter()
        .map(|&sha256| Original::of_reference(scene.blobs, image.dataset_id, sha256))
        .collect();
    let mut pictures: Vec<&Original> = vec![scene.original];
    pictures.extend(&references);
    let mut labels = match scene.labeller.labels(&pictures).await {
        Ok(labels) => labels,
        Err(Unlabelled::Halted(halt)) => return Err(halt),
        Err(Unlabelled::Unscannable { sha256, code }) if sha256 == image.sha256 => {
            let reason = format!("the tagger cannot read it: {code}");
            return Ok(Finding::unscannable(&code, reason));
        }
        Err(Unlabelled::Unscannable { sha256, code }) => {
            let reason = format!("the tagger cannot read the reference {sha256}: {code}");
            return Ok(Finding::unscannable("reference_unscannable", reason));
        }
    };
    let references = references_of(scene, &addresses, labels.split_off(1));
    let settings = job.tags.clone().unwrap_or_default();
    let weights: Vec<TagWeight> = job
        .tag_weights
        .iter()
        .filter(|weight| weight.class_id == image.class_id)
        .cloned()
        .collect();
    let standard = Standard { settings: &settings, references: &references, weights: &weights };
    Ok(tag_rule::judge(standard, &labels[0]))
}

fn references_of(scene: &Scene<'_>, addresses: &[Sha256], labels: Vec<Labels>) -> Vec<Reference> {
    let class = scene.image.class_id;
    let pairs = addresses.iter().zip(labels);
    pairs.map(|(&sha256, labels)| Reference { class, sha256, labels }).collect()
}
