//! An SVG picture that grows by shapes and labels.

use std::fmt::{Arguments, Write};

use super::text::{escape, fit, shrink, width, wrap};

/// Okabe and Ito's colours.
pub(super) const BLUE: &str = "#0072B2";
/// For the test set.
pub(super) const VERMILION: &str = "#D55E00";
/// Darker than the original, so that thin lines and text of it read on white.
pub(super) const GREEN: &str = "#007A5A";
/// Text and axes.
pub(super) const INK: &str = "#222222";
/// Text of less weight.
pub(super) const MUTED: &str = "#5f6368";
/// Grid lines.
pub(super) const GRID: &str = "#e4e6e9";

/// A place in pixels from the top left.
pub(super) type Point = (f64, f64);

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: &'static str,
    pub(super) width: f64,
    /// SVG's `stroke-dasharray`.
    pub(super) dashes: &'static str,
}

impl Stroke {
    /// An unbroken line.
    pub(super) fn solid(colour: &'static str, width: f64) -> Self {
        Self { colour, width, dashes: "none" }
    }

    /// A broken line.
    pub(super) fn dashed(colour: &'static str, width: f64, dashes: &'static str) -> Self {
        Self { colour, width, dashes }
    }
}

/// A piece of text and how it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label<'a> {
    text: &'a str,
    at: Point,
    size: f64,
    anchor: &'static str,
    colour: &'a str,
    bold: bool,
    turn: f64,
}

impl<'a> Label<'a> {
    /// Text that starts at `at`, its baseline.
    pub(super) fn new(text: &'a str, at: Point) -> Self {
        Self { text, at, size: 13.0, anchor: "start", colour: INK, bold: false, turn: 0.0 }
    }

    pub(super) fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }

    pub(super) fn centred(self) -> Self {
        Self { anchor: "middle", ..self }
    }

    /// Ends at its place.
    pub(super) fn ending(self) -> Self {
        Self { anchor: "end", ..self }
    }

    pub(super) fn colour(self, colour: &'a str) -> Self {
        Self { colour, ..self }
    }

    pub(super) fn bold(self, bold: bool) -> Self {
        Self { bold, ..self }
    }

    /// Turned by so many degrees, clockwise.
    pub(super) fn turned(self, turn: f64) -> Self {
        Self { turn, ..self }
    }
}

/// The picture.
#[derive(Debug)]
pub(super) struct Canvas {
    width: f64,
    body: String,
}

/// Left edge of title and subtitle.
const EDGE: f64 = 24.0;
/// The largest that fits is a title's; what is longer still is cut.
const TITLE_SIZES: [f64; 3] = [17.0, 15.0, 13.0];
/// From one line of a paragraph to the next.
pub(super) const LINE: f64 = 18.0;

/// `text` as a paragraph of at most three lines in a picture so many pixels wide.
pub(super) fn wrapped(text: &str, width: f64) -> Vec<String> {
    wrap(text, 13.0, width - 2.0 * EDGE, 3)
}

impl Canvas {
    /// A white picture, so wide and so high, with a title and a line below it, made to fit.
    pub(super) fn new((right, bottom): Point, title: &str, subtitle: &str) -> Self {
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {right} {bottom}\" \
             width=\"{right}\" height=\"{bottom}\" role=\"img\" \
             font-family=\"system-ui, 'DejaVu Sans', sans-serif\">\n<title>{}</title>\n\
             <rect width=\"{right}\" height=\"{bottom}\" rx=\"6\" fill=\"#ffffff\"/>\n",
            escape(title),
        );
        let mut canvas = Self { width: right, body };
        let space = right - 2.0 * EDGE;
        let (title, size) = shrink(title, TITLE_SIZES, true, space);
        canvas.label(Label::new(&title, (EDGE, 32.0)).size(size).bold(true));
        let subtitle = fit(subtitle, 13.0, false, space);
        canvas.paragraph(&[subtitle]);
        canvas
    }

    /// Lines below the title.
    pub(super) fn paragraph(&mut self, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            self.label(Label::new(line, (EDGE, 53.0 + LINE * index as f64)).colour(MUTED));
        }
    }

    /// Appends an element as it is.
    pub(super) fn push(&mut self, element: Arguments<'_>) {
        writeln!(self.body, "{element}").expect("writing to a string cannot fail");
    }

    pub(super) fn line(&mut self, from: Point, to: Point, stroke: Stroke) {
        self.polyline(&[from, to], stroke);
    }

    /// A line through `points`; nothing for none.
    pub(super) fn polyline(&mut self, points: &[Point], stroke: Stroke) {
        if !points.is_empty() {
            let Stroke { colour, width, dashes } = stroke;
            self.push(format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
                 stroke-dasharray=\"{dashes}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
                path(points),
            ));
        }
    }

    /// A filled shape without an outline.
    pub(super) fn area(&mut self, points: &[Point], colour: &str, opacity: f64) {
        self.push(format_args!(
            "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"{opacity}\"/>",
            path(points),
        ));
    }

    /// A filled rectangle from its top left corner.
    pub(super) fn rectangle(&mut self, (x, y): Point, (width, height): Point, colour: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"{colour}\"/>",
        ));
    }

    /// A filled circle with a white rim, which keeps it apart from what it lies on.
    pub(super) fn dot(&mut self, (x, y): Point, radius: f64, colour: &str) {
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" stroke=\"#ffffff\"/>",
        ));
    }

    /// An open circle.
    pub(super) fn ring(&mut self, (x, y): Point, radius: f64, colour: &str) {
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"#ffffff\" stroke=\"{colour}\" \
             stroke-width=\"1.6\"/>",
        ));
    }

    pub(super) fn label(&mut self, label: Label<'_>) {
        let Label { text, at: (x, y), size, anchor, colour, bold, turn } = label;
        if text.is_empty() {
            return;
        }
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let turned = format!(" transform=\"rotate({turn} {x:.1} {y:.1})\"");
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\" \
             text-anchor=\"{anchor}\"{weight}{}>{}</text>",
            if turn == 0.0 { "" } else { &turned },
            escape(text),
        ));
    }

    /// Small print at the bottom left, cut to fit.
    pub(super) fn note(&mut self, text: &str, y: f64) {
        let text = fit(text, 11.0, false, self.width - 2.0 * EDGE);
        self.label(Label::new(&text, (EDGE, y)).size(11.0).colour(MUTED));
    }

    /// The picture's text.
    pub(super) fn finish(mut self) -> String {
        self.body.push_str("</svg>\n");
        self.body
    }
}

/// The widest of `texts` at `size`, at most `most`.
pub(super) fn widest<'a>(texts: impl Iterator<Item = &'a str>, size: f64, most: f64) -> f64 {
    texts.map(|text| width(text, size, false)).fold(0.0, f64::max).min(most)
}

fn path(points: &[Point]) -> String {
    let pairs: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    pairs.join(" ")
}
