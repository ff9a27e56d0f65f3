//! The vector bodies against a plain one.

use super::{Affine, Border, Sampling, blend::Isa, sample, sample_on};
use crate::nn::rng::{Purpose, Stream};

fn picture(size: usize) -> Vec<u8> {
    let mut stream = Stream::new(4, Purpose::Augment, 0, size as u64);
    (0..size * size * 3).map(|_| stream.bits() as u8).collect()
}

fn maps() -> Vec<Affine> {
    let mut stream = Stream::new(5, Purpose::Augment, 0, 0);
    let mut number = || stream.between(-1.5, 1.5);
    let mut maps = vec![Affine::IDENTITY, Affine::scale(1.0, -1.0), Affine::shift(2.0, -1.0)];
    for _ in 0..20 {
        let (row, column) =
            ([number(), number(), 9.0 * number()], [number(), number(), 9.0 * number()]);
        maps.push(Affine { row, column });
    }
    maps
}

/// What the first trainer did, pixel by pixel.
fn plain(picture: &[u8], size: usize, map: &Affine) -> Vec<f32> {
    let (centre, last) = (size as f32 / 2.0 - 0.5, (size - 1) as f32);
    let pixel = |row: usize, column: usize, colour: usize| {
        f32::from(picture[(row * size + column) * 3 + colour])
    };
    let mut numbers = Vec::new();
    for at in 0..size * size * 3 {
        let (down, sideways) = ((at / 3 / size) as f32 - centre, (at / 3 % size) as f32 - centre);
        let place = |of: [f32; 3]| of[0] * down + of[1] * sideways + (centre + of[2]);
        let (row, column) = (place(map.row).clamp(0.0, last), place(map.column).clamp(0.0, last));
        let (top, left) = (row as usize, column as usize);
        let (bottom, right) = ((top + 1).min(size - 1), (left + 1).min(size - 1));
        let across = |row| {
            let (a, b) = (pixel(row, left, at % 3), pixel(row, right, at % 3));
            a + (b - a) * (column - left as f32)
        };
        let (upper, lower) = (across(top), across(bottom));
        numbers.push((upper + (lower - upper) * (row - top as f32)) / 255.0);
    }
    numbers
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn every_body_gives_the_bits_of_the_plain_one() {
    for size in [1, 2, 3, 31, 64, 65, 150] {
        let picture = picture(size);
        for map in maps() {
            let expected = plain(&picture, size, &map);
            let sampling = Sampling { map, border: Border::Nearest, gain: 1.0 };
            for isa in [Isa::Portable, Isa::detect()] {
                let mut found = vec![9.0; picture.len()];
                sample_on(isa, (&picture, size), &sampling, &mut found);
                assert_eq!(bits(&found), bits(&expected), "{size} {map:?} {isa:?}");
            }
        }
    }
}

#[test]
fn a_picture_shown_at_another_size_is_seen_through_the_same_map() {
    let picture = picture(40);
    for isa in [Isa::Portable, Isa::detect()] {
        let (mut small, mut half) = (vec![9.0; 20 * 20 * 3], vec![9.0; picture.len()]);
        let map = Affine::scale(2.0, 2.0);
        sample_on(
            isa,
            (&picture, 40),
            &Sampling { map, border: Border::Nearest, gain: 1.0 },
            &mut small,
        );
        // Shown in full size at half the scale, it stands in the middle.
        sample_on(
            isa,
            (&picture, 40),
            &Sampling { map, border: Border::Wrap, gain: 1.0 },
            &mut half,
        );
        for row in 0..20 {
            let middle = &half[((row + 10) * 40 + 10) * 3..][..60];
            assert_eq!(bits(&small[row * 60..][..60]), bits(middle), "{row}");
        }
    }
}

#[test]
fn every_border_gives_the_same_bits_on_every_instruction_set() {
    for border in [Border::Constant(77.0), Border::Reflect, Border::Wrap] {
        for size in [1, 5, 70] {
            let picture = picture(size);
            for map in maps() {
                let sampling = Sampling { map, border, gain: 1.3 };
                let (mut portable, mut found) =
                    (vec![9.0; picture.len()], vec![8.0; picture.len()]);
                sample_on(Isa::Portable, (&picture, size), &sampling, &mut portable);
                sample(&picture, size, &sampling, &mut found);
                assert_eq!(bits(&found), bits(&portable), "{size} {map:?} {border:?}");
            }
        }
    }
}

#[test]
fn a_border_on_a_whole_pixel_belongs_to_the_picture() {
    // A quarter turn in `f32` lands a millionth of a pixel outside.
    let picture = picture(20);
    let map = Affine::rotation(90.0f32.to_radians());
    let of = |border| {
        let mut target = vec![9.0; picture.len()];
        sample(&picture, 20, &Sampling { map, border, gain: 1.0 }, &mut target);
        target
    };
    assert_eq!(bits(&of(Border::Constant(255.0))), bits(&of(Border::Nearest)));
}
