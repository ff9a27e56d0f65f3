//! The learning curves of many runs side by side, on the same axes.

use super::axes::{Axis, Frame, around, decimals};
use super::canvas::{Canvas, INK, Label, MUTED, Point};
use super::curve::{ACCURACIES, Curve, across, draw_gap, epoch_ticks, places, range};
use super::text::shrink;
use crate::training::comparison::points;

/// Panels beside each other.
const COLUMNS: usize = 3;
/// A panel with the space around it.
const CELL: Point = (300.0, 232.0);
const TOP: f64 = 66.0;
const LEFT: f64 = 30.0;
/// Sizes of a run's name: the first that fits.
const NAME_SIZES: [f64; 3] = [13.0, 11.5, 10.0];

/// Draws a small learning curve per run, named; all share one vertical range and one length, so
/// that heights and slopes can be compared.
pub fn svg(title: &str, runs: &[Curve]) -> String {
    // Four are a square.
    let columns = if runs.len() == 4 { 2 } else { runs.len().clamp(1, COLUMNS) };
    let rows = runs.len().div_ceil(columns).max(1);
    let width = LEFT + CELL.0 * columns.max(2) as f64;
    let height = TOP + CELL.1 * rows as f64 + 20.0;
    let legend = "blue: train, vermilion: test, green dashes: running; ring: the epoch that is kept, or so far the last";
    let mut canvas = Canvas::new((width, height), title, legend);
    let begun = runs.iter().filter(|run| !run.epochs.is_empty());
    let ranges = begun.map(|run| range(&run.epochs));
    let values = around(ranges.flat_map(|(low, high)| [low, high]), 0.0, 1.0);
    let all = runs.iter().map(|run| run.epochs.as_slice());
    let longest = all.max_by_key(|epochs| epochs.last().map(|epoch| epoch.epoch));
    for (index, run) in runs.iter().enumerate() {
        let (column, row) = ((index % columns) as f64, (index / columns) as f64);
        let (left, top) = (LEFT + CELL.0 * column, TOP + CELL.1 * row);
        let frame = Frame {
            x: across(longest.unwrap_or_default(), (left + 30.0, left + CELL.0 - 24.0)),
            y: Axis { values, pixels: (top + CELL.1 - 46.0, top + 28.0) },
        };
        draw_panel(&mut canvas, &frame, run);
    }
    canvas.note("epoch from left to right, accuracy from bottom to top", height - 10.0);
    canvas.finish()
}

fn draw_panel(canvas: &mut Canvas, frame: &Frame, run: &Curve) {
    let epochs = run.epochs.as_slice();
    let ticks = frame.y.ticks(5);
    let decimals = decimals(&ticks).max(1);
    frame.rows(canvas, &ticks, |tick| format!("{tick:.decimals$}"));
    frame.columns(canvas, &epoch_ticks(&frame.x, 5), |tick| format!("{tick}"));
    frame.ground(canvas);
    let (left, right) = frame.x.pixels;
    let (name, size) = shrink(&run.name, NAME_SIZES, true, right - left);
    let top = frame.y.pixels.1;
    canvas.label(Label::new(&name, (left, top - 8.0)).size(size).colour(INK).bold(true));
    draw_gap(canvas, frame, epochs);
    for line in &ACCURACIES {
        canvas.polyline(&places(frame, line, epochs), line.stroke);
    }
    let Some(judged) = run.judged() else { return };
    canvas.ring(frame.at(f64::from(judged.epoch), judged.test_accuracy), 4.5, INK);
    let (accuracy, gap) = (judged.test_accuracy, judged.train_accuracy - judged.test_accuracy);
    let text = format!("epoch {}: {} %, gap {}", judged.epoch, points(accuracy), points(gap));
    let at = (right - 2.0, frame.y.pixels.0 - 8.0);
    canvas.label(Label::new(&text, at).size(12.0).colour(MUTED).ending());
}
