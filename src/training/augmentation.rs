//! Shear, zoom and mirror image of a training picture, as Keras' `ImageDataGenerator` does them.
//!
//! The affine map goes from output to input, on (row, column): `shear · zoom` with
//! `shear = [[1, −sin θ], [0, cos θ]]` and `zoom = [[zx, 0], [0, zy]]`, so a factor above one zooms
//! out. What lies outside repeats the nearest pixel, between pixels it is bilinear. The centre is
//! that of the pixel grid, `size / 2 − 0.5`, as Keras has it today; keras-preprocessing 1.1 turned
//! about `size / 2 + 0.5`, which shifts a zoomed picture by a fraction of a pixel.

use super::recipe::Augment;
use crate::nn::rng::{Purpose, Stream};

/// One drawn change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Shear angle in radians.
    pub shear: f32,
    /// Scale of rows and columns, output to input.
    pub zoom: (f32, f32),
    /// Whether the result is mirrored.
    pub flip: bool,
}

impl Change {
    /// The change of picture `index` in `epoch`; every value is drawn whether used or not, so that
    /// one setting does not move another's draws.
    pub fn draw(augment: &Augment, seed: u64, epoch: u64, index: u64) -> Self {
        let mut stream = Stream::new(seed, Purpose::Augment, epoch, index);
        let (shear, zoom) = (augment.shear_degrees as f32, augment.zoom as f32);
        let shear = stream.between(-shear, shear).to_radians();
        let zoom = (stream.between(1.0 - zoom, 1.0 + zoom), stream.between(1.0 - zoom, 1.0 + zoom));
        let flip = stream.unit() < 0.5 && augment.horizontal_flip;
        Self { shear, zoom, flip }
    }

    /// Writes `picture [size, size, 3]`, changed, as numbers in 0..1.
    pub fn apply(&self, picture: &[u8], size: usize, target: &mut [f32]) {
        let row_of = [self.zoom.0, -self.shear.sin() * self.zoom.1];
        let column_of = self.shear.cos() * self.zoom.1;
        let centre = size as f32 / 2.0 - 0.5;
        let last = (size - 1) as f32;
        for (row, target) in target.chunks_exact_mut(size * 3).enumerate() {
            let from_centre = row as f32 - centre;
            for column in 0..size {
                let sideways = column as f32 - centre;
                let source_row = row_of[0] * from_centre + row_of[1] * sideways + centre;
                let source_column = column_of * sideways + centre;
                let colour = sample(
                    picture,
                    size,
                    source_row.clamp(0.0, last),
                    source_column.clamp(0.0, last),
                );
                let at = if self.flip { size - 1 - column } else { column };
                target[at * 3..at * 3 + 3].copy_from_slice(&colour);
            }
        }
    }
}

/// The bilinear colour in 0..1 at a place inside the picture.
fn sample(picture: &[u8], size: usize, row: f32, column: f32) -> [f32; 3] {
    let (top, left) = (row as usize, column as usize);
    let (down, right) = (row - top as f32, column - left as f32);
    let (bottom, east) = ((top + 1).min(size - 1), (left + 1).min(size - 1));
    let pixel = |row: usize, column: usize| {
        let at = (row * size + column) * 3;
        [picture[at], picture[at + 1], picture[at + 2]].map(f32::from)
    };
    let (a, b) = (pixel(top, left), pixel(top, east));
    let (c, d) = (pixel(bottom, left), pixel(bottom, east));
    std::array::from_fn(|i| {
        let upper = a[i] + (b[i] - a[i]) * right;
        let lower = c[i] + (d[i] - c[i]) * right;
        (upper + (lower - upper) * down) / 255.0
    })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the blue of the drawn grid is exact")]
mod tests {
    use super::*;

    const SAME: Change = Change { shear: 0.0, zoom: (1.0, 1.0), flip: false };

    /// Red tells the row and green the column of each pixel.
    fn grid(size: usize) -> Vec<u8> {
        let pixels = (0..size * size).flat_map(|at| [(at / size) as u8, (at % size) as u8, 255]);
        pixels.collect()
    }

    /// The (row, column) that each output pixel came from.
    fn sources(change: Change, size: usize) -> Vec<(f32, f32)> {
        let mut target = vec![9.0; size * size * 3];
        change.apply(&grid(size), size, &mut target);
        assert!(target.chunks_exact(3).all(|pixel| pixel[2] == 1.0));
        target.chunks_exact(3).map(|pixel| (pixel[0] * 255.0, pixel[1] * 255.0)).collect()
    }

    fn near(found: (f32, f32), expected: (f32, f32)) {
        let off = (found.0 - expected.0).abs() + (found.1 - expected.1).abs();
        assert!(off < 1e-3, "{found:?} {expected:?}");
    }

    #[test]
    fn no_change_keeps_every_pixel_and_a_flip_mirrors_columns() {
        let (same, flipped) = (sources(SAME, 5), sources(Change { flip: true, ..SAME }, 5));
        for at in 0..25 {
            near(same[at], ((at / 5) as f32, (at % 5) as f32));
            near(flipped[at], ((at / 5) as f32, (4 - at % 5) as f32));
        }
    }

    #[test]
    fn zoom_above_one_shrinks_about_the_centre_and_repeats_the_border() {
        let zoomed = sources(Change { zoom: (1.5, 1.0), ..SAME }, 5);
        near(zoomed[12], (2.0, 2.0));
        near(zoomed[7], (0.5, 2.0));
        near(zoomed[2], (0.0, 2.0));
    }

    #[test]
    fn shear_moves_rows_with_the_column() {
        let angle = 30.0f32.to_radians();
        let sheared = sources(Change { shear: angle, ..SAME }, 5);
        near(sheared[12], (2.0, 2.0));
        near(sheared[13], (2.0 - 0.5, 2.0 + angle.cos()));
    }

    #[test]
    fn draws_stay_in_range_and_follow_the_address() {
        let augment = Augment::default();
        let draw = |epoch, index| Change::draw(&augment, 1, epoch, index);
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(2, 1));
        let draws: Vec<_> = (0..2000).map(|index| draw(1, index)).collect();
        let limit = 10.0f32.to_radians();
        assert!(draws.iter().all(|d| d.shear.abs() <= limit && (0.8..=1.2).contains(&d.zoom.0)));
        let flips = draws.iter().filter(|d| d.flip).count();
        assert!((900..1100).contains(&flips), "{flips}");
        assert_eq!(Change::draw(&Augment::NONE, 1, 1, 1), SAME);
    }
}
