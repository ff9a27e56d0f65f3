//! `specific`: an image must share enough of what is particular to its class, and broad tags count for little.
//!
//! A tag of a reference weighs its rarity among the dataset's pictures (the inverse document frequency of Spärck Jones,
//! 1972, scaled to 0 to 1) times the reference's confidence; half of it where another tag of the reference lies below
//! it ("Boat" below "Vehicle"), and half again where the references of every class have it. The k heaviest tags of a
//! class share 1 among them. An image is flagged when the tags that it shares weigh less than the threshold.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Reference, Standard, evidence, listed};
use crate::cleaning::settings::TagSettings;
use crate::cleaning::verdict::Finding;
use crate::db::{ClassId, Sha256};
use crate::tag::{Label, Labels};

/// What is left of the weight of a tag that lies above another one, or that every class has.
const BROAD: f32 = 0.5;

/// In how many pictures each name stands among the labels.
#[derive(Debug, Clone, Default)]
pub struct Frequencies {
    pictures: usize,
    names: HashMap<String, usize>,
}

impl Frequencies {
    /// Counts the labels of at least `min_confidence` percent.
    pub fn of<'a>(pictures: impl IntoIterator<Item = &'a Labels>, min_confidence: f32) -> Self {
        let mut counted = Self::default();
        for labels in pictures {
            counted.pictures += 1;
            let sure = labels.top_k(usize::MAX, min_confidence);
            let mut names: Vec<String> =
                sure.iter().flat_map(Label::names).map(str::to_lowercase).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                *counted.names.entry(name).or_default() += 1;
            }
        }
        counted
    }

    /// 1 for what no picture has, towards 0 for what all have; never 0, or nothing could be told of a dataset whose
    /// pictures all have the same labels.
    fn rarity(&self, label: &Label) -> f32 {
        let known = label.names().filter_map(|name| self.names.get(&name.to_lowercase()));
        let count = known.max().copied().unwrap_or(0) as f32;
        let pictures = self.pictures as f32 + 1.0;
        (pictures / (count + 0.5)).ln() / (pictures / 0.5).ln()
    }
}

/// What one tag of a class's references counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TagWeight {
    /// The class.
    pub class_id: ClassId,
    /// The tag.
    pub tag: String,
    /// Its share of the class's weight, 0 to 1.
    pub weight: f32,
    /// How rare it is among the dataset's pictures: 1 in none of them, towards 0 in all.
    pub rarity: f32,
    /// Another tag of the reference lies below it, so that it counts half.
    pub above_another: bool,
    /// The references of every class have it, so that it counts half.
    pub in_every_class: bool,
    /// The reference that has it.
    pub reference: Sha256,
    /// How sure the tagger is of it there, in percent.
    pub reference_confidence: f32,
    /// Its other names.
    pub aliases: Vec<String>,
}

/// The weights of the k heaviest tags of each class, the heaviest first.
pub fn weights(
    settings: &TagSettings,
    references: &[Reference],
    frequencies: &Frequencies,
) -> Vec<TagWeight> {
    let mut classes: Vec<ClassId> = Vec::new();
    for reference in references {
        if !classes.contains(&reference.class) {
            classes.push(reference.class);
        }
    }
    let everywhere = |tag: &Label| {
        classes.len() > 1
            && classes.iter().all(|class| {
                let mut own = references.iter().filter(|reference| reference.class == *class);
                own.any(|reference| sure(settings, reference).iter().any(|own| own.same_as(tag)))
            })
    };
    let mut all = Vec::new();
    for &class in &classes {
        let mut weights: Vec<TagWeight> = Vec::new();
        for reference in references.iter().filter(|reference| reference.class == class) {
            for tag in sure(settings, reference) {
                let weight = weigh(reference, sure(settings, reference), tag, frequencies);
                add(&mut weights, TagWeight { in_every_class: everywhere(tag), ..weight });
            }
        }
        all.extend(heaviest(settings, weights));
    }
    all
}

fn sure<'a>(settings: &TagSettings, reference: &'a Reference) -> &'a [Label] {
    reference.labels.top_k(usize::MAX, settings.min_confidence)
}

fn weigh(
    reference: &Reference,
    beside: &[Label],
    tag: &Label,
    frequencies: &Frequencies,
) -> TagWeight {
    let is_above = |other: &Label| {
        other.parents.iter().any(|parent| tag.names().any(|name| name.eq_ignore_ascii_case(parent)))
    };
    TagWeight {
        class_id: reference.class,
        tag: tag.name.clone(),
        weight: 0.0,
        rarity: frequencies.rarity(tag),
        above_another: beside.iter().any(is_above),
        in_every_class: false,
        reference: reference.sha256,
        reference_confidence: tag.confidence,
        aliases: tag.aliases.clone(),
    }
}

