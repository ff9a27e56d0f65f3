//! JPEG decoded at 1/2, 1/4 or 1/8 of its size by libjpeg-turbo: the fast path of thumbnails.

use image::RgbImage;
use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

/// As many passes as the other decoder takes.
const MAX_SCANS: u32 = 64;

/// Decodes `bytes`, whose size has passed the caps, at the smallest scale whose longest side is at least `side`.
/// `None` for what libjpeg-turbo refuses or warns about (CMYK, damage): the other decoder then decides.
pub(super) fn decode(bytes: &[u8], side: u32) -> Option<RgbImage> {
    let mut decoder = Decompressor::new().ok()?;
    decoder.set_scan_limit(MAX_SCANS).ok()?;
    let header = decoder.read_header(bytes).ok()?;
    let longest = header.width.max(header.height);
    let factor = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
        .into_iter()
        .find(|factor| factor.scale(longest) >= side as usize)
        .unwrap_or(ScalingFactor::ONE);
    decoder.set_scaling_factor(factor).ok()?;
    let size = header.scaled(factor);
    let mut pixels = RgbImage::new(size.width as u32, size.height as u32);
    let output = Image {
        pixels: &mut *pixels,
        width: size.width,
        pitch: size.width * 3,
        height: size.height,
        format: PixelFormat::RGB,
    };
    decoder.decompress(bytes, output).ok()?;
    Some(pixels)
}
