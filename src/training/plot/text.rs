//! How wide text is, and text that fits.

/// Advance widths of the characters from space to tilde in `DejaVu` Sans, in thousandths of the size;
/// the usual fonts of browsers are narrower.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
/// Any other letter, and the wide ones of East Asia.
const OTHER: u16 = 700;
const WIDE: u16 = 1000;
/// How much wider bold text is.
const BOLD: f64 = 1.13;

/// The width of `text` at `size`, in the units of the size; rather too wide than too narrow.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let advance = |c: char| match c {
        ' '..='~' => WIDTHS[c as usize - 32],
        '\u{1100}'.. => {
            if ('\u{2000}'..='\u{2fff}').contains(&c) {
                OTHER
            } else {
                WIDE
            }
        }
        _ => OTHER,
    };
    let thousandths: f64 = text.chars().map(|c| f64::from(advance(c))).sum();
    thousandths / 1000.0 * size * if bold { BOLD } else { 1.0 }
}

/// `text`, or as much of its beginning as fits in `space`, with an ellipsis; what follows its last
/// ` · `, which tells it from its neighbours, stays unless it takes more than half of the space.
pub(super) fn fit(text: &str, size: f64, bold: bool, space: f64) -> String {
    let fits = |text: &str| width(text, size, bold) <= space;
    if fits(text) {
        return text.to_owned();
    }
    let last = text.rfind(" · ").unwrap_or(text.len());
    let kept = if width(&text[last..], size, bold) <= space / 2.0 { &text[last..] } else { "" };
    for end in [kept, ""] {
        let mut short = text[..text.len() - end.len()].to_owned();
        while short.pop().is_some() {
            let cut = format!("{}…{end}", short.trim_end());
            if fits(&cut) {
                return cut;
            }
        }
    }
    "…".to_owned()
}

/// [`fit`] at the first of these sizes that leaves all of the text, else at the last.
pub(super) fn shrink<const N: usize>(
    text: &str,
    sizes: [f64; N],
    bold: bool,
    space: f64,
) -> (String, f64) {
    let fits = |size: &f64| width(text, *size, bold) <= space;
    let size = sizes.iter().copied().find(fits).unwrap_or(sizes[N - 1]);
    (fit(text, size, bold, space), size)
}

/// `text` in lines that fit in `space`, broken between words; the last of `most` is cut.
pub(super) fn wrap(text: &str, size: f64, space: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let full = lines.len() == most;
        match lines.last_mut() {
            Some(line) if full || width(&format!("{line} {word}"), size, false) <= space => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fit(line, size, false, space)).collect()
}

/// `text` for the inside of an SVG element or attribute; characters that XML 1.0 forbids are left out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}
