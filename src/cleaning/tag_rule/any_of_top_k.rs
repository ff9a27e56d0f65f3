//! `any_of_top_k`, the original rule: an image that shares none of the first k tags of its class's references is
//! flagged.

use serde_json::{Value, json};

use super::{Reference, Standard, evidence, listed};
use crate::cleaning::settings::TagSettings;
use crate::cleaning::verdict::Finding;
use crate::db::Sha256;
use crate::tag::{Label, Labels};

pub(super) fn judge(standard: Standard<'_>, image: &Labels) -> Finding {
    let Standard { settings, references, .. } = standard;
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
    let evidence = evidence(standard, image, own, &matched);
    if matched.is_empty() {
        let wanted: Vec<&str> = wanted.iter().map(|(tag, _)| tag.name.as_str()).collect();
        return Finding::flagged(nothing_shared(&wanted, own), evidence);
    }
    Finding::passed(format!("shares {} with the references", shared.join(", ")), evidence)
}

/// Every tag of the references that counts, with the reference that has it; each tag once.
fn wanted<'a>(settings: &TagSettings, references: &'a [Reference]) -> Vec<(&'a Label, Sha256)> {
    let mut wanted: Vec<(&Label, Sha256)> = Vec::new();
    for Reference { sha256, labels, .. } in references {
        for tag in labels.top_k(settings.k as usize, settings.min_confidence) {
            if !wanted.iter().any(|(known, _)| known.name == tag.name) {
                wanted.push((tag, *sha256));
            }
        }
    }
    wanted
}

fn nothing_shared(wanted: &[&str], own: &[Label]) -> String {
    let wanted = wanted.join(", ");
    if own.is_empty() {
        return format!("none of {wanted}: the tagger sees nothing in it");
    }
    format!("none of {wanted} among its {} labels: {}", own.len(), listed(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;
    use crate::db::ClassId;

    fn label(name: &str, confidence: f32) -> Label {
        let (parents, aliases, categories) = (Vec::new(), Vec::new(), Vec::new());
        Label { name: name.into(), confidence, parents, aliases, categories }
    }

    fn labels(of: &[(&str, f32)]) -> Labels {
        Labels::new("3.0", of.iter().map(|&(name, sure)| label(name, sure)).collect())
    }

    fn reference(name: &[u8], of: &[(&str, f32)]) -> Reference {
        let class = ClassId(uuid::Uuid::nil());
        Reference { class, sha256: Sha256::of(name), labels: labels(of) }
    }

    fn ship() -> Vec<Reference> {
        let tags =
            [("Boat", 99.0), ("Vehicle", 98.0), ("Water", 90.0), ("Sea", 80.0), ("Navy", 60.0)];
        vec![reference(b"reference", &tags)]
    }

    fn judge(settings: &TagSettings, image: &Labels, references: &[Reference]) -> Finding {
        super::judge(Standard { settings, references, weights: &[] }, image)
    }

    #[test]
    fn one_of_the_first_k_tags_is_enough() {
        let settings = TagSettings::default();
        let finding = judge(&settings, &labels(&[("Animal", 99.0), ("Sea", 56.0)]), &ship());
        assert_eq!(finding.reason, "shares Sea with the references");
        assert_eq!(finding.evidence["matched"][0]["tag"], "Sea");
        assert_eq!(finding.evidence["label_model_version"], "3.0");
    }

    #[test]
    fn the_tag_behind_the_first_k_does_not_count() {
        let settings = TagSettings::default();
        let finding = judge(&settings, &labels(&[("Navy", 99.0), ("Animal", 90.0)]), &ship());
        assert_eq!(finding.outcome, Outcome::Flagged);
        let reason = "none of Boat, Vehicle, Water, Sea among its 2 labels: Navy, Animal";
        assert_eq!(finding.reason, reason);
        let more = TagSettings { k: 5, ..settings };
        let navy = labels(&[("Navy", 99.0)]);
        assert_eq!(judge(&more, &navy, &ship()).outcome, Outcome::Passed);
    }

    #[test]
    fn an_alias_is_shared_too_and_an_unsure_label_is_not() {
        let settings = TagSettings::default();
        let mut vessel = label("Watercraft", 88.0);
        vessel.aliases.push("Boat".into());
        let finding = judge(&settings, &Labels::new("3.0", vec![vessel]), &ship());
        assert_eq!(finding.outcome, Outcome::Passed);
        let unsure = labels(&[("Boat", 54.9)]);
        assert_eq!(judge(&settings, &unsure, &ship()).outcome, Outcome::Flagged);
    }

    #[test]
    fn the_tags_of_all_references_count() {
        let mut references = ship();
        references.push(reference(b"second", &[("Dock", 70.0)]));
        let dock = labels(&[("Dock", 77.0)]);
        let finding = judge(&TagSettings::default(), &dock, &references);
        assert_eq!(finding.evidence["matched"][0]["reference"], json!(Sha256::of(b"second")));
    }
}
