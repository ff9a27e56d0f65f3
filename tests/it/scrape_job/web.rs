//! A loopback web: distinct pictures, and result pages in Bing's shape that lead to them.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::support::origin::{Reply, ok, with_head};

/// A PNG of 48 × 48 pixels unlike that of any other number.
pub(super) fn picture(number: u32) -> Vec<u8> {
    let mut state = number.wrapping_mul(2_654_435_761) | 1;
    let tiles: Vec<[u8; 3]> = (0..64)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            [(state >> 8) as u8, (state >> 16) as u8, (state >> 24) as u8]
        })
        .collect();
    let mut pixels = RgbImage::from_fn(48, 48, |x, y| Rgb(tiles[(y / 6 * 8 + x / 6) as usize]));
    // The number itself, so that no two can agree by chance.
    let [_, red, green, blue] = number.to_be_bytes();
    pixels.put_pixel(0, 0, Rgb([red, green, blue]));
    let mut png = Cursor::new(Vec::new());
    pixels.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// The picture at `/<number>.png`.
pub(super) fn picture_at(path: &str) -> Reply {
    let number = path.strip_prefix('/').and_then(|path| path.strip_suffix(".png"));
    match number.and_then(|number| number.parse().ok()) {
        Some(number) => ok("image/png", &picture(number)),
        None => with_head("404 Not Found", b""),
    }
}

/// A query parameter of a path.
pub(super) fn parameter(path: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://host{path}")).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The results from `first` to at most `last`, 35 to a page, each leading to a picture on `host`.
pub(super) fn results(host: &str, first: u32, last: u32) -> Reply {
    let tiles: String = (first..=last).take(35).map(|n| tile(host, n)).collect();
    ok("text/html", format!(r#"<ul class="dgControl_list ">{tiles}</ul>"#).as_bytes())
}

fn tile(host: &str, number: u32) -> String {
    let meta = serde_json::json!({
        "purl": format!("http://{host}/page/{number}"), "murl": format!("http://{host}/{number}.png"),
        "turl": format!("http://{host}/th/{number}"), "md5": format!("{number:032x}"),
        "t": format!("cruiser {number}"),
    });
    let meta = meta.to_string().replace('&', "&amp;").replace('"', "&quot;");
    format!(
        r#"<li><div class="iuscp"><div class="imgpt"><a class="iusc" m="{meta}" href="/images/search?view=detailV2">
        <img class="mimg"></a></div></div></li>"#
    )
}
