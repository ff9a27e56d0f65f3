//! Pictures of every kind, the odd ones and the hostile ones.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

use super::*;

const CMYK: &[u8] = include_bytes!("fixtures/cmyk.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("fixtures/progressive.jpg");
const LOSSY_WEBP: &[u8] = include_bytes!("fixtures/lossy.webp");

/// Red top left, green top right, blue bottom left, white bottom right.
fn quadrants(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => Rgb([220, 30, 30]),
        (false, true) => Rgb([30, 200, 30]),
        (true, false) => Rgb([30, 30, 210]),
        (false, false) => Rgb([250, 250, 250]),
    })
}

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn samples() -> Vec<(Format, Vec<u8>)> {
    let photo = quadrants(48, 32);
    vec![
        (Format::Jpeg, encode(photo.clone(), ImageFormat::Jpeg)),
        (Format::Jpeg, PROGRESSIVE.to_vec()),
        (Format::Jpeg, CMYK.to_vec()),
        (Format::Png, encode(photo.clone(), ImageFormat::Png)),
        (Format::Webp, encode(photo.clone(), ImageFormat::WebP)),
        (Format::Webp, LOSSY_WEBP.to_vec()),
        (Format::Gif, encode(photo, ImageFormat::Gif)),
    ]
}

fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend(b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0");
    bytes.extend([orientation, 0, 0, 0, 0, 0, 0]);
    bytes.extend(&jpeg[2..]);
    bytes
}

fn close(a: &RgbImage, b: &RgbImage, tolerance: u8) -> bool {
    a.dimensions() == b.dimensions()
        && a.as_raw().iter().zip(b.as_raw()).all(|(a, b)| a.abs_diff(*b) <= tolerance)
}

/// Whether they look the same: a thumbnail has half the resolution in colour, so that its sharp edges differ.
fn alike(a: &RgbImage, b: &RgbImage) -> bool {
    let differences = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b)));
    a.dimensions() == b.dimensions() && differences.sum::<u64>() < 8 * a.as_raw().len() as u64
}

#[test]
fn every_format_is_examined() {
    for (format, bytes) in samples() {
        let examined = examine(&bytes, &Limits::default()).unwrap();
        let facts = examined.facts;
        assert_eq!(facts.format, format);
        assert_eq!(facts.sha256, Sha256::of(&bytes));
        assert_eq!(facts.bytes, bytes.len() as i64);
        let seen = header(&bytes, &Limits::default()).unwrap();
        assert_eq!((facts.width, facts.height), (seen.width as i32, seen.height as i32));
        assert!(facts.quality.entropy > 0.5 && facts.quality.contrast > 0.05, "{facts:?}");
        let thumbnail = decode(&examined.thumbnail, &Limits::default()).unwrap();
        assert_eq!(thumbnail.dimensions(), (seen.width, seen.height));
    }
}

#[test]
fn the_colours_of_a_cmyk_jpeg_survive() {
    let pixels = decode(CMYK, &Limits::default()).unwrap();
    let expected = |x: u32, y: u32| [255 * u8::from(x < 12), 255 * u8::from(y < 8), 40];
    for (x, y) in [(3, 3), (20, 3), (3, 13), (20, 13)] {
        let seen = pixels.get_pixel(x, y).0;
        let far = seen.iter().zip(expected(x, y)).any(|(a, b)| a.abs_diff(b) > 12);
        assert!(!far, "at {x},{y}: {seen:?}");
    }
}

#[test]
fn a_large_picture_gets_a_thumbnail_of_256() {
    let bytes = encode(quadrants(1200, 700), ImageFormat::Jpeg);
    let examined = examine(&bytes, &Limits::default()).unwrap();
    assert_eq!((examined.facts.width, examined.facts.height), (1200, 700));
    let thumbnail = decode(&examined.thumbnail, &Limits::default()).unwrap();
    assert_eq!(thumbnail.dimensions(), (256, 149));
    assert!(alike(&thumbnail, &fit(quadrants(1200, 700), 256)));
}

#[test]
fn all_eight_orientations_come_out_upright() {
    let upright = quadrants(64, 32);
    for exif in 1..=8 {
        let inverse = match Orientation::from_exif(exif).unwrap() {
            Orientation::Rotate90 => Orientation::Rotate270,
            Orientation::Rotate270 => Orientation::Rotate90,
            itself => itself,
        };
        let mut stored = DynamicImage::from(upright.clone());
        stored.apply_orientation(inverse);
        let bytes = with_orientation(&encode(stored, ImageFormat::Jpeg), exif);
        let pixels = decode(&bytes, &Limits::default()).unwrap();
        assert!(close(&pixels, &upright, 60), "orientation {exif}");
        let examined = examine(&bytes, &Limits::default()).unwrap();
        assert_eq!((examined.facts.width, examined.facts.height), (64, 32));
        let thumbnail = decode(&examined.thumbnail, &Limits::default()).unwrap();
        assert!(alike(&thumbnail, &upright), "thumbnail of orientation {exif}");
    }
}

