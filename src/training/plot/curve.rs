//! The learning curve of one run: accuracy and loss by epoch.

use std::fmt::Display;

use super::axes::{Axis, Frame, around, decimals};
use super::canvas::{BLUE, Canvas, GREEN, INK, Label, MUTED, Point, Stroke, VERMILION};
use crate::training::comparison::points;
use crate::training::csv::Csv;
use crate::training::trainer::EpochSummary;

/// A run's learning curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What the run is called.
    pub name: String,
    /// Its evaluated epochs.
    pub epochs: Vec<EpochSummary>,
    /// The epoch whose weights it keeps; `None` while it trains.
    pub kept: Option<u32>,
}

impl Curve {
    /// The epoch by which the run is judged: the one that is kept, or so far the last.
    pub(super) fn judged(&self) -> Option<&EpochSummary> {
        let kept = self.epochs.iter().find(|epoch| Some(epoch.epoch) == self.kept);
        kept.or(self.epochs.last()).filter(|epoch| epoch.test_accuracy.is_finite())
    }
}

/// A line of the picture.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) stroke: Stroke,
    pub(super) value: fn(&EpochSummary) -> f64,
}

const RUNNING: &str = "6 5";
/// Accuracies; the running count first, so that the others lie on top.
pub(super) const ACCURACIES: [Line; 3] = [
    Line {
        name: "running",
        stroke: Stroke { colour: GREEN, width: 1.8, dashes: RUNNING },
        value: |e| e.running_accuracy,
    },
    Line {
        name: "train",
        stroke: Stroke { colour: BLUE, width: 2.6, dashes: "none" },
        value: |e| e.train_accuracy,
    },
    Line {
        name: "test",
        stroke: Stroke { colour: VERMILION, width: 2.6, dashes: "none" },
        value: |e| e.test_accuracy,
    },
];
const LOSSES: [Line; 2] = [
    Line { value: |e| e.train_loss, ..ACCURACIES[1] },
    Line { value: |e| e.test_loss, ..ACCURACIES[2] },
];

const SIZE: Point = (860.0, 600.0);
const NOTE: &str = "train and test: measured after the epoch, without dropout and augmentation; \
                    running: counted while training, with both";

/// Draws training, test and running accuracy with the gap between the first two shaded, the two
/// losses below, and a mark at the epoch that is kept. The epoch with the highest test accuracy is only named: it was
/// chosen by the test pictures, and flatters.
pub fn svg(curve: &Curve) -> String {
    let epochs = curve.epochs.as_slice();
    let mut canvas = Canvas::new(SIZE, &curve.name, &summary(curve));
    let x = across(epochs, (64.0, SIZE.0 - 122.0));
    let accuracy = Frame { x, y: Axis { values: range(epochs), pixels: (370.0, 96.0) } };
    draw_grid(&mut canvas, &accuracy, epochs, "accuracy");
    if epochs.is_empty() {
        canvas.label(Label::new("no epoch yet", (SIZE.0 / 2.0, 240.0)).colour(MUTED).centred());
    }
    draw_gap(&mut canvas, &accuracy, epochs);
    if let Some(kept) = curve.judged().filter(|epoch| Some(epoch.epoch) == curve.kept) {
        draw_kept(&mut canvas, &accuracy, kept);
    }
    for line in &ACCURACIES {
        draw_line(&mut canvas, &accuracy, line, epochs);
    }
    draw_names(&mut canvas, &accuracy, &ACCURACIES, epochs);
    let losses = epochs.iter().flat_map(|epoch| LOSSES.iter().map(|line| (line.value)(epoch)));
    let highest = around(losses.chain([0.1]), 0.0, f64::INFINITY).1;
    let loss = Frame { x, y: Axis { values: (0.0, highest), pixels: (530.0, 422.0) } };
    draw_grid(&mut canvas, &loss, epochs, "loss (cross-entropy, nats)");
    for line in &LOSSES {
        draw_line(&mut canvas, &loss, line, epochs);
    }
    draw_names(&mut canvas, &loss, &LOSSES, epochs);
    loss.caption(&mut canvas, "epoch");
    canvas.note(NOTE, SIZE.1 - 10.0);
    canvas.finish()
}

const COLUMNS: [&str; 8] = [
    "epoch",
    "running_accuracy",
    "train_accuracy",
    "train_loss",
    "test_accuracy",
    "test_loss",
    "seconds",
    "learning_rate",
];

fn fields(epoch: &EpochSummary) -> [&dyn Display; 8] {
    [
        &epoch.epoch,
        &epoch.running_accuracy,
        &epoch.train_accuracy,
        &epoch.train_loss,
        &epoch.test_accuracy,
        &epoch.test_loss,
        &epoch.seconds,
        epoch.learning_rate.as_ref().map_or(&"", |rate| rate as &dyn Display),
    ]
}

/// A row per epoch.
pub fn csv(epochs: &[EpochSummary]) -> String {
    let mut csv = Csv::new(&COLUMNS);
    for epoch in epochs {
        csv.row(&fields(epoch));
    }
    csv.finish()
}

/// A row per epoch of each run, which has a name.
pub fn csv_of_runs(runs: &[Curve]) -> String {
    let mut csv = Csv::new(&[&["run"], &COLUMNS[..]].concat());
    for run in runs {
        for epoch in &run.epochs {
            csv.row(&[&[&run.name as &dyn Display], &fields(epoch)[..]].concat());
        }
    }
    csv.finish()
}

/// The epoch with the highest test accuracy; the earliest of equals.
fn highest(epochs: &[EpochSummary]) -> Option<&EpochSummary> {
    let finite = epochs.iter().filter(|epoch| epoch.test_accuracy.is_finite());
    finite.reduce(|high, epoch| if epoch.test_accuracy > high.test_accuracy { epoch } else { high })
}

