//! Header, caps, decode: nothing is allocated for pixels before the announced size has passed the caps.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, RgbImage};

use super::{Format, Rejection, Scores, jpeg, resize};

/// What a picture may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the file.
    pub max_bytes: usize,
    /// Most pixels, width × height.
    pub max_pixels: u64,
    /// Most bytes that decoding may hold at once, counted from the header.
    pub max_decoded_bytes: u64,
    /// Least length of each side, in pixels; 0 asks for nothing.
    pub min_side: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 20 * 1024 * 1024,
            max_pixels: 50_000_000,
            max_decoded_bytes: 256 * 1024 * 1024,
            min_side: 0,
        }
    }
}

impl Limits {
    /// Checks the size that a header announces, and `decoded_bytes`, what decoding will hold.
    pub(super) fn check(&self, size: (u32, u32), decoded_bytes: u64) -> Result<(), Rejection> {
        let (width, height) = size;
        if width == 0 || height == 0 {
            return Err(Rejection::Undecodable("the picture has no pixels".into()));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels
            || decoded_bytes > self.max_decoded_bytes
        {
            return Err(Rejection::TooManyPixels { width, height });
        }
        if width.min(height) < self.min_side {
            return Err(Rejection::TooSmall { width, height, min_side: self.min_side });
        }
        Ok(())
    }
}

/// What the header of a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The format.
    pub format: Format,
    /// Pixels across, upright.
    pub width: u32,
    /// Pixels down, upright.
    pub height: u32,
}

impl Header {
    fn new(format: Format, size: (u32, u32), orientation: Orientation) -> Self {
        let (width, height) = match orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (size.1, size.0),
            _ => size,
        };
        Self { format, width, height }
    }
}

/// Reads the format and the upright size of `bytes` and applies the caps; decodes nothing.
pub fn header(bytes: &[u8], limits: &Limits) -> Result<Header, Rejection> {
    guarded(|| Ok(Source::open(bytes, limits)?.header()))
}

/// Decodes `bytes` to upright 8-bit RGB; transparency is laid on white. Never panics.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, Rejection> {
    guarded(|| {
        let source = Source::open(bytes, limits)?;
        let orientation = source.orientation();
        Ok(upright(source.pixels(bytes)?, orientation))
    })
}

/// A picture shrunk to fit a square, upright, beside what its header says of the original.
pub(super) struct Preview {
    pub(super) header: Header,
    pub(super) pixels: RgbImage,
    /// Of the picture at its full size; `None` where not all of its pixels were decoded.
    pub(super) scores: Option<Scores>,
}

/// Decodes `bytes` and shrinks them so that the longest side is at most `side`; never enlarges.
pub(super) fn preview(bytes: &[u8], limits: &Limits, side: u32) -> Result<Preview, Rejection> {
    let source = Source::open(bytes, limits)?;
    let (header, orientation) = (source.header(), source.orientation());
    // Turning comes after shrinking: it then moves few pixels.
    let decoded = source.small_pixels(bytes, side)?;
    let longest = decoded.width().max(decoded.height());
    let full = longest == header.width.max(header.height);
    let scores = full.then(|| Scores::of(&decoded));
    let pixels = upright(resize::fit(decoded, side), orientation);
    Ok(Preview { header, pixels, scores })
}

/// Runs `work`; a panic inside a decoder becomes a rejection of these bytes.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Rejection>) -> Result<T, Rejection> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Rejection::Undecodable("the decoder failed".into())))
}

/// A picture whose header has been read and has passed the caps.
enum Source<'a> {
    Jpeg(Box<jpeg::Jpeg<'a>>),
    Other(Format, Box<dyn ImageDecoder + 'a>, Orientation),
}

impl<'a> Source<'a> {
    fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Rejection> {
        if bytes.len() > limits.max_bytes {
            return Err(Rejection::TooLarge { bytes: bytes.len(), limit: limits.max_bytes });
        }
        let format = Format::sniff(bytes)?;
        if let Some(size) = announced(format, bytes) {
            limits.check(size, 0)?;
        }
        if format == Format::Webp && is_cut_off(bytes) {
            return Err(Rejection::Truncated);
        }
        let reader = Cursor::new(bytes);
        let mut decoder: Box<dyn ImageDecoder + 'a> = match format {
            Format::Jpeg => return Ok(Self::Jpeg(Box::new(jpeg::Jpeg::open(bytes, limits)?))),
            Format::Png => {
                let mut caps = image::Limits::no_limits();
                caps.max_alloc = Some(limits.max_decoded_bytes);
                Box::new(PngDecoder::with_limits(reader, caps)?)
            }
            Format::Webp => Box::new(WebPDecoder::new(reader)?),
            Format::Gif => Box::new(GifDecoder::new(reader)?),
        };
        limits.check(decoder.dimensions(), working_bytes(&*decoder))?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        Ok(Self::Other(format, decoder, orientation))
    }

    fn header(&self) -> Header {
        match self {
            Self::Jpeg(jpeg) => Header::new(Format::Jpeg, jpeg.size(), jpeg.orientation()),
            Self::Other(format, decoder, turn) => Header::new(*format, decoder.dimensions(), *turn),
        }
    }

    fn orientation(&self) -> Orientation {
        match self {
            Self::Jpeg(jpeg) => jpeg.orientation(),
            Self::Other(_, _, orientation) => *orientation,
        }
    }

    fn pixels(self, _bytes: &[u8]) -> Result<RgbImage, Rejection> {
        match self {
            Self::Jpeg(jpeg) => jpeg.pixels(),
            Self::Other(_, decoder, _) => Ok(on_white(DynamicImage::from_decoder(decoder)?)),
        }
    }

    /// The pixels, or a reduced form of them whose longest side is still at least `side`.
    fn small_pixels(self, bytes: &[u8], side: u32) -> Result<RgbImage, Rejection> {
        #[cfg(feature = "turbojpeg")]
        if let Self::Jpeg(jpeg) = &self
            && jpeg.is_complete()
            && let Some(pixels) = super::scaled::decode(bytes, side)
        {
            return Ok(pixels);
        }
        let _ = side;
        self.pixels(bytes)
    }
}

/// The size in the fixed-place headers, read before any decoder is built; `None` where it has no fixed place.
fn announced(format: Format, bytes: &[u8]) -> Option<(u32, u32)> {
    match format {
        Format::Png => {
            let side =
                |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
            Some((side(16)?, side(20)?))
        }
        Format::Gif => {
            let side =
                |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
            Some((side(6)?.into(), side(8)?.into()))
        }
        Format::Jpeg | Format::Webp => None,
    }
}

/// Whether a RIFF file is shorter than it says.
fn is_cut_off(bytes: &[u8]) -> bool {
    let length = bytes.get(4..8).and_then(|length| length.try_into().ok());
    length.is_none_or(|length| u64::from(u32::from_le_bytes(length)) + 8 > bytes.len() as u64)
}

/// What decoding holds at its worst: the decoder's output, its own planes, and the RGB made from it.
fn working_bytes(decoder: &dyn ImageDecoder) -> u64 {
    let (width, height) = decoder.dimensions();
    let converted = match decoder.color_type() {
        ColorType::Rgb8 => 0,
        _ => u64::from(width) * u64::from(height) * 3,
    };
    decoder.total_bytes().saturating_add(converted)
}

fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0.map(u32::from);
        let over = |channel| ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([over(red), over(green), over(blue)])
    })
}

fn upright(pixels: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return pixels;
    }
    let mut image = DynamicImage::ImageRgb8(pixels);
    image.apply_orientation(orientation);
    image.into_rgb8()
}
