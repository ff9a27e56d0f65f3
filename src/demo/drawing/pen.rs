//! Draws in an object's own lengths: place, size, mirroring, tilt, light and haze are set once.

use super::raster::{Canvas, Colour, Point, lit, mix, scaled};

/// Where an object stands in the picture, and how it looks from there.
pub(super) struct Pose {
    /// Pixel of the object's origin.
    pub(super) at: Point,
    /// Pixels per unit along and up; a negative length mirrors.
    pub(super) scale: Point,
    /// Radians.
    pub(super) tilt: f32,
    /// What white looks like under this light.
    pub(super) light: Colour,
    /// The colour of the air and its share over the object, 0 to 1.
    pub(super) haze: (Colour, f32),
}

/// A canvas seen from an object: x along it, y up, in its own unit.
pub(super) struct Pen<'a> {
    canvas: &'a mut Canvas,
    pose: Pose,
}

impl<'a> Pen<'a> {
    pub(super) fn new(canvas: &'a mut Canvas, pose: Pose) -> Self {
        Self { canvas, pose }
    }

    fn place(&self, (x, y): Point) -> Point {
        let (sin, cos) = self.pose.tilt.sin_cos();
        let (dx, dy) = (x * self.pose.scale.0, -y * self.pose.scale.1);
        (self.pose.at.0 + dx * cos - dy * sin, self.pose.at.1 + dx * sin + dy * cos)
    }

    fn seen(&self, colour: Colour) -> Colour {
        mix(lit(colour, self.pose.light), self.pose.haze.0, self.pose.haze.1)
    }

    /// A filled polygon, a little darker towards its foot.
    pub(super) fn shape(&mut self, points: &[Point], colour: Colour) {
        let placed: Vec<Point> = points.iter().map(|p| self.place(*p)).collect();
        let colour = self.seen(colour);
        let top = placed.iter().map(|p| p.1).fold(f32::INFINITY, f32::min);
        let foot = placed.iter().map(|p| p.1).fold(f32::NEG_INFINITY, f32::max);
        let tall = (foot - top).max(1.0);
        self.canvas.fill(&placed, 1.0, |_, y| scaled(colour, 1.04 - 0.14 * ((y - top) / tall)));
    }

    /// A block from `x.0` to `x.1` and `y.0` to `y.1` whose upper edge is `slope` shorter at both ends.
    pub(super) fn tower(&mut self, x: Point, y: Point, slope: f32, colour: Colour) {
        self.shape(&[(x.0, y.0), (x.0 + slope, y.1), (x.1 - slope, y.1), (x.1, y.0)], colour);
    }

    /// A line; its width is in the object's unit, and it stays visible when far away.
    pub(super) fn line(&mut self, from: Point, to: Point, width: f32, colour: Colour) {
        let pixels = (width * self.pose.scale.1).max(0.7);
        let colour = self.seen(colour);
        let (from, to) = (self.place(from), self.place(to));
        self.canvas.stroke(from, to, pixels, colour);
    }

    /// The upper half of an ellipse that stands on `foot`.
    pub(super) fn dome(&mut self, foot: Point, radii: Point, colour: Colour) {
        let points: Vec<Point> = (0..=16)
            .map(|i| (i as f32 / 16.0 * std::f32::consts::PI).sin_cos())
            .map(|(sin, cos)| (foot.0 + radii.0 * cos, foot.1 + radii.1 * sin))
            .collect();
        self.shape(&points, colour);
    }

    /// A whole ellipse.
    pub(super) fn disc(&mut self, centre: Point, radii: Point, colour: Colour) {
        let points: Vec<Point> = (0..28)
            .map(|i| (i as f32 / 28.0 * std::f32::consts::TAU).sin_cos())
            .map(|(sin, cos)| (centre.0 + radii.0 * cos, centre.1 + radii.1 * sin))
            .collect();
        self.shape(&points, colour);
    }
}
