//! One drawn change of a picture.
//!
//! As in Keras' `ImageDataGenerator`, one affine map goes from output to input, about the centre of
//! the pixel grid (`size / 2 − 0.5`): `rotation · shift · shear · zoom`, bilinear between pixels.
//! A crop is cut from the result and flips follow, in the same map, so that each pixel is sampled
//! once; brightness comes last.
//!
//! The map acts on (row, column), as in keras-preprocessing 1.1, whose centre was `size / 2 + 0.5`.
//! Keras 3 has the right centre but swaps the axes: its shear moves columns and its height shift
//! moves sideways (keras-preprocessing #318). `agreement.rs` compares with both.

use super::crop::Window;
use super::settings::Augment;
use crate::nn::rng::{Purpose, Stream};
use crate::nn::sampling::{Affine, Border, Sampling, sample, side};

/// One drawn change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Shear angle in radians.
    pub shear: f32,
    /// Scale of rows and columns, output to input.
    pub zoom: (f32, f32),
    /// Rotation in radians, clockwise.
    pub rotation: f32,
    /// Shift up and to the left, in fractions of the size.
    pub shift: (f32, f32),
    /// The part that is shown.
    pub crop: Window,
    /// Whether the result is mirrored.
    pub horizontal_flip: bool,
    /// Whether the result is upside down.
    pub vertical_flip: bool,
    /// Factor on the colours, which are then cut off at white.
    pub brightness: f32,
    /// What lies outside the picture.
    pub border: Border,
}

impl Change {
    /// Every pixel stays.
    pub const NONE: Self = Self {
        shear: 0.0,
        zoom: (1.0, 1.0),
        rotation: 0.0,
        shift: (0.0, 0.0),
        crop: Window::WHOLE,
        horizontal_flip: false,
        vertical_flip: false,
        brightness: 1.0,
        border: Border::Nearest,
    };

    /// The change of picture `index` in `epoch`; every value is drawn whether used or not, so that
    /// one setting does not move another's draws. Only the crop, which comes last, draws as many as
    /// it needs.
    pub fn draw(augment: &Augment, seed: u64, epoch: u64, index: u64) -> Self {
        let around = |stream: &mut Stream, centre: f32, most: f64| {
            let most = most as f32;
            stream.between(centre - most, centre + most)
        };
        let stream = &mut Stream::new(seed, Purpose::Augment, epoch, index);
        // New draws come after the old ones, so that old recipes and seeds keep their pictures.
        let shear = around(stream, 0.0, augment.shear_degrees).to_radians();
        let (rows, columns) =
            (around(stream, 1.0, augment.zoom), around(stream, 1.0, augment.zoom));
        let mirrored = stream.unit() < 0.5;
        let rotation = around(stream, 0.0, augment.rotation_degrees).to_radians();
        let shift =
            (around(stream, 0.0, augment.shift_rows), around(stream, 0.0, augment.shift_columns));
        let brightness = around(stream, 1.0, augment.brightness);
        let upside_down = stream.unit() < 0.5;
        let least = augment.random_crop as f32;
        let crop = if least > 0.0 { Window::draw(stream, least) } else { Window::WHOLE };
        Self {
            shear,
            zoom: (rows, if augment.zoom_uniform { rows } else { columns }),
            rotation,
            shift,
            crop,
            horizontal_flip: mirrored && augment.horizontal_flip,
            vertical_flip: upside_down && augment.vertical_flip,
            brightness,
            border: augment.border(),
        }
    }

    /// Writes `picture [size, size, 3]`, changed and scaled to the target's size, as numbers in
    /// 0..1.
    ///
    /// # Panics
    /// When the picture's length is not `size × size × 3` or the target's is no square's.
    pub fn apply(&self, picture: &[u8], size: usize, target: &mut [f32]) {
        let scale = size as f32 / side(target) as f32;
        let map = self.map(size).after(Affine::scale(scale, scale));
        let sampling = Sampling { map, border: self.border, gain: self.brightness };
        sample(picture, size, &sampling, target);
    }

    /// From output to input places.
    pub(super) fn map(&self, size: usize) -> Affine {
        let side = size as f32;
        let sign = |flipped: bool| if flipped { -1.0 } else { 1.0 };
        Affine::rotation(self.rotation)
            .after(Affine::shift(self.shift.0 * side, self.shift.1 * side))
            .after(Affine::shear(self.shear))
            .after(Affine::scale(self.zoom.0, self.zoom.1))
            .after(self.crop.map(size))
            .after(Affine::scale(sign(self.vertical_flip), sign(self.horizontal_flip)))
    }
}
