//! Recipes beside each other: test accuracy and gap, each with its interval.

use super::axes::{Axis, Frame, around, decimals};
use super::canvas::{
    BLUE, Canvas, GRID, INK, LINE, Label, MUTED, Point, Stroke, VERMILION, widest, wrapped,
};
use super::text::fit;
use crate::training::comparison::{Finding, Interval, Selection, Standing, limits, points};
use crate::training::csv::Csv;

const WIDTH: f64 = 1060.0;
/// Above the rows, where the text below the title has one line.
const TOP: f64 = 108.0;
const ROW: f64 = 46.0;
/// The most pixels for a name.
const NAME: f64 = 300.0;
const NOTE: &str = "lines: 95 % intervals; small rings: single seeds; diamond: training accuracy; shaded row: the pick";

/// Draws a row per standing, in the selection's order: its test accuracy and its training accuracy,
/// its gap, and in words whether it is tied with the pick and what its gap says.
pub fn svg(title: &str, selection: &Selection) -> String {
    let standings = &selection.standings;
    let why = wrapped(&selection.why, WIDTH);
    let top = TOP + LINE * why.len().saturating_sub(1) as f64;
    let bottom = top + ROW * standings.len() as f64;
    let height = bottom + 58.0;
    let mut canvas = Canvas::new((WIDTH, height), title, "");
    canvas.paragraph(&why);
    let names = widest(standings.iter().map(|s| s.name.as_str()), 14.0, NAME).max(110.0);
    let left = 24.0 + names + 24.0;
    let middle = left + (WIDTH - 190.0 - left) * 0.56;
    let y = Axis { values: (standings.len() as f64, 0.0), pixels: (bottom, top) };
    let values = standings.iter().flat_map(|s| [s.test.low, s.test.high, s.train.estimate]);
    let accuracy =
        Frame { x: Axis { values: around(values, 0.0, 1.0), pixels: (left, middle - 22.0) }, y };
    let values = standings.iter().flat_map(|s| [s.gap.low, s.gap.high, 0.0]);
    let gap = Frame {
        x: Axis { values: around(values, -1.0, 1.0), pixels: (middle + 22.0, WIDTH - 176.0) },
        y,
    };
    if selection.pick.is_some() {
        canvas.rectangle((12.0, top), (WIDTH - 24.0, ROW), "#FDF3E1");
    }
    draw_axes(&mut canvas, &accuracy, &gap);
    for (row, standing) in standings.iter().enumerate() {
        let y = top + ROW * (row as f64 + 0.5);
        let picked = row == 0 && selection.pick.is_some();
        draw_name(&mut canvas, standing, picked, y);
        draw_row(&mut canvas, (&accuracy.x, &gap.x), standing, y);
        canvas.line((12.0, y + ROW / 2.0), (WIDTH - 12.0, y + ROW / 2.0), Stroke::solid(GRID, 1.0));
    }
    canvas.note(NOTE, height - 10.0);
    canvas.finish()
}

/// A row per standing.
pub fn csv(selection: &Selection) -> String {
    let mut csv = Csv::new(&[
        "name",
        "runs",
        "train",
        "train_low",
        "train_high",
        "test",
        "test_low",
        "test_high",
        "gap",
        "gap_low",
        "gap_high",
        "finding",
        "eligible",
        "behind_pick",
        "behind_pick_low",
        "behind_pick_high",
        "p_value",
        "corrected_p",
        "tied",
    ]);
    for s in &selection.standings {
        let behind = |of: fn(&Interval) -> f64| optional(s.behind_pick.map(|d| of(&d.interval)));
        csv.row(&[
            &s.name,
            &s.runs,
            &s.train.estimate,
            &s.train.low,
            &s.train.high,
            &s.test.estimate,
            &s.test.low,
            &s.test.high,
            &s.gap.estimate,
            &s.gap.low,
            &s.gap.high,
            &words(s.verdict.finding).replace(' ', "_"),
            &s.eligible,
            &behind(|d| d.estimate),
            &behind(|d| d.low),
            &behind(|d| d.high),
            &optional(s.behind_pick.map(|d| d.p_value)),
            &optional(s.corrected_p),
            &s.tied,
        ]);
    }
    csv.finish()
}

