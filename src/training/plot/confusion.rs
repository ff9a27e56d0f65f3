//! The confusion matrix: rows by true class, shares of the row as colour, counts as numbers.

use super::canvas::{Canvas, Label, MUTED, Point, widest};
use super::text::{escape, fit, width};
use crate::training::csv::Csv;

/// The most pixels for a class name.
const NAME: f64 = 170.0;
/// Right answers go from white to this blue, wrong ones to this orange: red, green, blue.
const RIGHT: [f64; 3] = [8.0, 104.0, 172.0];
const WRONG: [f64; 3] = [217.0, 95.0, 2.0];

/// Sizes that follow from the number of classes and their names.
struct Layout {
    cell: f64,
    left: f64,
    top: f64,
    /// Column names stand upright where they do not fit across.
    turned: bool,
    size: f64,
}

impl Layout {
    fn of(classes: &[String]) -> Self {
        let count = classes.len().max(1) as f64;
        let cell = (640.0 / count).clamp(21.0, 104.0);
        let size = if cell < 30.0 { 11.0 } else { 13.0 };
        let names = || classes.iter().map(String::as_str);
        let longest = widest(names(), size, NAME);
        let turned = longest > cell - 8.0;
        let above = if turned { longest } else { size };
        Self { cell, left: 56.0 + longest.max(40.0), top: 96.0 + above, turned, size }
    }

    fn at(&self, row: usize, column: usize) -> Point {
        (self.left + self.cell * column as f64, self.top + self.cell * row as f64)
    }
}

/// Draws how often each class was taken for which. `counts` has a row per true class and a column
/// per predicted one, in the order of `classes`. Right answers are blue, mistakes orange, each the
/// darker the larger its share of the row. Every cell says its figures on hover and carries
/// `data-class` and `data-predicted` for a page to follow.
pub fn svg(title: &str, classes: &[String], counts: &[Vec<i64>]) -> String {
    let layout = Layout::of(classes);
    let side = layout.cell * classes.len().max(1) as f64;
    let size = ((layout.left + side + 140.0).max(560.0), layout.top + side + 62.0);
    let mut canvas = Canvas::new(size, title, &summary(classes, counts));
    draw_names(&mut canvas, &layout, classes);
    for (row, counts) in counts.iter().enumerate() {
        let total: i64 = counts.iter().sum();
        for (column, &count) in counts.iter().enumerate() {
            let share = count as f64 / total.max(1) as f64;
            open_cell(&mut canvas, (&classes[row], &classes[column]), (count, share));
            draw_cell(&mut canvas, &layout, (row, column), (count, share));
            canvas.push(format_args!("</g>"));
        }
        let (x, y) = layout.at(row, counts.len());
        let text = total.to_string();
        let at = (x + 10.0, y + layout.cell / 2.0 + 4.0);
        canvas.label(Label::new(&text, at).size(layout.size - 1.0).colour(MUTED));
    }
    let (x, y) = layout.at(classes.len(), classes.len());
    canvas.label(Label::new("pictures", (x + 10.0, layout.top - 8.0)).size(11.0).colour(MUTED));
    draw_key(&mut canvas, (x + 58.0, layout.top), (y - layout.top).min(180.0));
    canvas.note(
        "rows: true class; columns: predicted class; colour: share of the row",
        size.1 - 14.0,
    );
    canvas.finish()
}

/// A row per cell: true class, predicted class, count, and share of the true class.
pub fn csv(classes: &[String], counts: &[Vec<i64>]) -> String {
    let mut csv = Csv::new(&["class", "predicted", "count", "share"]);
    for (class, counts) in classes.iter().zip(counts) {
        let total = counts.iter().sum::<i64>().max(1) as f64;
        for (predicted, &count) in classes.iter().zip(counts) {
            csv.row(&[class, predicted, &count, &(count as f64 / total)]);
        }
    }
    csv.finish()
}

fn summary(classes: &[String], counts: &[Vec<i64>]) -> String {
    let right: i64 = counts.iter().enumerate().filter_map(|(i, row)| row.get(i)).sum();
    let all: i64 = counts.iter().flatten().sum();
    let mistakes = counts.iter().enumerate().flat_map(|(row, counts)| {
        counts.iter().enumerate().map(move |(column, &count)| (count, row, column))
    });
    let most = mistakes.filter(|(_, row, column)| row != column).max_by_key(|mistake| {
        // The first of equals.
        (mistake.0, std::cmp::Reverse((mistake.1, mistake.2)))
    });
    let share = 100.0 * right as f64 / all.max(1) as f64;
    let often = match most {
        Some((count, row, column)) if count > 0 => {
            format!("; most often: {} taken for {} ({count})", classes[row], classes[column])
        }
        _ => String::new(),
    };
    format!("{right} of {all} right ({share:.1} %){often}")
}

