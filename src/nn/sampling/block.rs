//! Some output pixels of one row: where they come from and what they show.

use super::{BLOCK, Border, Sampling};

/// Neighbouring output pixels of one row.
pub(super) struct Block {
    sampling: Sampling,
    /// Rows and columns of the input.
    size: usize,
    /// Rows and columns of the output.
    shown: usize,
    /// Byte of the upper left of the four neighbours.
    pub(super) upper: [u32; BLOCK],
    /// Byte of the lower left of the four neighbours.
    pub(super) lower: [u32; BLOCK],
    /// How far right of the left neighbours, 0 to 1; 0 in the last column.
    pub(super) right: [f32; BLOCK],
    /// How far below the upper neighbours, 0 to 1; 0 in the last row.
    pub(super) down: [f32; BLOCK],
    outside: [bool; BLOCK],
    /// Colours from 0 to 255, and one number that the last pixel's store may spill into.
    pub(super) colours: [f32; 3 * BLOCK + 1],
}

impl Block {
    pub(super) fn new((size, shown): (usize, usize), sampling: &Sampling) -> Self {
        Self {
            sampling: *sampling,
            size,
            shown,
            upper: [0; BLOCK],
            lower: [0; BLOCK],
            right: [0.0; BLOCK],
            down: [0.0; BLOCK],
            outside: [false; BLOCK],
            colours: [0.0; 3 * BLOCK + 1],
        }
    }

    /// Finds the sources of the pixels from `column` of output row `row`.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    pub(super) fn find(&mut self, row: usize, column: usize) {
        // One loop for each border, so that none of them asks per pixel.
        match self.sampling.border {
            Border::Nearest => self.find_with(row, column, Border::Nearest),
            Border::Constant(value) => {
                self.find_with(row, column, Border::Constant(value));
                self.find_outside(row, column);
            }
            Border::Reflect => self.find_with(row, column, Border::Reflect),
            Border::Wrap => self.find_with(row, column, Border::Wrap),
        }
    }

    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    fn find_with(&mut self, row: usize, column: usize, border: Border) {
        let (place, last) = (self.place_of(row, column), (self.size - 1) as f32);
        let (size, bottom) = (self.size as u32, self.size as u32 - 1);
        for i in 0..BLOCK {
            let (row, column) = place(i);
            let (top, down) = split(border.inside(row, last));
            let (left, right) = split(border.inside(column, last));
            (self.down[i], self.right[i]) = (down, right);
            self.upper[i] = (top * size + left) * 3;
            self.lower[i] = ((top + 1).min(bottom) * size + left) * 3;
        }
    }

    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    fn find_outside(&mut self, row: usize, column: usize) {
        let (place, last) = (self.place_of(row, column), (self.size - 1) as f32);
        for i in 0..BLOCK {
            let (row, column) = place(i);
            self.outside[i] = Border::outside(row, last) | Border::outside(column, last);
        }
    }

    /// The input place of pixel `i` after `column`, before the border's rule.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    fn place_of(&self, row: usize, column: usize) -> impl Fn(usize) -> (f32, f32) + use<> {
        let (centre, from) = (self.size as f32 / 2.0 - 0.5, self.shown as f32 / 2.0 - 0.5);
        let map = self.sampling.map;
        let down = row as f32 - from;
        let (row_start, column_start) = (map.row[0] * down, map.column[0] * down);
        let (row_end, column_end) = (centre + map.row[2], centre + map.column[2]);
        let column = column as i32;
        move |i| {
            let sideways = (column + i as i32) as f32 - from;
            let row = row_start + map.row[1] * sideways + row_end;
            (row, column_start + map.column[1] * sideways + column_end)
        }
    }

    /// Overwrites the colours of pixels that show the constant and scales all to 0..1.
    #[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
    #[inline(always)]
    pub(super) fn finish(&mut self, target: &mut [f32]) {
        if let Border::Constant(value) = self.sampling.border {
            for (colour, outside) in self.colours.chunks_exact_mut(3).zip(&self.outside) {
                if *outside {
                    colour.fill(value);
                }
            }
        }
        let gain = self.sampling.gain;
        for (target, colour) in target.iter_mut().zip(&self.colours) {
            *target = super::finish(*colour, gain);
        }
    }
}

/// Numbers from here on are one apart, so that a sum with it rounds to a whole number.
const WHOLE: f32 = 8_388_608.0;

/// The whole part and the rest of a number from 0 to 2²². A cast would do, but one that saturates,
/// as Rust's does, is not vectorised.
#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn split(number: f32) -> (u32, f32) {
    let sum = number + WHOLE;
    let nearest = sum - WHOLE;
    let above = nearest > number;
    let rest = number - if above { nearest - 1.0 } else { nearest };
    (sum.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_sub(u32::from(above)), rest)
}
