//! The reliability curve: how often answers of a probability are right, and how many there are.

use super::axes::{Axis, Frame, decimals};
use super::canvas::{BLUE, Canvas, INK, Label, Point, Stroke, VERMILION};
use crate::training::comparison::points;
use crate::training::evaluation::{Calibration, ReliabilityBin};

const SIZE: Point = (620.0, 660.0);
const NOTE: &str = "dots: accuracy of a bin, with 95 % interval; orange: distance to its mean probability; dashes: perfect";

/// Draws accuracy against probability by bins, with intervals and the distance to the diagonal, and
/// below how many answers each bin holds.
pub fn svg(title: &str, calibration: &Calibration) -> String {
    let lean = calibration.confidence - calibration.accuracy;
    let word = if lean > 0.0 { "overconfident" } else { "underconfident" };
    let subtitle = format!(
        "ECE {} points, Brier score {:.3}; {word} by {} points",
        points(calibration.expected_error),
        calibration.brier,
        points(lean.abs()),
    );
    let mut canvas = Canvas::new(SIZE, title, &subtitle);
    let x = Axis { values: (0.0, 1.0), pixels: (64.0, SIZE.0 - 28.0) };
    let curve = Frame { x, y: Axis { values: (0.0, 1.0), pixels: (440.0, 98.0) } };
    let tenths = x.ticks(5);
    curve.rows(&mut canvas, &tenths, |tick| format!("{tick:.1}"));
    curve.columns(&mut canvas, &tenths, |_| String::new());
    curve.ground(&mut canvas);
    curve.heading(&mut canvas, "accuracy");
    let filled = || calibration.bins.iter().filter(|bin| bin.count > 0);
    filled().for_each(|bin| draw_bin(&mut canvas, &curve, bin));
    canvas.line(curve.at(0.0, 0.0), curve.at(1.0, 1.0), Stroke::dashed(INK, 1.4, "5 4"));
    let place = |bin: &ReliabilityBin| {
        bin.confidence.zip(bin.accuracy).map(|(sure, right)| curve.at(sure, right.estimate))
    };
    let places: Vec<Point> = filled().filter_map(place).collect();
    canvas.polyline(&places, Stroke::solid(BLUE, 2.4));
    for place in places {
        canvas.dot(place, 4.5, BLUE);
    }
    draw_histogram(&mut canvas, x, calibration);
    canvas.note(NOTE, SIZE.1 - 10.0);
    canvas.finish()
}

/// A bar up to the lower of accuracy and mean probability, what lies between them, the interval.
fn draw_bin(canvas: &mut Canvas, frame: &Frame, bin: &ReliabilityBin) {
    let Some((sure, right)) = bin.confidence.zip(bin.accuracy) else { return };
    let (left, right_edge) = (bin.low + 0.003, bin.high - 0.003);
    let bar = |low: f64, high: f64| {
        [(left, low), (right_edge, low), (right_edge, high), (left, high)]
            .map(|(x, y)| frame.at(x, y))
    };
    canvas.area(&bar(0.0, right.estimate.min(sure)), BLUE, 0.14);
    canvas.area(&bar(right.estimate.min(sure), right.estimate.max(sure)), VERMILION, 0.22);
    let ends = [right.low, right.high].map(|limit| frame.at(sure, limit));
    canvas.line(ends[0], ends[1], Stroke::solid(BLUE, 1.4));
}

fn draw_histogram(canvas: &mut Canvas, x: Axis, calibration: &Calibration) {
    let largest = calibration.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let y = Axis { values: (0.0, f64::from(largest)), pixels: (586.0, 486.0) };
    let frame = Frame { x, y };
    let ticks: Vec<f64> = y.ticks(3).into_iter().filter(|tick| tick.fract() == 0.0).collect();
    frame.rows(canvas, &ticks, |tick| format!("{tick}"));
    let tenths = x.ticks(5);
    let places = decimals(&tenths);
    frame.columns(canvas, &tenths, |tick| format!("{tick:.places$}"));
    for bin in &calibration.bins {
        let (left, top) = frame.at(bin.low + 0.003, f64::from(bin.count));
        let size = (frame.x.at(bin.high - 0.003) - left, y.pixels.0 - top);
        canvas.rectangle((left, top), size, "#9AA5B1");
    }
    frame.ground(canvas);
    frame.heading(canvas, "answers");
    frame.caption(canvas, "probability of the answer");
    let means = [
        (calibration.accuracy, "accuracy", BLUE),
        (calibration.confidence, "mean probability", VERMILION),
    ];
    let later = calibration.confidence > calibration.accuracy;
    for (index, (mean, name, colour)) in means.into_iter().enumerate() {
        let at = frame.x.at(mean);
        canvas.line((at, y.pixels.0), (at, y.pixels.1), Stroke::dashed(colour, 1.8, "4 3"));
        let text = format!("{name} {}", points(mean));
        let height = y.pixels.1 + 12.0 + 15.0 * f64::from(u8::from((index == 1) == later));
        let label = Label::new(&text, (x.pixels.0 + 8.0, height)).size(12.0);
        canvas.label(label.colour(colour).bold(true));
    }
}
