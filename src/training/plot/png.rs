//! The same pictures as PNG.

use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result, ensure};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

/// Latin, Greek and Cyrillic of `DejaVu` Sans (cut out by `scripts/subset-fonts`; the licence lies
/// beside them). No font of the machine is
/// read, so that a picture is the same everywhere; letters of other scripts come out as boxes.
const FONTS: [&[u8]; 2] =
    [include_bytes!("font/DejaVuSans.ttf"), include_bytes!("font/DejaVuSans-Bold.ttf")];

/// The most pixels of a picture.
const MOST_PIXELS: f32 = 64e6;

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for font in FONTS {
        fonts.load_font_data(font.to_vec());
    }
    fonts.set_sans_serif_family("DejaVu Sans");
    Options { font_family: "DejaVu Sans".to_owned(), fontdb: Arc::new(fonts), ..Options::default() }
});

/// Draws `svg` at `scale` pixels per unit, as PNG bytes.
///
/// # Errors
/// When the text is no SVG, or the scale gives a picture without pixels or with more than 64 million.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>> {
    let tree = Tree::from_str(svg, &OPTIONS).context("the picture is not valid SVG")?;
    let size = tree.size();
    let (width, height) = (size.width() * scale, size.height() * scale);
    ensure!(
        width >= 1.0 && height >= 1.0 && width * height <= MOST_PIXELS,
        "a scale of {scale} makes the picture {width} × {height} pixels"
    );
    let mut pixels = Pixmap::new(width.ceil() as u32, height.ceil() as u32).context("no pixels")?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().context("the picture cannot be encoded")
}
