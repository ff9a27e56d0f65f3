//! Values to pixels, round ticks, and the grid behind a plot.

use super::canvas::{Canvas, GRID, INK, Label, MUTED, Point, Stroke};

/// A range of values laid over a range of pixels; values outside land on the border.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// The lowest and the highest value.
    pub(super) values: (f64, f64),
    /// Their pixels.
    pub(super) pixels: (f64, f64),
}

impl Axis {
    /// Where `value` lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        let share = if high > low { (value.clamp(low, high) - low) / (high - low) } else { 0.5 };
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// Round values inside, at most `most`.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        let (low, high) = self.values;
        let step = round_step((high - low) / most as f64);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

/// The smallest of 1, 2, 5, 10, 20 … times a power of ten that is at least `step`.
pub(super) fn round_step(step: f64) -> f64 {
    let decade = 10_f64.powf(step.max(1e-12).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fits = factors.iter().find(|factor| **factor * decade >= step * (1.0 - 1e-9));
    fits.unwrap_or(&10.0) * decade
}

/// As few decimals as tell ticks of this distance apart.
pub(super) fn decimals(ticks: &[f64]) -> usize {
    match ticks {
        [a, b, ..] => (-(b - a).abs().log10() - 1e-9).ceil().max(0.0) as usize,
        _ => 1,
    }
}

/// A plot's two axes: `y.pixels` runs from the bottom up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame {
    /// Where a pair of values lies.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.x.at(x), self.y.at(y))
    }

    /// Horizontal grid lines with their values, which `text` writes, on the left.
    pub(super) fn rows(&self, canvas: &mut Canvas, ticks: &[f64], text: impl Fn(f64) -> String) {
        let (left, right) = self.x.pixels;
        for &tick in ticks {
            let y = self.y.at(tick);
            canvas.line((left, y), (right, y), Stroke::solid(GRID, 1.0));
            let text = text(tick);
            canvas
                .label(Label::new(&text, (left - 8.0, y + 4.0)).size(12.0).colour(MUTED).ending());
        }
    }

    /// Vertical grid lines with their values below.
    pub(super) fn columns(&self, canvas: &mut Canvas, ticks: &[f64], text: impl Fn(f64) -> String) {
        let (bottom, top) = self.y.pixels;
        for &tick in ticks {
            let x = self.x.at(tick);
            canvas.line((x, bottom), (x, top), Stroke::solid(GRID, 1.0));
            let text = text(tick);
            canvas.label(Label::new(&text, (x, bottom + 18.0)).size(12.0).colour(MUTED).centred());
        }
    }

    /// The line along the bottom.
    pub(super) fn ground(&self, canvas: &mut Canvas) {
        let ((left, right), bottom) = (self.x.pixels, self.y.pixels.0);
        canvas.line((left, bottom), (right, bottom), Stroke::solid(INK, 1.0));
    }

    /// What the vertical axis is, above its top left.
    pub(super) fn heading(&self, canvas: &mut Canvas, text: &str) {
        let at = (self.x.pixels.0, self.y.pixels.1 - 10.0);
        canvas.label(Label::new(text, at).size(12.0).bold(true));
    }

    /// What the horizontal axis is, below its values.
    pub(super) fn caption(&self, canvas: &mut Canvas, text: &str) {
        let ((left, right), bottom) = (self.x.pixels, self.y.pixels.0);
        let at = (f64::midpoint(left, right), bottom + 38.0);
        canvas.label(Label::new(text, at).size(12.0).centred());
    }
}

/// A round range around all finite `values`, within `least` and `most`; without any, all of it.
pub(super) fn around(values: impl Iterator<Item = f64>, least: f64, most: f64) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (least, most);
    }
    let step = round_step(((high - low) / 8.0).max(0.005));
    let below = ((low / step + 1e-9).floor() * step).max(least);
    let above = ((high / step - 1e-9).ceil() * step).min(most);
    (below, above.max(below + step))
}