#[test]
fn an_invalid_orientation_is_ignored() {
    let jpeg = encode(quadrants(64, 32), ImageFormat::Jpeg);
    for exif in [0, 9, 255] {
        let seen = header(&with_orientation(&jpeg, exif), &Limits::default()).unwrap();
        assert_eq!((seen.width, seen.height), (64, 32));
    }
}

#[test]
fn odd_pixels_and_sizes_decode() {
    let deep = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(9, 5, Rgb([0xffff, 0x8080, 0]));
    let pixels = decode(&encode(deep, ImageFormat::Png), &Limits::default()).unwrap();
    assert_eq!(pixels.get_pixel(4, 2).0, [255, 128, 0]);
    let gray = image::GrayImage::from_pixel(7, 7, image::Luma([90]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let pixels = decode(&encode(gray.clone(), format), &Limits::default()).unwrap();
        assert!(pixels.get_pixel(3, 3).0.iter().all(|level| level.abs_diff(90) <= 2));
    }
    for (width, height) in [(1, 1), (940, 2), (2, 940), (1, 3000)] {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif] {
            let bytes = encode(quadrants(width, height), format);
            let facts = examine(&bytes, &Limits::default()).unwrap().facts;
            assert_eq!((facts.width, facts.height), (width as i32, height as i32));
        }
    }
}

#[test]
fn transparency_is_laid_on_white() {
    let glass = RgbaImage::from_fn(8, 8, |x, _| Rgba([0, 0, 0, if x < 4 { 0 } else { 128 }]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let pixels = decode(&encode(glass.clone(), format), &Limits::default()).unwrap();
        assert_eq!(pixels.get_pixel(1, 1).0, [255; 3]);
        assert_eq!(pixels.get_pixel(6, 1).0, [127; 3]);
    }
    let pixels = decode(&encode(glass, ImageFormat::Gif), &Limits::default()).unwrap();
    assert_eq!(pixels.get_pixel(1, 1).0, [255; 3]);
}

#[test]
fn a_size_beyond_the_caps_is_refused_from_the_header() {
    let mut png = encode(quadrants(4, 4), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let mut gif = encode(quadrants(4, 4), ImageFormat::Gif);
    gif[6..10].fill(0xff);
    let mut jpeg = encode(quadrants(16, 16), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x1f, 0x40, 0x1f, 0x40]);
    for bytes in [png, gif, jpeg] {
        let code = examine(&bytes, &Limits::default()).unwrap_err().code();
        assert_eq!(code, "too_many_pixels");
    }
}

#[test]
fn memory_counts_and_not_only_pixels() {
    let deep = image::ImageBuffer::<Rgba<u16>, _>::from_pixel(64, 64, Rgba([1, 2, 3, 4]));
    let bytes = encode(deep, ImageFormat::Png);
    let limits = Limits { max_decoded_bytes: 64 * 64 * 8, ..Limits::default() };
    assert_eq!(decode(&bytes, &limits).unwrap_err().code(), "too_many_pixels");
}

#[test]
fn a_frame_larger_than_its_data_is_rejected() {
    let mut jpeg = encode(quadrants(16, 16), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x10, 0]);
    assert!(examine(&jpeg, &Limits::default()).is_err());
    jpeg[frame + 5..frame + 9].fill(0);
    assert!(examine(&jpeg, &Limits::default()).is_err());
}

#[test]
fn asked_limits_hold() {
    let bytes = encode(quadrants(50, 20), ImageFormat::Png);
    let small = Limits { min_side: 21, ..Limits::default() };
    let code = examine(&bytes, &small).unwrap_err().code();
    assert_eq!(code, "too_small");
    let short = Limits { max_bytes: bytes.len() - 1, ..Limits::default() };
    assert_eq!(examine(&bytes, &short).unwrap_err().code(), "too_large");
}

#[test]
fn a_truncated_file_is_rejected() {
    for (format, bytes) in samples() {
        for percent in [10, 50, 90] {
            let part = &bytes[..bytes.len() * percent / 100];
            assert!(examine(part, &Limits::default()).is_err(), "{format:?} at {percent} %");
        }
    }
    let jpeg = encode(quadrants(300, 200), ImageFormat::Jpeg);
    for cut in 1..20 {
        let part = with_orientation(&jpeg[..jpeg.len() - cut], 1);
        assert_eq!(examine(&part, &Limits::default()).unwrap_err(), Rejection::Truncated);
    }
}

#[test]
fn bytes_after_the_picture_do_no_harm() {
    let mut bytes = encode(quadrants(40, 30), ImageFormat::Jpeg);
    bytes.extend(b"PK\x03\x04 and some more");
    assert_eq!(examine(&bytes, &Limits::default()).unwrap().facts.width, 40);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_files_never_panic(
        which in 0..7_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let (_, mut bytes) = samples().swap_remove(which);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        let limits = Limits { max_pixels: 4_000_000, ..Limits::default() };
        if let Ok(examined) = examine(&bytes, &limits) {
            prop_assert!(decode(&examined.thumbnail, &limits).is_ok());
        }
    }
}
