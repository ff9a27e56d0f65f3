//! JPEG by zune-jpeg: lenient with headers, strict with pixels, so that a truncated file is never half grey.

use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_jpeg::{ImageInfo, JpegDecoder, SampleRatios};

use super::{Limits, Rejection};

/// More passes than any encoder makes; a file with a thousand is a bomb for the processor.
const MAX_SCANS: usize = 64;

/// A JPEG file whose headers have been read and have passed the caps.
pub(super) struct Jpeg<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    size: (u32, u32),
    orientation: Orientation,
    complete: bool,
}

impl<'a> Jpeg<'a> {
    /// Reads the headers up to the first scan and applies the caps.
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Rejection> {
        let complete = is_complete(bytes);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options(false));
        decoder.decode_headers().map_err(|error| reject(&error, complete))?;
        let Some(info) = decoder.info() else {
            return Err(Rejection::Undecodable("no frame header".into()));
        };
        let size = (u32::from(info.width), u32::from(info.height));
        let progressive = bytes_of_coefficients(&info);
        limits.check(size, u64::from(size.0) * u64::from(size.1) * 3 + progressive)?;
        if !can_hold(bytes.len(), &info) {
            return Err(Rejection::Truncated);
        }
        let orientation = decoder
            .exif()
            .and_then(|exif| Orientation::from_exif_chunk(exif))
            .unwrap_or(Orientation::NoTransforms);
        Ok(Self { decoder, size, orientation, complete })
    }

    /// Width and height as stored.
    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    /// What makes the stored pixels upright.
    pub(super) fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Whether the end marker is there.
    #[cfg(feature = "turbojpeg")]
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Decodes to RGB, as stored.
    pub(super) fn pixels(mut self) -> Result<RgbImage, Rejection> {
        if !self.complete {
            return Err(Rejection::Truncated);
        }
        self.decoder.set_options(options(true));
        let (width, height) = self.size;
        let mut pixels = RgbImage::new(width, height);
        self.decoder.decode_into(&mut pixels).map_err(|error| reject(&error, true))?;
        Ok(pixels)
    }
}

fn options(strict: bool) -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}

fn is_baseline(info: &ImageInfo) -> bool {
    info.sof == ImageInfo::default().sof
}

/// Bytes that a progressive decoder keeps until the last scan: two for each sample of each component.
fn bytes_of_coefficients(info: &ImageInfo) -> u64 {
    if !is_baseline(info) {
        let pixels = u64::from(info.width) * u64::from(info.height);
        return match info.sample_ratio {
            SampleRatios::HV if info.components == 3 => pixels * 3,
            SampleRatios::H | SampleRatios::V if info.components == 3 => pixels * 4,
            _ => pixels * 2 * u64::from(info.components),
        };
    }
    0
}

/// Whether a file of `length` bytes can hold the blocks that its header announces: the shortest Huffman codes take a
/// bit for the mean of each block of 8 × 8, and in a baseline file another for the end of the block.
fn can_hold(length: usize, info: &ImageInfo) -> bool {
    let blocks = u64::from(info.width).div_ceil(8) * u64::from(info.height).div_ceil(8);
    let bits_of_each = if is_baseline(info) { 2 } else { 1 };
    length as u64 * 8 >= blocks * bits_of_each
}

fn reject(error: &DecodeErrors, complete: bool) -> Rejection {
    match error {
        DecodeErrors::Unsupported(_) => {
            Rejection::UnsupportedFormat("lossless and arithmetic-coded JPEG")
        }
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => Rejection::Truncated,
        _ if !complete => Rejection::Truncated,
        _ => Rejection::Undecodable(error.to_string()),
    }
}

/// Whether the end marker follows the first scan. Walking the segments keeps the end marker of a thumbnail inside
/// a header from being taken for the picture's own.
fn is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let Some(ahead) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff))
        else {
            return false;
        };
        at += ahead + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(0xd9) => return true,
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(&[high, low]) => at += 1 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
}