fn optional(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn draw_axes(canvas: &mut Canvas, accuracy: &Frame, gap: &Frame) {
    let ticks = accuracy.x.ticks(6);
    let places = decimals(&ticks).max(1);
    accuracy.columns(canvas, &ticks, |tick| format!("{tick:.places$}"));
    accuracy.heading(canvas, "test accuracy");
    accuracy.ground(canvas);
    let ticks = gap.x.ticks(5);
    let places = decimals(&ticks).saturating_sub(2);
    gap.columns(canvas, &ticks, |tick| {
        let text = format!("{:.places$}", (tick * 100.0).abs());
        if tick < -1e-9 { format!("−{text}") } else { text }
    });
    gap.heading(canvas, "gap (training − test), points");
    gap.ground(canvas);
    let at = (WIDTH - 24.0, gap.y.pixels.1 - 10.0);
    canvas.label(Label::new("gap, verdict", at).size(12.0).bold(true).ending());
    let zero = gap.x.at(0.0);
    canvas.line((zero, gap.y.pixels.0), (zero, gap.y.pixels.1), Stroke::solid(INK, 1.2));
}

fn draw_name(canvas: &mut Canvas, standing: &Standing, picked: bool, y: f64) {
    let name = fit(&standing.name, 14.0, picked, NAME);
    let seeds = match standing.runs {
        1 => "1 seed".to_owned(),
        runs => format!("{runs} seeds"),
    };
    let place = match (picked, standing.eligible, standing.behind_pick, standing.tied) {
        (true, ..) => "the pick",
        (_, false, None, _) => "not admitted",
        (_, _, None, _) => "",
        (_, _, Some(_), true) => "tied with the pick",
        (_, _, Some(_), false) => "told apart",
    };
    let below = if place.is_empty() { seeds } else { format!("{place}, {seeds}") };
    canvas.label(Label::new(&name, (24.0, y - 2.0)).size(14.0).bold(picked));
    canvas.label(Label::new(&below, (24.0, y + 14.0)).size(11.0).colour(MUTED));
}

fn draw_row(canvas: &mut Canvas, (accuracy, gap): (&Axis, &Axis), standing: &Standing, y: f64) {
    let low = y + 12.0;
    standing.test_of_runs.iter().for_each(|&run| seed(canvas, standing, (accuracy.at(run), low)));
    standing.gap_of_runs.iter().for_each(|&run| seed(canvas, standing, (gap.at(run), low)));
    // Below the test accuracy where both are the same.
    diamond(canvas, (accuracy.at(standing.train.estimate), y));
    interval(canvas, accuracy, &standing.test, (y, VERMILION));
    let text = points(standing.test.estimate);
    let at = (accuracy.at(standing.test.estimate), y - 8.0);
    canvas.label(Label::new(&text, at).size(12.0).colour(VERMILION).bold(true).centred());
    let certain = !standing.gap.holds_zero();
    interval(canvas, gap, &standing.gap, (y, if certain { INK } else { "#8a8f98" }));
    let right = WIDTH - 24.0;
    let size = format!("{} ({})", points(standing.gap.estimate), limits(&standing.gap));
    canvas.label(Label::new(&size, (right, y - 2.0)).size(12.0).ending().bold(certain));
    let words = words(standing.verdict.finding);
    canvas.label(Label::new(words, (right, y + 14.0)).size(11.0).colour(MUTED).ending());
}

/// A finding in a word or two.
fn words(finding: Finding) -> &'static str {
    match finding {
        Finding::Underfits => "underfits",
        Finding::NoEvidence => "no evidence",
        Finding::OverfitsSlightly => "overfits slightly",
        Finding::Overfits => "overfits",
        Finding::BetterOnTest => "better on test",
    }
}

fn seed(canvas: &mut Canvas, standing: &Standing, at: Point) {
    if standing.runs > 1 {
        canvas.ring(at, 2.6, "#8a8f98");
    }
}

fn interval(canvas: &mut Canvas, x: &Axis, interval: &Interval, (y, colour): (f64, &'static str)) {
    let ends = [(x.at(interval.low), y), (x.at(interval.high), y)];
    canvas.line(ends[0], ends[1], Stroke::solid(colour, 2.4));
    for (end, _) in ends {
        canvas.line((end, y - 4.0), (end, y + 4.0), Stroke::solid(colour, 2.0));
    }
    canvas.dot((x.at(interval.estimate), y), 5.5, colour);
}

fn diamond(canvas: &mut Canvas, (x, y): Point) {
    canvas.area(&[(x - 6.0, y), (x, y - 6.0), (x + 6.0, y), (x, y + 6.0)], BLUE, 0.9);
}
