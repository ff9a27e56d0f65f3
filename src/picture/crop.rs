//! The transform of the published `ImageNet` networks: short side to a size, centre cut out.
//!
//! It follows torchvision's `Resize` and `CenterCrop` over Pillow, which timm evaluates with, to a level of 255 (8 where a
//! 20:1 panorama is enlarged: overshoots are cut between the passes, whose order differs): the
//! same bicubic filter in the same fixed-point steps, lengths cut and the crop's place rounded as there. What the crop
//! does not show is not computed.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Resizes `pixels` so that the short side is `short`, and cuts out the middle `size` × `size`; height × width × RGB,
/// `size * size * 3` bytes.
///
/// # Panics
/// When `pixels` is empty, or `size` is above `short`.
pub fn centre(pixels: &RgbImage, short: u32, size: u32) -> Vec<u8> {
    assert!(0 < size && size <= short, "the crop lies inside");
    let (width, height) = pixels.dimensions();
    let shortest = width.min(height);
    let window = |length: u32| {
        let resized = (u64::from(length) * u64::from(short) / u64::from(shortest)) as f64;
        let scale = f64::from(length) / resized;
        let start = ((resized - f64::from(size)) / 2.0).round_ties_even() * scale;
        (start, (f64::from(size) * scale).min(f64::from(length) - start))
    };
    let ((left, across), (top, down)) = (window(width), window(height));
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
        .crop(left, top, across, down);
    let mut crop = RgbImage::new(size, size);
    Resizer::new().resize(pixels, &mut crop, &options).expect("both have pixels of one type");
    crop.into_raw()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::nn::backbone::tests::formula;

    /// What `benches/peers/backbone_peer.py` wrote: each case's numbers.
    const FIXTURE: &[u8] = include_bytes!("fixtures/centre_crop.u8");
    /// Width, height, short side, crop, and which of its pixels in each direction the fixture holds.
    const CASES: [[u32; 5]; 5] = [
        [300, 200, 73, 64, 2],
        [97, 211, 73, 64, 2],
        [40, 31, 73, 64, 2],
        [640, 427, 256, 224, 8],
        [1001, 50, 256, 224, 8],
    ];

    /// Waves and noise, the same on both sides.
    pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
        let numbers = formula("crop", (width * height * 3) as usize);
        let levels: Vec<u8> = numbers.map(|number| ((number + 1.0) * 127.99) as u8).collect();
        let mut pixels = RgbImage::from_raw(width, height, levels).unwrap();
        for (x, y, pixel) in pixels.enumerate_pixels_mut() {
            for (channel, level) in pixel.0.iter_mut().enumerate() {
                let wave = (x * (2 + channel as u32) + 3 * y) % 256;
                *level = ((u32::from(*level) + 3 * wave) / 4) as u8;
            }
        }
        pixels
    }

    #[test]
    fn the_crop_is_that_of_timm() {
        let mut fixture = FIXTURE;
        for [width, height, short, size, step] in CASES {
            let crop = centre(&picture(width, height), short, size);
            let shown = size.div_ceil(step);
            let (expected, rest) = fixture.split_at((shown * shown * 3) as usize);
            fixture = rest;
            let found = (0..shown * shown).flat_map(|at| {
                let (x, y) = (at % shown * step, at / shown * step);
                crop[((y * size + x) * 3) as usize..][..3].to_vec()
            });
            let worst =
                found.zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max();
            let allowed = if width > 10 * height { 8 } else { 1 };
            assert!(worst <= Some(allowed), "{width}×{height}: {worst:?} levels");
        }
        assert!(fixture.is_empty());
    }
}
