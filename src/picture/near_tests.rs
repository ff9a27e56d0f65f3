//! Near-duplicates on real photographs: what the thresholds find and what they join.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::*;
use crate::nn::rng::{Purpose, Stream};

/// What a copy of a photograph goes through.
const CHANGES: [&str; 4] = ["recompressed", "resized", "brightness", "all three"];

/// Every photograph under `ships/` and `pets/`, with its class.
fn photographs() -> Vec<(String, PathBuf)> {
    let root = std::env::var("SHIPSHAPE_PHOTOS").unwrap_or_else(|_| "../shared/photos".into());
    let list = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let kinds = ["ships", "pets"].map(|kind| Path::new(&root).join(kind));
    let classes = kinds.iter().flat_map(|kind| list(kind).collect::<Vec<_>>());
    let mut files: Vec<(String, PathBuf)> = classes
        .flat_map(|class| {
            let name = class.file_name().to_string_lossy().into_owned();
            list(&class.path()).map(|file| (name.clone(), file.path())).collect::<Vec<_>>()
        })
        .collect();
    files.sort();
    files
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    examine(bytes, &Limits::default()).unwrap().facts.fingerprint()
}

fn brighter(pixels: &RgbImage, factor: f32) -> RgbImage {
    let mut pixels = pixels.clone();
    pixels.iter_mut().for_each(|level| *level = (f32::from(*level) * factor).min(255.0) as u8);
    pixels
}

fn scaled(pixels: &RgbImage, factor: f32) -> RgbImage {
    let side = |length: u32| ((length as f32 * factor).round() as u32).max(1);
    let mut other = RgbImage::new(side(pixels.width()), side(pixels.height()));
    resize::resample(pixels, &mut other);
    other
}

/// The copies of a photograph, one for each of [`CHANGES`]: quality 50 to 90, 70 to 130 % of the size, ±10 % brightness.
fn copies(pixels: &RgbImage, number: u64) -> [Vec<u8>; 4] {
    let mut stream = Stream::new(1, Purpose::Augment, number, 0);
    let mut between = |low: f32, high: f32| low + (high - low) * stream.below(1001) as f32 / 1000.0;
    let (quality, all) = (between(50.0, 90.0) as u8, between(50.0, 90.0) as u8);
    let (size, both) = (between(0.7, 1.3), between(0.7, 1.3));
    let light = if between(0.0, 1.0) < 0.5 { 0.9 } else { 1.1 };
    [
        encode_jpeg(pixels, quality),
        encode_jpeg(&scaled(pixels, size), 90),
        encode_jpeg(&brighter(pixels, light), 90),
        encode_jpeg(&brighter(&scaled(pixels, both), light), all),
    ]
}

#[test]
#[ignore = "reads a folder of photographs: SHIPSHAPE_PHOTOS"]
fn copies_are_found_and_different_photographs_are_not_joined() {
    let files = photographs();
    assert!(!files.is_empty(), "SHIPSHAPE_PHOTOS names no folder with ships/<class>/*.jpg");
    let (mut found, mut seen) = ([0_usize; 4], Vec::new());
    for (number, (class, file)) in files.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        let original = fingerprint(&bytes);
        let pixels = decode(&bytes, &Limits::default()).unwrap();
        seen.push((number, class, original));
        for (count, copy) in found.iter_mut().zip(copies(&pixels, number as u64)) {
            let copy = fingerprint(&copy);
            *count += usize::from(near(original, copy).is_some());
            seen.push((number, class, copy));
        }
    }
    let (mut joined, mut across) = (BTreeSet::new(), 0);
    for (at, (number, class, a)) in seen.iter().enumerate() {
        for (other, other_class, b) in &seen[at + 1..] {
            if number != other && near(*a, *b).is_some() {
                joined.insert((&files[*number].1, &files[*other].1));
                across += usize::from(class != other_class);
            }
        }
    }
    println!("{} photographs; found {found:?} of {CHANGES:?}; joined {joined:?}", files.len());
    assert!(found.iter().all(|&count| count * 100 >= files.len() * 99));
    assert_eq!(across, 0, "copies of different classes are joined");
    // Two frames of one moment and two photographs of one dog.
    assert!(joined.len() * 1000 <= files.len(), "different photographs are joined");
}
