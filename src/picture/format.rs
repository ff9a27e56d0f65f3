//! What some bytes are, by their magic: one of four picture formats, a named other one, or no picture.

use serde::{Deserialize, Serialize};

use super::Rejection;

/// A picture format that shipshape decodes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "picture_format", rename_all = "lowercase")]
pub enum Format {
    /// JPEG: baseline or progressive, 8 bit.
    Jpeg,
    /// PNG, its default image.
    Png,
    /// WebP, lossy or lossless, the first frame.
    Webp,
    /// GIF, the first frame.
    Gif,
}

impl Format {
    /// The usual file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
        }
    }

    /// Reads the magic of `bytes`; their name and declared type are not asked.
    pub fn sniff(bytes: &[u8]) -> Result<Self, Rejection> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Ok(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Ok(Self::Png)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Ok(Self::Webp)
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Ok(Self::Gif)
        } else {
            Err(foreign(bytes).map_or(Rejection::NotImage, Rejection::UnsupportedFormat))
        }
    }
}

/// The name of a picture format that is recognised and not decoded.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    const MAGICS: &[(&[u8], &str)] = &[
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "BigTIFF"),
        (b"MM\0+", "BigTIFF"),
        (b"\0\0\x01\0", "ICO"),
        (b"8BPS", "Photoshop"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"qoif", "QOI"),
        (b"DDS ", "DDS"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
    ];
    if let Some((_, name)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(name);
    }
    if bytes.starts_with(b"BM") && matches!(bytes.get(14), Some(12 | 40 | 52 | 56 | 64 | 108 | 124))
    {
        return Some("BMP");
    }
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return Some("PNM");
    }
    iso_media(bytes).or_else(|| svg(bytes))
}

/// HEIC and AVIF, by the brand of their `ftyp` box; a film has other brands and is no picture.
fn iso_media(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    match bytes.get(8..12)? {
        b"avif" | b"avis" => Some("AVIF"),
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => {
            Some("HEIC")
        }
        _ => None,
    }
}

fn svg(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(1024)];
    let text = head.trim_ascii_start().strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let is_markup = text.trim_ascii_start().starts_with(b"<");
    (is_markup && head.windows(4).any(|tag| tag.eq_ignore_ascii_case(b"<svg"))).then_some("SVG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pictures_are_named() {
        let cases: [(&[u8], &str); 6] = [
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
            (b"\xef\xbb\xbf<?xml version='1.0'?><!-- a --><SVG onload='x'>", "SVG"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "BMP"),
            (b"P2 99999 99999 255\n0", "PNM"),
        ];
        for (bytes, name) in cases {
            assert_eq!(Format::sniff(bytes), Err(Rejection::UnsupportedFormat(name)));
        }
    }

    #[test]
    fn what_is_no_picture_is_called_so() {
        let cases: [&[u8]; 8] = [
            b"",
            b"x",
            b"<html><body>404</body></html>",
            b"%PDF-1.7",
            b"PK\x03\x04\0\0",
            b"\x7fELF\x02\x01",
            b"\0\0\0\x18ftypisom\0\0\0\0",
            b"BMW is a make of car",
        ];
        for bytes in cases {
            assert_eq!(Format::sniff(bytes), Err(Rejection::NotImage));
        }
    }
}