/// A tag that several references have, under whichever name, counts once: where the tagger is surest of it.
fn add(weights: &mut Vec<TagWeight>, new: TagWeight) {
    match weights.iter_mut().find(|known| same(known, &new)) {
        Some(known) if known.reference_confidence < new.reference_confidence => *known = new,
        Some(_) => {}
        None => weights.push(new),
    }
}

fn names(weight: &TagWeight) -> impl Iterator<Item = &str> {
    std::iter::once(weight.tag.as_str()).chain(weight.aliases.iter().map(String::as_str))
}

fn same(a: &TagWeight, b: &TagWeight) -> bool {
    names(a).any(|name| names(b).any(|other| name.eq_ignore_ascii_case(other)))
}

fn heaviest(settings: &TagSettings, mut weights: Vec<TagWeight>) -> Vec<TagWeight> {
    for weight in &mut weights {
        let halved = i32::from(weight.above_another) + i32::from(weight.in_every_class);
        weight.weight = weight.rarity * weight.reference_confidence / 100.0 * BROAD.powi(halved);
    }
    weights.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.tag.cmp(&b.tag)));
    weights.truncate(settings.k as usize);
    let total: f32 = weights.iter().map(|weight| weight.weight).sum();
    for weight in &mut weights {
        weight.weight /= total.max(f32::MIN_POSITIVE);
    }
    weights
}

pub(super) fn judge(standard: Standard<'_>, image: &Labels) -> Finding {
    let Standard { settings, weights, .. } = standard;
    let own = image.top_k(usize::MAX, settings.min_confidence);
    let shared: Vec<(&TagWeight, &Label)> = weights
        .iter()
        .filter_map(|weight| {
            let is_it = |label: &&Label| {
                names(weight).any(|name| label.names().any(|own| own.eq_ignore_ascii_case(name)))
            };
            own.iter().find(is_it).map(|label| (weight, label))
        })
        .collect();
    // Some tags of a class are all of them, whatever their sum's last bit says.
    let share = shared.iter().map(|(weight, _)| weight.weight).sum::<f32>().min(1.0);
    let matched: Vec<Value> = shared
        .iter()
        .map(|(weight, label)| {
            json!({
                "tag": weight.tag,
                "label": label.name,
                "confidence": label.confidence,
                "weight": weight.weight,
                "reference": weight.reference,
                "reference_confidence": weight.reference_confidence,
            })
        })
        .collect();
    let mut evidence = evidence(standard, image, own, &matched);
    evidence["share"] = json!(share);
    evidence["threshold"] = json!(settings.threshold);
    evidence["weights"] = json!(weights);
    let is_flagged = share < settings.threshold;
    let reason = reason(weights, &shared, share, (settings.threshold, own));
    Finding::judged(is_flagged, reason, evidence).with_score(f64::from(share))
}

