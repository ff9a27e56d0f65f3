//! The one transform from a decoded picture to a network's input, shared by training and serving.
//!
//! The whole picture is squashed to a square, as Keras's `flow_from_directory` does: no crop, no padding, so
//! that nothing of a long ship is cut off. Where Keras picks the nearest pixel, this filters by area (the triangle filter of
//! the thumbnails), so that a large photo and its small copy give nearly the same input. The filter works in
//! fixed-point integers: the same picture gives the same input on every machine.

use image::RgbImage;

use super::resize;

/// Squashes `pixels` to `size` × `size`; height × width × RGB, `size * size * 3` bytes.
pub fn square(pixels: &RgbImage, size: u32) -> Vec<u8> {
    let mut square = RgbImage::new(size, size);
    if pixels.width() > 0 && pixels.height() > 0 && size > 0 {
        resize::resample(pixels, &mut square);
    }
    square.into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_picture_is_squashed_and_nothing_is_cut() {
        let wide = RgbImage::from_fn(300, 30, |x, _| image::Rgb([(x / 100 * 100) as u8, 0, 7]));
        let square = square(&wide, 6);
        assert_eq!(square.len(), 6 * 6 * 3);
        let reds: Vec<u8> = square[..18].chunks_exact(3).map(|rgb| rgb[0]).collect();
        assert_eq!((reds[0], reds[5]), (0, 200));
        assert!(reds.is_sorted() && (90..=110).contains(&reds[2].midpoint(reds[3])), "{reds:?}");
        assert!(square.chunks_exact(3).all(|rgb| rgb[1] == 0 && rgb[2] == 7));
    }

    #[test]
    fn a_small_copy_gives_nearly_the_same_input() {
        let large = RgbImage::from_fn(400, 300, |x, y| {
            image::Rgb([(x / 2) as u8, (y / 2) as u8, ((x + y) / 4) as u8])
        });
        let small = resize::fit(large.clone(), 200);
        let (a, b) = (square(&large, 64), square(&small, 64));
        assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 2));
    }
}
