//! The thousand classes of `ImageNet` by name, with what `WordNet` puts above them: `imagenet.tsv`, which
//! `scripts/wordnet-labels` writes and explains.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::nn::backbone::CLASSES;

/// The committed table.
pub(super) const TABLE: &str = include_str!("imagenet.tsv");

/// A class, or something that stands above classes.
#[derive(Debug)]
pub(super) struct Thing {
    /// For example "Container Ship"; no two have a name or alias in common.
    pub(super) name: &'static str,
    /// Other names of the same thing.
    pub(super) aliases: Vec<&'static str>,
    /// `WordNet`'s file that it is in, for example "Artifact".
    pub(super) category: &'static str,
    /// All that stands above it, the nearest first, as places in [`THINGS`].
    pub(super) ancestors: Vec<usize>,
}

/// First the classes in the order of the network's outputs, then what stands above them.
pub(super) static THINGS: LazyLock<Vec<Thing>> = LazyLock::new(|| {
    let rows: Vec<[&str; 5]> =
        TABLE.lines().filter(|line| !line.starts_with('#')).map(row).collect();
    let place: HashMap<&str, usize> =
        rows.iter().enumerate().map(|(at, row)| (row[0], at)).collect();
    let parents: Vec<Vec<usize>> =
        rows.iter().map(|row| words(row[4], ' ').map(|id| place[id]).collect()).collect();
    assert!(rows.len() > CLASSES, "the table names every class");
    rows.iter()
        .enumerate()
        .map(|(at, &[_, name, aliases, category, _])| Thing {
            name,
            aliases: words(aliases, '|').collect(),
            category,
            ancestors: ancestors(&parents, at),
        })
        .collect()
});

fn row(line: &'static str) -> [&'static str; 5] {
    let fields: Vec<&str> = line.split('\t').collect();
    fields.try_into().expect("five columns")
}

fn words(text: &'static str, between: char) -> impl Iterator<Item = &'static str> {
    text.split(between).filter(|word| !word.is_empty())
}

fn ancestors(parents: &[Vec<usize>], thing: usize) -> Vec<usize> {
    let mut found = parents[thing].clone();
    let mut at = 0;
    while at < found.len() {
        for &above in &parents[found[at]] {
            if !found.contains(&above) {
                found.push(above);
            }
        }
        at += 1;
    }
    found
}

/// Each thing's probability: a class has its own, and what stands above has the sum over the classes below it.
pub(super) fn spread(classes: &[f64]) -> Vec<f64> {
    let things = &*THINGS;
    let mut all = vec![0.0; things.len()];
    for (class, probability) in classes.iter().enumerate() {
        all[class] += probability;
        for &above in &things[class].ancestors {
            all[above] += probability;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn thing(name: &str) -> &'static Thing {
        THINGS.iter().find(|thing| thing.name == name).unwrap()
    }

    fn above(name: &str) -> Vec<&'static str> {
        thing(name).ancestors.iter().map(|&at| THINGS[at].name).collect()
    }

    #[test]
    fn a_ship_stands_under_vessel_craft_and_vehicle() {
        let ship = ["Cargo Ship", "Ship", "Vessel", "Craft", "Vehicle", "Conveyance"];
        assert_eq!(above("Container Ship"), ship);
        assert_eq!(thing("Container Ship").aliases, ["Containership", "Container Vessel"]);
        assert!(above("Fireboat").contains(&"Boat"));
        assert!(above("Tiger Shark").contains(&"Fish"));
        assert!(above("Tabby").contains(&"Cat") && above("Tabby").contains(&"Domestic Animal"));
        assert!(above("Warplane").contains(&"Aircraft"));
        assert_eq!(thing("Warplane").category, "Artifact");
    }

    #[test]
    fn what_is_too_broad_to_be_seen_in_a_picture_is_cut() {
        let broad = [
            "Entity",
            "Object",
            "Whole",
            "Artifact",
            "Instrumentality",
            "Device",
            "Living Thing",
            "Matter",
        ];
        assert!(THINGS.iter().all(|thing| !broad.contains(&thing.name)));
    }

    #[test]
    fn a_name_or_alias_means_one_thing() {
        let mut seen = HashSet::new();
        for thing in THINGS.iter() {
            for name in std::iter::once(&thing.name).chain(&thing.aliases) {
                assert!(!name.is_empty() && seen.insert(name.to_lowercase()), "{name} twice");
            }
        }
        assert_ne!(thing("Crane").ancestors, thing("Crane (Wading Bird)").ancestors);
    }

    #[test]
    fn each_class_counts_once_for_what_stands_above_it() {
        let mut classes = vec![0.0; CLASSES];
        let place = |name: &str| THINGS.iter().position(|thing| thing.name == name).unwrap();
        for (name, probability) in [("Container Ship", 0.5), ("Fireboat", 0.2), ("Tabby", 0.3)] {
            assert!(place(name) < CLASSES);
            classes[place(name)] = probability;
        }
        let all = spread(&classes);
        let sums = ["Ship", "Boat", "Vessel", "Vehicle", "Animal", "Container Ship", "Dog"];
        let sums = sums.map(|name| (all[place(name)] * 100.0).round() as i32);
        assert_eq!(sums, [50, 20, 70, 70, 30, 50, 0]);
    }

    /// One picture each of some classes, named `<wnid>_<name>.jpg` by others than the table's makers.
    #[test]
    fn names_agree_with_those_of_the_sample_photographs() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/photos/clutter");
        let rows: HashMap<&str, [&str; 5]> = TABLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(row)
            .map(|row| (row[0], row))
            .collect();
        let mut other = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let (id, name) = file.trim_end_matches(".jpg").split_once('_').unwrap();
            let row = rows[id];
            let name = name.replace('_', " ").to_lowercase();
            let ours = format!("{}|{}", row[1], row[2]).to_lowercase();
            if !ours.split('|').any(|ours| ours == name || ours.starts_with(&format!("{name} ("))) {
                other.push(format!("{id} {name}: {ours}"));
            }
        }
        assert!(other.len() < 8, "{other:#?}");
    }
}
