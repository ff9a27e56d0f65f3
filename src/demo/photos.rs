//! A directory of photographs: every folder with pictures is a class, `clutter/` the garbage, `labels.json` the tags.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Deserialize;

use super::collection::{Picture, Stock};
use super::labels::Label;

const CLUTTER: &str = "clutter";
const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "gif"];

#[derive(Deserialize)]
struct LabelFile {
    #[serde(rename = "LabelModelVersion")]
    version: String,
    images: HashMap<String, LabelledPath>,
}

#[derive(Deserialize)]
struct LabelledPath {
    sha256: String,
    labels: Vec<Label>,
}

/// The wanted classes (all where `classes` is none), the clutter, and the label model's version.
pub(super) fn read(
    dir: &Path,
    classes: Option<&[String]>,
) -> anyhow::Result<(Vec<Stock>, Vec<Picture>, String)> {
    ensure!(dir.is_dir(), "{} is not a directory of photographs", dir.display());
    let labels = dir.join("labels.json");
    let text = fs::read(&labels).with_context(|| {
        format!("{} feeds the tagger's stand-in and cannot be read", labels.display())
    })?;
    let file: LabelFile = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a label file", labels.display()))?;
    let tags: HashMap<String, Vec<Label>> =
        file.images.into_values().map(|entry| (entry.sha256, entry.labels)).collect();
    let mut folders = BTreeMap::new();
    walk(dir, dir, &mut folders)?;
    let clutter = folders.remove(CLUTTER).unwrap_or_default();
    let stocks = wanted(dir, &folders, classes)?
        .into_iter()
        .map(|(class, paths)| {
            Ok(Stock {
                phrase: class.replace(['-', '_'], " "),
                pictures: load(dir, paths, &tags)?,
                class,
            })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((stocks, load(dir, &clutter, &tags)?, file.version))
}

/// Folders with pictures in them, by path below `root` with `/` between the parts.
fn walk(
    root: &Path,
    dir: &Path,
    folders: &mut BTreeMap<String, Vec<PathBuf>>,
) -> anyhow::Result<()> {
    let listing = || format!("{} cannot be listed", dir.display());
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .with_context(listing)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(listing)?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(root, &path, folders)?;
        } else if is_picture(&path) && dir != root {
            folders.entry(below(root, dir)).or_default().push(path);
        }
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn below(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn wanted<'a>(
    dir: &Path,
    folders: &'a BTreeMap<String, Vec<PathBuf>>,
    classes: Option<&[String]>,
) -> anyhow::Result<Vec<(String, &'a Vec<PathBuf>)>> {
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let all: Vec<String> = folders.keys().cloned().collect();
    let mut found: Vec<(String, &Vec<PathBuf>)> = Vec::new();
    for class in classes.unwrap_or(&all) {
        let matching: Vec<&String> =
            folders.keys().filter(|path| *path == class || last(path) == *class).collect();
        let known = || folders.keys().map(|path| last(path)).collect::<Vec<_>>().join(", ");
        let path = match matching[..] {
            [path] => path,
            [] => bail!("no folder {class} below {}; there are: {}", dir.display(), known()),
            _ => bail!("{class} is ambiguous below {}: {matching:?}; give the path", dir.display()),
        };
        let name = last(path);
        ensure!(!found.iter().any(|(other, _)| *other == name), "class {name} is asked for twice");
        found.push((name, &folders[path]));
    }
    Ok(found)
}

fn load(
    root: &Path,
    paths: &[PathBuf],
    tags: &HashMap<String, Vec<Label>>,
) -> anyhow::Result<Vec<Picture>> {
    let one = |path: &PathBuf| {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut picture = Picture::new(below(root, path), bytes, Vec::new());
        let labels = tags.get(&picture.sha256);
        let missing = || format!("labels.json has no labels for {} (by its sha256)", picture.name);
        picture.labels.clone_from(labels.with_context(missing)?);
        Ok(picture)
    };
    paths.into_par_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::demo::collection::Collection;
    use crate::demo::drawing::{ClutterKind, ShipKind, Subject, draw};

    /// Three folders of drawn pictures in the photographs' layout.
    fn photos(labelled: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut images = serde_json::Map::new();
        let folders = [
            ("ships/cruiser", Subject::Ship(ShipKind::Destroyer), 24),
            ("ships/freighter", Subject::Ship(ShipKind::Freighter), 24),
            ("clutter", Subject::Clutter(ClutterKind::Chart), 5),
        ];
        for (folder, subject, count) in folders {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            for index in 0..count {
                let drawing = draw(subject, 1, index);
                let name = format!("{folder}/{index}.jpg");
                fs::write(dir.path().join(&name), &drawing.jpeg).unwrap();
                let picture = Picture::new(name.clone(), drawing.jpeg, Vec::new());
                images.insert(name, json!({"sha256": picture.sha256, "labels": drawing.labels}));
            }
        }
        let labels = json!({"LabelModelVersion": "3.0", "images": images});
        if labelled {
            fs::write(dir.path().join("labels.json"), labels.to_string()).unwrap();
        }
        dir
    }

    #[test]
    fn folders_anywhere_below_are_classes_and_scarce_clutter_is_shared_fairly() {
        let dir = photos(true);
        let collection = Collection::load(Some(dir.path()), None, 1).unwrap();
        let names: Vec<_> = collection.classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["cruiser", "freighter"]);
        assert!(collection.classes.iter().all(|class| class.clutter.len() == 2));
        assert!(collection.classes.iter().all(|class| class.found.len() == 19));
        assert_eq!(collection.classes[0].found[0].labels.len(), 9);
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = photos(true);
        let load = |dir: &Path, classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|&c| c.to_owned()).collect();
            format!("{:#}", Collection::load(Some(dir), Some(&classes), 1).unwrap_err())
        };
        assert!(load(dir.path(), &["cruiser", "galley"]).contains("no folder galley"));
        assert!(load(dir.path(), &["cruiser", "ships/cruiser"]).contains("twice"));
        assert!(load(&dir.path().join("none"), &[]).contains("not a directory"));
        assert!(load(photos(false).path(), &["cruiser", "freighter"]).contains("labels.json"));
    }
}