/// The horizontal axis of `epochs`.
pub(super) fn across(epochs: &[EpochSummary], pixels: Point) -> Axis {
    let last = epochs.last().map_or(1, |epoch| epoch.epoch).max(1);
    Axis { values: (1.0, f64::from(last)), pixels }
}

/// The range of all accuracies.
pub(super) fn range(epochs: &[EpochSummary]) -> (f64, f64) {
    let values = epochs.iter().flat_map(|epoch| ACCURACIES.iter().map(|line| (line.value)(epoch)));
    around(values, 0.0, 1.0)
}

/// The round epochs of an axis, and the first.
pub(super) fn epoch_ticks(x: &Axis, most: usize) -> Vec<f64> {
    let round = x.ticks(most).into_iter().filter(|tick| tick.fract() == 0.0);
    // The first epoch is 1, so a tick right after it would touch it.
    let step = x.ticks(most).windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
    std::iter::once(1.0)
        .chain(round.filter(|&tick| tick > 1.0 && tick - 1.0 > step / 2.0))
        .collect()
}

fn summary(curve: &Curve) -> String {
    let Some(judged) = curve.judged() else { return String::new() };
    let what = if curve.kept.is_some() { "kept" } else { "so far" };
    let (accuracy, gap) = (judged.test_accuracy, judged.train_accuracy - judged.test_accuracy);
    let (accuracy, gap) = (points(accuracy), points(gap));
    let own =
        format!("{what}: epoch {}, test accuracy {accuracy} %, gap {gap} points", judged.epoch);
    match highest(&curve.epochs) {
        Some(high) if high.test_accuracy > judged.test_accuracy => {
            format!("{own}; highest {} % in epoch {}", points(high.test_accuracy), high.epoch)
        }
        _ => own,
    }
}

fn draw_grid(canvas: &mut Canvas, frame: &Frame, epochs: &[EpochSummary], name: &str) {
    let height = frame.y.pixels.0 - frame.y.pixels.1;
    let ticks = frame.y.ticks((height / 34.0).max(4.0) as usize);
    let places = decimals(&ticks).max(1);
    frame.rows(canvas, &ticks, |tick| format!("{tick:.places$}"));
    if !epochs.is_empty() {
        frame.columns(canvas, &epoch_ticks(&frame.x, 12), |tick| format!("{tick}"));
    }
    frame.ground(canvas);
    frame.heading(canvas, name);
}

/// The points of a line where its value is known.
pub(super) fn places(frame: &Frame, line: &Line, epochs: &[EpochSummary]) -> Vec<Point> {
    let known = epochs.iter().filter(|epoch| (line.value)(epoch).is_finite());
    known.map(|epoch| frame.at(f64::from(epoch.epoch), (line.value)(epoch))).collect()
}

fn draw_line(canvas: &mut Canvas, frame: &Frame, line: &Line, epochs: &[EpochSummary]) {
    let places = places(frame, line, epochs);
    canvas.polyline(&places, line.stroke);
    if places.len() == 1 || places.len() <= 30 && line.stroke.dashes == "none" {
        for place in places {
            canvas.dot(place, 3.2, line.stroke.colour);
        }
    }
}

/// Shades what lies between training and test accuracy.
pub(super) fn draw_gap(canvas: &mut Canvas, frame: &Frame, epochs: &[EpochSummary]) {
    let mut outline = places(frame, &ACCURACIES[1], epochs);
    outline.extend(places(frame, &ACCURACIES[2], epochs).into_iter().rev());
    if outline.len() > 3 {
        canvas.area(&outline, BLUE, 0.08);
    }
}

fn draw_kept(canvas: &mut Canvas, frame: &Frame, kept: &EpochSummary) {
    let (x, y) = frame.at(f64::from(kept.epoch), kept.test_accuracy);
    let (bottom, top) = frame.y.pixels;
    canvas.line((x, bottom), (x, top), Stroke::dashed(INK, 1.0, "2 3"));
    canvas.ring((x, y), 7.0, INK);
    let text = format!("kept: epoch {}", kept.epoch);
    let middle = f64::midpoint(frame.x.pixels.0, frame.x.pixels.1);
    let label = |at| Label::new(&text, at).size(12.0);
    if x > middle {
        canvas.label(label((x - 6.0, bottom - 8.0)).ending());
    } else {
        canvas.label(label((x + 6.0, bottom - 8.0)));
    }
}

/// Writes each line's name and last value at its end, moved apart where they would overlap.
fn draw_names(canvas: &mut Canvas, frame: &Frame, lines: &[Line], epochs: &[EpochSummary]) {
    let Some(last) = epochs.last() else { return };
    let mut names: Vec<(f64, &Line)> = lines
        .iter()
        .filter(|line| (line.value)(last).is_finite())
        .map(|line| (frame.y.at((line.value)(last)), line))
        .collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    spread(&mut names, frame.y.pixels);
    for (y, line) in names {
        let text = format!("{} {:.3}", line.name, (line.value)(last));
        let at = (frame.x.pixels.1 + 12.0, y + 4.5);
        canvas
            .label(Label::new(&text, at).colour(line.stroke.colour).bold(line.stroke.width > 2.0));
    }
}

/// Moves sorted heights at least a line apart, and none below the bottom.
fn spread(names: &mut [(f64, &Line)], (bottom, _): Point) {
    const LINE: f64 = 18.0;
    for index in 1..names.len() {
        names[index].0 = names[index].0.max(names[index - 1].0 + LINE);
    }
    let mut lowest = bottom;
    for name in names.iter_mut().rev() {
        name.0 = name.0.min(lowest);
        lowest = name.0 - LINE;
    }
}
