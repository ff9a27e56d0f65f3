//! An anti-aliased canvas: polygons, strokes and ellipses by exact horizontal and 4-fold vertical coverage.

use image::{Rgb, RgbImage};

/// Red, green, blue from 0 to 1, in display (sRGB) values.
pub(super) type Colour = [f32; 3];
/// Pixels right and down from the upper left corner.
pub(super) type Point = (f32, f32);

const ROWS_PER_PIXEL: usize = 4;

/// `a` at 0, `b` at 1.
pub(super) fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

/// Channel by channel, so that a coloured light tints what it falls on.
pub(super) fn lit(colour: Colour, light: Colour) -> Colour {
    std::array::from_fn(|i| colour[i] * light[i])
}

/// The same colour, lighter or darker.
pub(super) fn scaled(colour: Colour, factor: f32) -> Colour {
    colour.map(|c| c * factor)
}

/// A picture under way.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 3]; width * height] }
    }

    /// Repaints every pixel from its place and its present colour.
    pub(super) fn each(&mut self, paint: impl Fn(f32, f32, Colour) -> Colour) {
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            *pixel = paint((i % self.width) as f32, (i / self.width) as f32, *pixel);
        }
    }

    /// Fills a polygon (even-odd rule) with what `paint` says for each pixel.
    pub(super) fn fill(
        &mut self,
        points: &[Point],
        alpha: f32,
        paint: impl Fn(f32, f32) -> Colour,
    ) {
        let top = points.iter().map(|p| p.1).fold(f32::INFINITY, f32::min).max(0.0) as usize;
        let low = points.iter().map(|p| p.1).fold(0.0, f32::max).ceil().max(0.0) as usize;
        let mut coverage = vec![0.0_f32; self.width];
        let mut crossings = Vec::new();
        for row in top..low.min(self.height) {
            coverage.fill(0.0);
            for sub in 0..ROWS_PER_PIXEL {
                let y = row as f32 + (sub as f32 + 0.5) / ROWS_PER_PIXEL as f32;
                cross(points, y, &mut crossings);
                for pair in crossings.chunks_exact(2) {
                    cover(&mut coverage, pair[0], pair[1]);
                }
            }
            for (column, share) in coverage.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                let pixel = &mut self.pixels[row * self.width + column];
                let colour = paint(column as f32, row as f32);
                *pixel = mix(*pixel, colour, share * alpha);
            }
        }
    }

    /// One colour all over.
    pub(super) fn polygon(&mut self, points: &[Point], colour: Colour, alpha: f32) {
        self.fill(points, alpha, |_, _| colour);
    }

    /// A straight line of some width.
    pub(super) fn stroke(&mut self, from: Point, to: Point, width: f32, colour: Colour) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(1e-3);
        let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
        let corners = [
            (from.0 + nx, from.1 + ny),
            (to.0 + nx, to.1 + ny),
            (to.0 - nx, to.1 - ny),
            (from.0 - nx, from.1 - ny),
        ];
        self.polygon(&corners, colour, 1.0);
    }

    /// An upright ellipse.
    pub(super) fn ellipse(&mut self, centre: Point, radii: Point, colour: Colour, alpha: f32) {
        let points: Vec<Point> = (0..32)
            .map(|i| (i as f32 / 32.0 * std::f32::consts::TAU).sin_cos())
            .map(|(sin, cos)| (centre.0 + radii.0 * cos, centre.1 + radii.1 * sin))
            .collect();
        self.polygon(&points, colour, alpha);
    }

    /// Mean over a square of side 2 × radius + 1, as two passes.
    pub(super) fn blur(&mut self, radius: usize) {
        let (width, height) = (self.width as isize, self.height as isize);
        for (dx, dy) in [(1, 0), (0, 1)] {
            let from = self.pixels.clone();
            for (i, pixel) in self.pixels.iter_mut().enumerate() {
                let (x, y) = (i as isize % width, i as isize / width);
                let mut sum = [0.0; 3];
                for k in -(radius as isize)..=radius as isize {
                    let column = (x + k * dx).clamp(0, width - 1);
                    let row = (y + k * dy).clamp(0, height - 1);
                    let other = from[(row * width + column) as usize];
                    sum = std::array::from_fn(|c| sum[c] + other[c]);
                }
                *pixel = scaled(sum, 1.0 / (2 * radius + 1) as f32);
            }
        }
    }

    /// The finished picture, 8 bits a channel.
    pub(super) fn into_image(self) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let pixel = self.pixels[y as usize * self.width + x as usize];
            Rgb(pixel.map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8))
        })
    }
}

fn cross(points: &[Point], y: f32, crossings: &mut Vec<f32>) {
    crossings.clear();
    for (i, a) in points.iter().enumerate() {
        let b = points[(i + 1) % points.len()];
        if (a.1 <= y) != (b.1 <= y) {
            crossings.push(a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0));
        }
    }
    crossings.sort_by(f32::total_cmp);
}

fn cover(coverage: &mut [f32], from: f32, to: f32) {
    let (from, to) = (from.max(0.0), to.min(coverage.len() as f32));
    let mut x = from;
    while x < to {
        let column = x as usize;
        let end = ((column + 1) as f32).min(to);
        coverage[column] += (end - x) / ROWS_PER_PIXEL as f32;
        x = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_covers_its_area() {
        let mut canvas = Canvas::new(20, 20);
        canvas.polygon(&[(2.5, 3.25), (12.0, 3.25), (12.0, 9.5)], [1.0; 3], 1.0);
        let area: f32 = canvas.pixels.iter().map(|p| p[0]).sum();
        assert!((area - 9.5 * 6.25 / 2.0).abs() < 0.5, "{area}");
    }

    #[test]
    fn shapes_outside_the_canvas_change_nothing() {
        let mut canvas = Canvas::new(8, 8);
        canvas.ellipse((-50.0, -50.0), (10.0, 10.0), [1.0; 3], 1.0);
        canvas.stroke((100.0, 2.0), (120.0, 90.0), 3.0, [1.0; 3]);
        assert!(canvas.pixels.iter().flatten().all(|value| value.abs() < f32::EPSILON));
    }
}