fn reason(
    weights: &[TagWeight],
    shared: &[(&TagWeight, &Label)],
    share: f32,
    (threshold, own): (f32, &[Label]),
) -> String {
    let weighed = |weight: &TagWeight| format!("{} ({:.2})", weight.tag, weight.weight);
    let wanted: Vec<String> = weights.iter().map(weighed).collect();
    let wanted = wanted.join(", ");
    let names: Vec<String> = shared.iter().map(|(weight, _)| weighed(weight)).collect();
    let names = names.join(", ");
    match (share < threshold, shared.is_empty()) {
        (false, _) => format!("shares {names} with the references: {share:.2} of their weight"),
        (true, false) => {
            format!(
                "shares only {names} of {wanted}: {share:.2} of the weight, below {threshold:.2}"
            )
        }
        (true, true) if own.is_empty() => {
            format!("none of {wanted}: the tagger sees nothing in it")
        }
        (true, true) => {
            format!("none of {wanted} among its {} labels: {}", own.len(), listed(own))
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::cleaning::{Outcome, Rule};

    fn label(name: &str, confidence: f32, parents: &[&str]) -> Label {
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        Label { name: name.into(), confidence, parents, aliases: vec![], categories: vec![] }
    }

    fn ship(kind: &str) -> Labels {
        let labels = vec![
            label("Vehicle", 99.0, &["Transportation"]),
            label("Transportation", 99.0, &[]),
            label("Boat", 99.0, &["Vehicle", "Transportation"]),
            label("Water", 90.0, &[]),
            label(kind, 60.0, &["Boat", "Vehicle", "Transportation"]),
        ];
        Labels::new("3.0", labels)
    }

    fn bus() -> Labels {
        let labels = vec![
            label("Vehicle", 99.0, &["Transportation"]),
            label("Transportation", 99.0, &[]),
            label("Bus", 97.0, &["Vehicle", "Transportation"]),
        ];
        Labels::new("3.0", labels)
    }

    fn reference(class: u128, labels: Labels) -> Reference {
        let class = ClassId(Uuid::from_u128(class));
        Reference { class, sha256: Sha256::of(b"reference"), labels }
    }

    fn settings() -> TagSettings {
        TagSettings { rule: Rule::Specific, ..TagSettings::default() }
    }

    fn weights_of(settings: &TagSettings) -> Vec<TagWeight> {
        let references = [reference(1, ship("Cruiser")), reference(2, ship("Freighter"))];
        let mut corpus = vec![ship("Cruiser"); 50];
        corpus.extend(vec![ship("Freighter"); 50]);
        corpus.extend(vec![bus(); 10]);
        weights(settings, &references, &Frequencies::of(&corpus, settings.min_confidence))
    }

    #[test]
    fn a_particular_tag_outweighs_all_that_every_ship_has() {
        let weights = weights_of(&settings());
        assert_eq!(weights.len(), 8);
        let cruiser = &weights[0];
        assert_eq!(
            (cruiser.tag.as_str(), cruiser.above_another, cruiser.in_every_class),
            ("Cruiser", false, false)
        );
        assert!(cruiser.weight > 0.6, "{weights:?}");
        let boat = weights.iter().find(|weight| weight.tag == "Boat").unwrap();
        assert!(boat.above_another && boat.in_every_class && boat.weight < 0.15, "{boat:?}");
        let sum: f32 = weights[..4].iter().map(|weight| weight.weight).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_bus_passes_the_original_rule_and_not_this_one() {
        let (settings, references) = (settings(), [reference(1, ship("Cruiser"))]);
        let weights = weights_of(&settings);
        let original = TagSettings { rule: Rule::AnyOfTopK, ..settings.clone() };
        let judge = |settings: &TagSettings, image: &Labels| {
            let standard = Standard { settings, references: &references, weights: &weights[..4] };
            super::super::judge(standard, image)
        };
        assert_eq!(judge(&original, &bus()).outcome, Outcome::Passed);
        let finding = judge(&settings, &bus());
        assert_eq!(finding.outcome, Outcome::Flagged);
        assert!(finding.reason.starts_with("shares only "), "{}", finding.reason);
        assert!(finding.evidence["share"].as_f64().unwrap() < 0.25);
        let finding = judge(&settings, &ship("Cruiser"));
        assert_eq!(finding.outcome, Outcome::Passed);
        assert_eq!(judge(&settings, &ship("Freighter")).outcome, Outcome::Flagged);
        let nothing = judge(&settings, &Labels::new("3.0", vec![]));
        assert!(nothing.reason.ends_with("the tagger sees nothing in it"), "{}", nothing.reason);
    }

    #[test]
    fn the_tags_of_all_references_count_once_under_any_name() {
        let mut second = ship("Warship");
        second.labels.iter_mut().for_each(|label| label.confidence += 1.0);
        second.labels[4].aliases.push("Cruiser".into());
        let references = [reference(1, ship("Cruiser")), reference(1, second)];
        let weights =
            weights(&TagSettings { k: 50, ..settings() }, &references, &Frequencies::default());
        let names: Vec<&str> = weights.iter().map(|weight| weight.tag.as_str()).collect();
        assert_eq!(names.iter().filter(|name| ["Cruiser", "Warship"].contains(name)).count(), 1);
        assert!(names.contains(&"Warship"), "{names:?}");
        assert!(weights.iter().all(|weight| !weight.in_every_class), "one class has no others");
    }

    #[test]
    fn where_all_pictures_have_the_same_labels_all_pass() {
        let (settings, references) = (settings(), [reference(1, ship("Cruiser"))]);
        let corpus = vec![ship("Cruiser"); 20];
        let frequencies = Frequencies::of(&corpus, settings.min_confidence);
        let weights = weights(&settings, &references, &frequencies);
        let standard = Standard { settings: &settings, references: &references, weights: &weights };
        assert_eq!(judge(standard, &corpus[0]).outcome, Outcome::Passed);
    }
}
