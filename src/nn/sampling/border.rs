//! What a picture shows outside its border.

/// The colour of places outside the picture; the drawings show one line of four pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Border {
    /// `aaaa|abcd|dddd`: the nearest pixel.
    Nearest,
    /// `kkkk|abcd|kkkk`: one value for all colours, 0 to 255, not blended with the border.
    Constant(f32),
    /// `dcba|abcd|dcba`: the mirror image, border pixels twice.
    Reflect,
    /// `dbcd|abcd|abca`: the picture again, its first and last pixel on the same place, so that
    /// the period is one less than the size. That is `wrap` in `SciPy` and therefore in Keras.
    Wrap,
}

/// Places this far outside still count as inside: rounding must not cut off a border.
const SLACK: f32 = 1e-3;

impl Border {
    /// The place in 0..=`last` whose colour is shown at `place`.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    pub(super) fn inside(self, place: f32, last: f32) -> f32 {
        let place = match self {
            Self::Nearest | Self::Constant(_) => place,
            Self::Reflect => {
                let period = 2.0 * (last + 1.0);
                // A triangle wave whose corners lie half a pixel outside.
                let phase = place + 0.5;
                let phase = phase - period * (phase / period).floor();
                phase.min(period - phase) - 0.5
            }
            Self::Wrap => {
                // With a single pixel the period is zero.
                let outside = last > 0.0 && (place < 0.0 || place > last);
                let turns = if outside { (place / last).floor() } else { 0.0 };
                place - last * turns
            }
        };
        place.max(0.0).min(last)
    }

    /// Whether `place` shows the constant.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    pub(super) fn outside(place: f32, last: f32) -> bool {
        place < -SLACK || place > last + SLACK
    }
}
