//! The window of a random crop.

use crate::nn::rng::Stream;
use crate::nn::sampling::Affine;

/// A part of a picture; all four are fractions of its sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// What lies above.
    pub top: f32,
    /// What lies to the left.
    pub left: f32,
    /// Its height.
    pub height: f32,
    /// Its width.
    pub width: f32,
}

/// Draws before a crop gives up and takes everything, as in torchvision.
const ATTEMPTS: usize = 10;

impl Window {
    /// The whole picture.
    pub const WHOLE: Self = Self { top: 0.0, left: 0.0, height: 1.0, width: 1.0 };

    /// A window of `least` to all of the area, in proportions of 3:4 to 4:3, anywhere, as
    /// torchvision's `RandomResizedCrop` draws it (its windows are whole pixels, these are not).
    pub(super) fn draw(stream: &mut Stream, least: f32) -> Self {
        let limit = (4.0f32 / 3.0).ln();
        for _ in 0..ATTEMPTS {
            let area = stream.between(least, 1.0);
            let proportion = stream.between(-limit, limit).exp();
            let (height, width) = ((area / proportion).sqrt(), (area * proportion).sqrt());
            if height <= 1.0 && width <= 1.0 {
                let top = stream.between(0.0, 1.0 - height);
                let left = stream.between(0.0, 1.0 - width);
                return Self { top, left, height, width };
            }
        }
        Self::WHOLE
    }

    /// The map that scales the window to the full `size × size` pixels.
    pub(super) fn map(&self, size: usize) -> Affine {
        // Outer edges of border pixels stay on the window's edges; the place of the centres follows.
        let off_centre = |start: f32, length: f32| (start + length / 2.0 - 0.5) * size as f32;
        Affine {
            row: [self.height, 0.0, off_centre(self.top, self.height)],
            column: [0.0, self.width, off_centre(self.left, self.width)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::rng::Purpose;

    #[test]
    fn windows_keep_their_area_and_proportions_and_stay_inside() {
        let draws: Vec<_> = (0..2000)
            .map(|index| Window::draw(&mut Stream::new(1, Purpose::Augment, 0, index), 0.25))
            .collect();
        for w in &draws {
            let (area, proportion) = (w.height * w.width, w.width / w.height);
            assert!((0.2499..=1.0).contains(&area), "{w:?}");
            assert!((0.7499..1.3334).contains(&proportion), "{w:?}");
            assert!(w.top >= 0.0 && w.top + w.height <= 1.0001, "{w:?}");
            assert!(w.left >= 0.0 && w.left + w.width <= 1.0001, "{w:?}");
        }
        let wider = draws.iter().filter(|w| w.width > w.height).count();
        assert!((900..1100).contains(&wider), "{wider}");
        let lefts = draws.iter().filter(|w| w.left > (1.0 - w.width) / 2.0).count();
        assert!((900..1100).contains(&lefts), "{lefts}");
    }

    #[test]
    fn a_quarter_is_scaled_so_that_edges_fall_on_edges() {
        let lower_right = Window { top: 0.5, left: 0.5, height: 0.5, width: 0.5 };
        let map = lower_right.map(4);
        // Output pixels 0 and 3 are at −1.5 and 1.5 from the centre; their outer edges at ∓2 show
        // the edges of the window, 0 and 2 from the centre.
        for (column, shown) in [(-2.0, 0.0), (2.0, 2.0)] {
            assert!((map.column[1] * column + map.column[2] - shown).abs() < 1e-6);
        }
    }
}
