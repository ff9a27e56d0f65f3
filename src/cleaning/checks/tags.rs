//! `tags`: an image that shares none of the first k tags of its class's references is flagged.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Check, Finding, Halt, Scene};
use crate::cleaning::labeller::Unlabelled;
use crate::cleaning::original::Original;
use crate::cleaning::settings::TagSettings;
use crate::db::Sha256;
use crate::tag::{Label, Labels};

/// The name of the check.
pub const CHECK: &str = "tags";
/// Labels of an image that its reason lists.
const LISTED: usize = 12;

pub(super) struct Tags;

impl Check for Tags {
    fn name(&self) -> &'static str {
        CHECK
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
            return Ok(Finding::unscannable(code, reason));
        }
        Err(Unlabelled::Unscannable { sha256, code }) => {
            let reason = format!("the tagger cannot read the reference {sha256}: {code}");
            return Ok(Finding::unscannable("reference_unscannable", reason));
        }
    };
    let references: Vec<(Sha256, Labels)> =
        addresses.into_iter().zip(labels.split_off(1)).collect();
    let settings = job.tags.clone().unwrap_or_default();
    Ok(of(&settings, &labels[0], &references))
}

/// Every tag of the references that counts, with the reference that has it; each tag once.
fn wanted<'a>(
    settings: &TagSettings,
    references: &'a [(Sha256, Labels)],
) -> Vec<(&'a Label, Sha256)> {
    let mut wanted: Vec<(&Label, Sha256)> = Vec::new();
    for (sha256, labels) in references {
        for tag in labels.top_k(settings.k as usize, settings.min_confidence) {
            if !wanted.iter().any(|(known, _)| known.name == tag.name) {
                wanted.push((tag, *sha256));
            }
        }
    }
    wanted
}

fn of(settings: &TagSettings, image: &Labels, references: &[(Sha256, Labels)]) -> Finding {
    let own = image.top_k(usize::MAX, settings.min_confidence);
    let wanted = wanted(settings, references);
    let mut matched: Vec<Value> = Vec::new();
    let mut shared: Vec<&str> = Vec::new();
    for (tag, reference) in &wanted {
        if let Some(label) = own.iter().find(|label| label.same_as(tag)) {
            shared.push(&tag.name);
            matched.push(json!({
                "tag": tag.name,
                "label": label.name,
                "confidence": label.confidence,
                "reference": reference,
                "reference_confidence": tag.confidence,
            }));
        }
    }
    let name = |label: &Label| json!({ "name": label.name, "confidence": label.confidence });
    let reference_tags: Vec<Value> = references
        .iter()
        .map(|(sha256, labels)| {
            let top = labels.top_k(settings.k as usize, settings.min_confidence);
            json!({ "sha256": sha256, "top": top.iter().map(name).collect::<Vec<_>>() })
        })
        .collect();
    let evidence = json!({
        "matched": matched,
        "references": reference_tags,
        "labels": own.iter().map(name).collect::<Vec<_>>(),
        "rule": settings.rule,
        "k": settings.k,
        "min_confidence": settings.min_confidence,
        "tie_break": "confidence down, number of parents down, name up",
        "tagger": settings.tagger,
        "label_model_version": image.model_version,
    });
    if matched.is_empty() {
        let wanted: Vec<&str> = wanted.iter().map(|(tag, _)| tag.name.as_str()).collect();
        return Finding::flagged(nothing_shared(&wanted, own), evidence);
    }
    Finding::passed(format!("shares {} with the references", shared.join(", ")), evidence)
}

fn nothing_shared(wanted: &[&str], own: &[Label]) -> String {
    let wanted = wanted.join(", ");
    if own.is_empty() {
        return format!("none of {wanted}: the tagger sees nothing in it");
    }
    let mut names: Vec<&str> = own.iter().take(LISTED).map(|label| label.name.as_str()).collect();
    if own.len() > LISTED {
        names.push("…");
    }
    format!("none of {wanted} among its {} labels: {}", own.len(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;

    fn label(name: &str, confidence: f32) -> Label {
        let (parents, aliases, categories) = (Vec::new(), Vec::new(), Vec::new());
        Label { name: name.into(), confidence, parents, aliases, categories }
    }

    fn labels(of: &[(&str, f32)]) -> Labels {
        Labels::new("3.0", of.iter().map(|&(name, sure)| label(name, sure)).collect())
    }

    fn ship() -> Vec<(Sha256, Labels)> {
        let tags =
            [("Boat", 99.0), ("Vehicle", 98.0), ("Water", 90.0), ("Sea", 80.0), ("Navy", 60.0)];
        vec![(Sha256::of(b"reference"), labels(&tags))]
    }

    #[test]
    fn one_of_the_first_k_tags_is_enough() {
        let settings = TagSettings::default();
        let finding = of(&settings, &labels(&[("Animal", 99.0), ("Sea", 56.0)]), &ship());
        assert_eq!(finding.reason, "shares Sea with the references");
        assert_eq!(finding.evidence["matched"][0]["tag"], "Sea");
        assert_eq!(finding.evidence["label_model_version"], "3.0");
    }

    #[test]
    fn the_tag_behind_the_first_k_does_not_count() {
        let settings = TagSettings::default();
        let finding = of(&settings, &labels(&[("Navy", 99.0), ("Animal", 90.0)]), &ship());
        assert_eq!(finding.outcome, Outcome::Flagged);
        let reason = "none of Boat, Vehicle, Water, Sea among its 2 labels: Navy, Animal";
        assert_eq!(finding.reason, reason);
        let more = TagSettings { k: 5, ..settings };
        assert_eq!(of(&more, &labels(&[("Navy", 99.0)]), &ship()).outcome, Outcome::Passed);
    }

    #[test]
    fn an_alias_is_shared_too_and_an_unsure_label_is_not() {
        let settings = TagSettings::default();
        let mut vessel = label("Watercraft", 88.0);
        vessel.aliases.push("Boat".into());
        let finding = of(&settings, &Labels::new("3.0", vec![vessel]), &ship());
        assert_eq!(finding.outcome, Outcome::Passed);
        assert_eq!(of(&settings, &labels(&[("Boat", 54.9)]), &ship()).outcome, Outcome::Flagged);
    }

    #[test]
    fn the_tags_of_all_references_count() {
        let mut references = ship();
        references.push((Sha256::of(b"second"), labels(&[("Dock", 70.0)])));
        let finding = of(&TagSettings::default(), &labels(&[("Dock", 77.0)]), &references);
        assert_eq!(finding.evidence["matched"][0]["reference"], json!(Sha256::of(b"second")));
    }
}
