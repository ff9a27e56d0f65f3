//! The resize filters, the thumbnail's size, and JPEG out.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use fast_image_resize::{IntoImageView, IntoImageViewMut};
use image::RgbImage;
use jpeg_encoder::{ColorType, Encoder};

/// Longest side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 256;

/// JPEG quality of a thumbnail.
pub(super) const THUMBNAIL_QUALITY: u8 = 85;

/// Resizes `from` into `to`, whatever their aspects, by a triangle filter that widens as it shrinks (each source
/// pixel counts, so that nothing aliases). Thumbnails, hashes and tensors all use it: hashes made with another
/// filter differ by several bits.
pub(super) fn resample(from: &impl IntoImageView, to: &mut impl IntoImageViewMut) {
    convolve(from, to, FilterType::Bilinear);
}

/// The same by Pillow's cubic filter, for scores that are defined by it.
pub(super) fn resample_cubic(from: &impl IntoImageView, to: &mut impl IntoImageViewMut) {
    convolve(from, to, FilterType::CatmullRom);
}

fn convolve(from: &impl IntoImageView, to: &mut impl IntoImageViewMut, filter: FilterType) {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new()
        .resize(from, to, &options)
        .expect("both images have one pixel type and at least one pixel");
}

/// Shrinks `pixels` so that the longest side is at most `side`; never enlarges, and no side falls to zero.
pub fn fit(pixels: RgbImage, side: u32) -> RgbImage {
    let (width, height) = pixels.dimensions();
    let longest = width.max(height);
    if longest <= side {
        return pixels;
    }
    let scaled = |length: u32| {
        let exact = u64::from(length) * u64::from(side);
        ((exact + u64::from(longest) / 2) / u64::from(longest)).max(1) as u32
    };
    let mut small = RgbImage::new(scaled(width), scaled(height));
    resample(&pixels, &mut small);
    small
}

/// Squeezes or stretches `pixels` to `side` × `side` as Pillow does by its cubic filter: first across and then down,
/// because overshoots are cut between the passes.
pub fn squash(pixels: &RgbImage, side: u32) -> RgbImage {
    let mut across = RgbImage::new(side, pixels.height());
    resample_cubic(pixels, &mut across);
    let mut square = RgbImage::new(side, side);
    resample_cubic(&across, &mut square);
    square
}

/// Encodes `pixels` as JPEG of `quality` 1 to 100.
pub fn encode_jpeg(pixels: &RgbImage, quality: u8) -> Vec<u8> {
    let side = |pixels| u16::try_from(pixels).expect("a picture within the caps fits JPEG");
    let (width, height) = (side(pixels.width()), side(pixels.height()));
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, quality)
        .encode(pixels.as_raw(), width, height, ColorType::Rgb)
        .expect("an RGB picture of at least one pixel can be written to memory");
    bytes
}
