//! What a tagger would say of each drawn kind: the shape and order of real answers, near-tied ancestors on top.

use rand_chacha::ChaCha8Rng;

use super::clutter::ClutterKind;
use super::scene::between;
use super::ship::ShipKind;
use crate::demo::labels::Label;

/// Name and ancestors.
type Name = (&'static str, &'static [&'static str]);

/// The names of each kind of clutter, most confident first.
const CLUTTER: [(ClutterKind, &[Name]); 12] = [
    (
        ClutterKind::House,
        &[
            ("Architecture", &[]),
            ("Building", &["Architecture"]),
            ("House", &["Housing", "Building", "Architecture"]),
            ("Housing", &["Building", "Architecture"]),
            ("Cottage", &["House", "Housing", "Building", "Architecture"]),
        ],
    ),
    (
        ClutterKind::Forest,
        &[
            ("Plant", &[]),
            ("Tree", &["Plant"]),
            ("Vegetation", &["Plant"]),
            ("Nature", &[]),
            ("Woodland", &["Nature", "Outdoors"]),
        ],
    ),
    (
        ClutterKind::Mountains,
        &[
            ("Nature", &[]),
            ("Outdoors", &[]),
            ("Mountain", &["Nature", "Outdoors"]),
            ("Scenery", &["Nature", "Outdoors"]),
        ],
    ),
    (
        ClutterKind::City,
        &[
            ("City", &[]),
            ("Urban", &[]),
            ("Architecture", &[]),
            ("Building", &["Architecture"]),
            ("Metropolis", &["City", "Urban"]),
        ],
    ),
    (
        ClutterKind::Harbour,
        &[
            ("Water", &[]),
            ("Waterfront", &["Water"]),
            ("Pier", &["Waterfront", "Water"]),
            ("Harbor", &["Waterfront", "Water"]),
            ("Lighthouse", &["Architecture", "Building"]),
        ],
    ),
    (
        ClutterKind::Car,
        &[
            ("Vehicle", &["Transportation"]),
            ("Transportation", &[]),
            ("Car", &["Vehicle", "Transportation"]),
            ("Wheel", &["Machine"]),
            ("Sedan", &["Car", "Vehicle", "Transportation"]),
        ],
    ),
    (
        ClutterKind::Aeroplane,
        &[
            ("Aircraft", &["Vehicle", "Transportation"]),
            ("Transportation", &[]),
            ("Vehicle", &["Transportation"]),
            ("Airplane", &["Aircraft", "Vehicle", "Transportation"]),
            ("Flight", &[]),
        ],
    ),
    (
        ClutterKind::Face,
        &[
            ("Face", &["Head", "Person"]),
            ("Head", &["Person"]),
            ("Person", &[]),
            ("Portrait", &["Photography"]),
        ],
    ),
    (
        ClutterKind::Flower,
        &[
            ("Flower", &["Plant"]),
            ("Plant", &[]),
            ("Petal", &["Flower", "Plant"]),
            ("Daisy", &["Flower", "Plant"]),
        ],
    ),
    (
        ClutterKind::Fruit,
        &[
            ("Food", &[]),
            ("Fruit", &["Food", "Plant", "Produce"]),
            ("Produce", &["Food"]),
            ("Bowl", &[]),
            ("Apple", &["Fruit", "Food", "Plant", "Produce"]),
        ],
    ),
    (
        ClutterKind::Abstract,
        &[("Art", &[]), ("Graphics", &["Art"]), ("Pattern", &[]), ("Modern Art", &["Art"])],
    ),
    (
        ClutterKind::Chart,
        &[("Page", &["Text"]), ("Text", &[]), ("Chart", &[]), ("Bar Chart", &["Chart"])],
    ),
];

/// Vehicle, Transportation, Boat tie on top; the specific names stand at 55 to 75, as real answers for ships have it.
pub(super) fn of_ship(kind: ShipKind, rng: &mut ChaCha8Rng) -> Vec<Label> {
    let top = between(rng, 97.0, 99.9);
    let craft: &[&str] = &["Vehicle", "Transportation"];
    let ship: &[&str] = &["Watercraft", "Vehicle", "Transportation"];
    let sort: &[&str] = &["Ship", "Watercraft", "Vehicle", "Transportation"];
    let mut labels = vec![
        Label::new("Vehicle", top, &["Transportation"]),
        Label::new("Transportation", top, &[]),
        Label::new("Boat", top, craft),
        Label::new("Watercraft", top - 1.2, craft),
        Label::new("Water", between(rng, 86.0, 94.0), &[]),
        Label::new("Ship", between(rng, 70.0, 84.0), ship),
    ];
    let specific: &[(&str, &[&str])] = match kind {
        ShipKind::Destroyer => &[("Military", &[]), ("Navy", &["Military"]), ("Destroyer", sort)],
        ShipKind::Freighter => &[("Freighter", sort), ("Barge", ship)],
        ShipKind::SailingShip => &[("Sailboat", ship), ("Mast", &[])],
        ShipKind::Carrier => {
            &[("Military", &[]), ("Navy", &["Military"]), ("Aircraft Carrier", sort)]
        }
    };
    labels.extend(
        specific.iter().map(|(name, parents)| Label::new(name, between(rng, 55.0, 75.0), parents)),
    );
    ordered(labels)
}

/// The names of a kind of clutter, most confident first.
pub(super) fn of_clutter(kind: ClutterKind, rng: &mut ChaCha8Rng) -> Vec<Label> {
    let names =
        CLUTTER.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, names)| names);
    let mut confidence = between(rng, 90.0, 99.5);
    let mut labels = Vec::new();
    for (name, parents) in names {
        labels.push(Label::new(name, confidence, parents));
        confidence = (confidence - between(rng, 0.0, 12.0)).max(55.0);
    }
    ordered(labels)
}

fn ordered(mut labels: Vec<Label>) -> Vec<Label> {
    labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    labels
}
