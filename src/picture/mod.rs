//! Bytes to a known picture: sniff, decode, thumbnail, fingerprint, quality, tensor.
//!
//! Everything but the table (`store`) is plain, synchronous and free of I/O: call it inside `spawn_blocking`, behind whatever
//! bounds how many pictures are decoded at once.

pub mod crop;
mod decode;
mod fingerprint;
mod format;
mod jpeg;
mod quality;
mod rejection;
mod resize;
#[cfg(feature = "turbojpeg")]
mod scaled;
mod scores;
mod store;
pub mod tensor;

pub use decode::{Header, Limits, decode, header};
pub use fingerprint::{Fingerprint, MAX_DHASH_DISTANCE, MAX_PHASH_DISTANCE, near};
pub use format::Format;
pub use image::RgbImage;
pub use quality::Quality;
pub use rejection::Rejection;
pub use resize::{THUMBNAIL_SIDE, encode_jpeg, fit, squash};
pub use scores::Scores;
pub use store::{erase, find_scores, insert, set_scores};

use crate::db::Sha256;

/// What is known of some bytes once they have been decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Address of the original bytes.
    pub sha256: Sha256,
    /// Length of the original bytes.
    pub bytes: i64,
    /// What the bytes are, by their magic.
    pub format: Format,
    /// Pixels across, upright.
    pub width: i32,
    /// Pixels down, upright.
    pub height: i32,
    /// 64-bit difference hash of the thumbnail.
    pub dhash: u64,
    /// 64-bit DCT hash of the thumbnail.
    pub phash: u64,
    /// Quality numbers of the thumbnail.
    pub quality: Quality,
    /// Scores of the full-size pixels; `None` where not all of them were decoded.
    pub scores: Option<Scores>,
}

impl Facts {
    /// Both perceptual hashes, as [`near`] compares them.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { dhash: self.dhash, phash: self.phash }
    }
}

/// A decoded picture's facts and its thumbnail.
#[derive(Debug, Clone)]
pub struct Examined {
    /// What is stored of the picture.
    pub facts: Facts,
    /// JPEG, upright, longest side at most [`THUMBNAIL_SIDE`]; never larger than the picture.
    pub thumbnail: Vec<u8>,
}

/// Examines `bytes`: caps first, then decode, thumbnail, hashes and quality numbers.
///
/// Never panics, whatever the bytes.
pub fn examine(bytes: &[u8], limits: &Limits) -> Result<Examined, Rejection> {
    decode::guarded(|| {
        let preview = decode::preview(bytes, limits, THUMBNAIL_SIDE)?;
        let luma = quality::luma(&preview.pixels);
        let Fingerprint { dhash, phash } = Fingerprint::of(&luma);
        Ok(Examined {
            facts: Facts {
                sha256: Sha256::of(bytes),
                bytes: bytes.len() as i64,
                format: preview.header.format,
                width: preview.header.width as i32,
                height: preview.header.height as i32,
                dhash,
                phash,
                quality: Quality::of(&luma),
                scores: preview.scores,
            },
            thumbnail: encode_jpeg(&preview.pixels, resize::THUMBNAIL_QUALITY),
        })
    })
}

#[cfg(test)]
mod near_tests;
#[cfg(test)]
mod tests;
