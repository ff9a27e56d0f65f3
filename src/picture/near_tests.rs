//! Near-duplicates on real photographs: what the thresholds find and what they join.

use std::path::{Path, PathBuf};

use image::RgbImage;

use super::*;

fn photographs() -> Option<Vec<PathBuf>> {
    let root = std::env::var("SHIPSHAPE_PHOTOS").unwrap_or_else(|_| "../shared/photos".into());
    let classes = std::fs::read_dir(Path::new(&root).join("ships")).ok()?;
    let files = classes.flatten().flat_map(|class| std::fs::read_dir(class.path()).into_iter());
    Some(files.flatten().flatten().map(|file| file.path()).collect())
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    examine(bytes, &Limits::default()).unwrap().facts.fingerprint()
}

fn brighter(pixels: &RgbImage, factor: f32) -> RgbImage {
    let mut pixels = pixels.clone();
    pixels.iter_mut().for_each(|level| *level = (f32::from(*level) * factor).min(255.0) as u8);
    pixels
}

/// A copy at quality 60, at 70 % of the size, 10 % brighter and 10 % darker.
fn copies(bytes: &[u8]) -> [Fingerprint; 4] {
    let pixels = decode(bytes, &Limits::default()).unwrap();
    let seventy = pixels.width().max(pixels.height()) * 7 / 10;
    [
        encode_jpeg(&pixels, 60),
        encode_jpeg(&fit(pixels.clone(), seventy), 85),
        encode_jpeg(&brighter(&pixels, 1.1), 85),
        encode_jpeg(&brighter(&pixels, 0.9), 85),
    ]
    .map(|copy| fingerprint(&copy))
}

#[test]
#[ignore = "reads a folder of photographs: SHIPSHAPE_PHOTOS"]
fn copies_are_found_and_different_photographs_are_not_joined() {
    let Some(files) = photographs() else {
        eprintln!("skipped: SHIPSHAPE_PHOTOS names no folder with ships/<class>/*.jpg");
        return;
    };
    let (mut found, mut originals) = ([0_usize; 4], Vec::new());
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let original = fingerprint(&bytes);
        for (count, copy) in found.iter_mut().zip(copies(&bytes)) {
            *count += usize::from(near(original, copy).is_some());
        }
        originals.push((file, original));
    }
    let mut joined = Vec::new();
    for (at, (file, a)) in originals.iter().enumerate() {
        for (other, b) in &originals[at + 1..] {
            joined.extend(near(*a, *b).map(|distances| (file, other, distances)));
        }
    }
    println!("{} photographs; found {found:?} copies; joined {joined:?}", files.len());
    assert!(found.iter().all(|&count| count * 100 >= files.len() * 99));
    assert!(joined.is_empty());
}