fn draw_names(canvas: &mut Canvas, layout: &Layout, classes: &[String]) {
    for (index, class) in classes.iter().enumerate() {
        let name = fit(class, layout.size, false, NAME);
        let (x, _) = layout.at(0, index);
        let middle = x + layout.cell / 2.0;
        let above = layout.top - 10.0;
        let label = |at| Label::new(&name, at).size(layout.size);
        if layout.turned {
            canvas.label(label((middle + layout.size / 3.0, above)).turned(-90.0));
        } else {
            canvas.label(label((middle, above)).centred());
        }
        let (x, y) = layout.at(index, 0);
        canvas.label(label((x - 10.0, y + layout.cell / 2.0 + layout.size / 3.0)).ending());
    }
    let (x, y) = layout.at(0, 0);
    let side = layout.cell * classes.len() as f64;
    canvas.label(Label::new("predicted", (x, 78.0)).size(12.0).bold(true));
    let true_class = Label::new("true", (28.0, y + side / 2.0)).size(12.0).bold(true);
    canvas.label(true_class.turned(-90.0).centred());
}

fn open_cell(canvas: &mut Canvas, (class, predicted): (&str, &str), (count, share): (i64, f64)) {
    let (class, predicted) = (escape(class), escape(predicted));
    canvas.push(format_args!(
        "<g data-class=\"{class}\" data-predicted=\"{predicted}\"><title>{class} taken for \
         {predicted}: {count} ({:.1} %)</title>",
        100.0 * share,
    ));
}

fn draw_cell(canvas: &mut Canvas, layout: &Layout, at: (usize, usize), (count, share): (i64, f64)) {
    let (x, y) = layout.at(at.0, at.1);
    let cell = layout.cell;
    let colour = shade(if at.0 == at.1 { RIGHT } else { WRONG }, share);
    let ink = if is_dark(colour) { "#ffffff" } else { "#000000" };
    let colour = hex(colour);
    // A pixel between cells instead of lines.
    canvas.rectangle((x + 0.5, y + 0.5), (cell - 1.0, cell - 1.0), &colour);
    if count == 0 {
        return;
    }
    let (centre, middle) = (x + cell / 2.0, y + cell / 2.0);
    let text = count.to_string();
    if cell < 46.0 {
        let fitting = (cell - 5.0) / width(&text, 1.0, false);
        let size = fitting.min(13.0);
        let at = (centre, middle + size / 3.0);
        canvas
            .label(Label::new(&text, at).size((size * 10.0).floor() / 10.0).colour(ink).centred());
    } else {
        let percent = format!("{:.0} %", 100.0 * share);
        let large = (cell / 4.2).clamp(11.0, 19.0);
        canvas.label(Label::new(&percent, (centre, middle)).size(large).colour(ink).centred());
        let at = (centre, middle + large * 0.95);
        canvas.label(Label::new(&text, at).size(large * 0.72).colour(ink).centred());
    }
}

/// White at 0, the full colour at 1; small shares already show, since mistakes are small shares.
fn shade(full: [f64; 3], share: f64) -> [u8; 3] {
    let depth = share.clamp(0.0, 1.0).powf(0.7);
    full.map(|channel| (250.0 + (channel - 250.0) * depth).round() as u8)
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Whether white text stands out more than black text: WCAG 2's relative luminance, below the value at which the
/// contrast ratios to white and to black are the same.
fn is_dark(colour: [u8; 3]) -> bool {
    let linear = colour.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179
}

/// The scales of right and wrong beside the matrix.
fn draw_key(canvas: &mut Canvas, (x, top): Point, height: f64) {
    const STEPS: usize = 40;
    let step = height / STEPS as f64;
    for (offset, colour) in [(0.0, RIGHT), (15.0, WRONG)] {
        for index in 0..STEPS {
            let share = 1.0 - (index as f64 + 0.5) / STEPS as f64;
            let at = (x + offset, top + step * index as f64);
            canvas.rectangle(at, (13.0, step + 0.3), &hex(shade(colour, share)));
        }
    }
    for (share, text) in [(1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %")] {
        let y = top + height * (1.0 - share) + 8.0 * share - 0.5;
        canvas.label(Label::new(text, (x + 33.0, y)).size(10.0).colour(MUTED));
    }
}
