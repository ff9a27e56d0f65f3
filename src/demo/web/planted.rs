//! What goes wrong on the sample web: dead links, pages for pictures, half files, copies and repeats.

use std::io::Cursor;
use std::sync::Arc;

use image::{ImageFormat, imageops::FilterType};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use url::form_urlencoded::byte_serialize;

use super::listing::{BAD_HOST, Fate, GOOD_HOSTS, Hit};
use crate::demo::collection::Picture;

/// Faulty tiles of each kind in a class's search.
const FAULTS: [(Fate, usize); 8] = [
    (Fate::Missing, 3),
    (Fate::WebPage, 2),
    (Fate::HalfFile, 2),
    (Fate::BrokenOff, 1),
    (Fate::Endless, 1),
    (Fate::Forbidden, 2),
    (Fate::Redirected, 3),
    (Fate::BadTile, 4),
];

/// Faulty and repeated hits over the good ones of a class, and the files that only they show.
pub(super) fn faults(
    class: &str,
    good: &[Hit],
    rng: &mut ChaCha8Rng,
) -> (Vec<Hit>, Vec<Arc<Picture>>) {
    let mut hits = Vec::new();
    let mut files = Vec::new();
    for (fate, count) in FAULTS {
        for _ in 0..count {
            let model = &good[rng.random_range(0..good.len())];
            let mut hit = following(class, fate, hits.len(), model);
            if fate == Fate::HalfFile {
                let half = model.picture.bytes[..model.picture.bytes.len() / 2].to_vec();
                hit.picture = Arc::new(again(&model.picture, half, "half"));
                files.push(hit.picture.clone());
            }
            hits.push(hit);
        }
    }
    for index in 0..4 {
        let model = &good[rng.random_range(0..good.len())];
        let mut hit = following(class, Fate::Repeated, hits.len(), model);
        if index % 2 == 0 {
            // The engine knows half of the repeats itself; the others differ only in its digest.
            hit.engine_md5.clone_from(&model.engine_md5);
        }
        hits.push(hit);
    }
    for (name, scale) in [("copy", 0.8), ("copy", 0.85), ("tiny", 0.15)] {
        let model = &good[rng.random_range(0..good.len())];
        if let Some(bytes) = smaller(&model.picture, scale) {
            let mut hit = following(class, Fate::Served, hits.len(), model);
            hit.picture = Arc::new(again(&model.picture, bytes, name));
            files.push(hit.picture.clone());
            hits.push(hit);
        }
    }
    (hits, files)
}

fn following(class: &str, fate: Fate, index: usize, model: &Hit) -> Hit {
    let folder = match fate {
        Fate::Forbidden => "private",
        Fate::Redirected => "moved",
        Fate::Repeated | Fate::Served => "mirror",
        _ => "old",
    };
    let behaves = matches!(fate, Fate::Served | Fate::Repeated);
    let class: String = byte_serialize(class.as_bytes()).collect();
    let digit = char::from_digit(index as u32 % 16, 16).unwrap_or('0');
    Hit {
        host: if behaves { (model.host + 1) % GOOD_HOSTS } else { BAD_HOST },
        path: format!("/{folder}/{class}/{index}.jpg"),
        title: model.title.clone(),
        engine_md5: format!("{digit:0>2}{}", &model.picture.sha256[34..64]),
        fate,
        picture: model.picture.clone(),
    }
}

fn again(of: &Picture, bytes: Vec<u8>, what: &str) -> Picture {
    Picture::new(format!("{} ({what})", of.name), bytes, of.labels.clone())
}

/// The same picture with fewer pixels, as a JPEG; none where the file is not one that can be decoded.
fn smaller(picture: &Picture, scale: f32) -> Option<Vec<u8>> {
    let full = image::load_from_memory(&picture.bytes).ok()?.to_rgb8();
    let side = |pixels: u32| ((pixels as f32 * scale) as u32).max(8);
    let size = (side(full.width()), side(full.height()));
    let small = image::imageops::resize(&full, size.0, size.1, FilterType::Triangle);
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, ImageFormat::Jpeg).ok()?;
    Some(bytes.into_inner())
}
