//! A sheet of augmented samples, to look at before training.

use image::{Rgb, RgbImage};

use super::{Augment, Change, Mixup, mix};

/// Pixels between two samples.
const GAP: u32 = 4;
/// Pixels between the originals and the samples.
const WIDE_GAP: u32 = 12;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// Draws a row for each of the first `rows` pictures: the picture itself, then `columns − 1` samples
/// of what training makes of it, each column being one epoch. With mixup a column is mixed as one
/// batch, so that rows show each other.
///
/// Pictures are square and of one size, as the network gets them; those that are not like the
/// first, in the sense of this rule, are left out, and no picture gives an empty sheet.
pub fn sheet(
    pictures: &[RgbImage],
    augment: &Augment,
    seed: u64,
    columns: u32,
    rows: u32,
) -> RgbImage {
    let size = pictures.first().map_or(0, RgbImage::width);
    let alike = pictures.iter().filter(|picture| picture.dimensions() == (size, size));
    let pictures: Vec<&RgbImage> = alike.take(rows as usize).collect();
    if pictures.is_empty() || size == 0 || columns == 0 {
        return RgbImage::new(0, 0);
    }
    let rows = pictures.len() as u32;
    let wide = if columns > 1 { WIDE_GAP } else { GAP };
    let width = columns * (size + GAP) + wide;
    let mut paper = RgbImage::from_pixel(width, rows * (size + GAP) + GAP, PAPER);
    for column in 0..columns {
        let left = GAP + column * (size + GAP) + if column > 0 { wide - GAP } else { 0 };
        let samples = match column {
            0 => pictures.iter().map(|picture| picture.as_raw().clone()).collect(),
            epoch => samples(&pictures, augment, seed, epoch),
        };
        for (row, sample) in (0..).zip(&samples) {
            paste(&mut paper, sample, size, (left, GAP + row * (size + GAP)));
        }
    }
    paper
}

/// The bytes of each picture as training would see it in `epoch`.
fn samples(pictures: &[&RgbImage], augment: &Augment, seed: u64, epoch: u32) -> Vec<Vec<u8>> {
    let (size, epoch) = (pictures[0].width() as usize, u64::from(epoch));
    let length = size * size * 3;
    let mut pixels = vec![0.0; pictures.len() * length];
    for ((index, picture), target) in (0..).zip(pictures).zip(pixels.chunks_exact_mut(length)) {
        Change::draw(augment, seed, epoch, index).apply(picture, size, target);
    }
    let mixup = Mixup { alpha: augment.mixup, classes: 1, seed, epoch };
    mix(&mixup, 0, &mut pixels, &vec![0; pictures.len()]);
    let byte = |number: &f32| (number * 255.0).round() as u8;
    pixels.chunks_exact(length).map(|numbers| numbers.iter().map(byte).collect()).collect()
}

fn paste(paper: &mut RgbImage, bytes: &[u8], size: u32, (left, top): (u32, u32)) {
    for (line, row) in bytes.chunks_exact(size as usize * 3).zip(top..) {
        for (pixel, column) in line.chunks_exact(3).zip(left..) {
            paper.put_pixel(column, row, Rgb([pixel[0], pixel[1], pixel[2]]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(red: u8) -> RgbImage {
        RgbImage::from_fn(20, 20, |x, y| Rgb([red, (x * 12) as u8, (y * 12) as u8]))
    }

    #[test]
    fn the_first_column_is_the_original_and_the_others_are_drawn() {
        let pictures = [picture(10), picture(200), picture(90)];
        let drawn = sheet(&pictures, &Augment::default(), 3, 4, 2);
        assert_eq!(drawn.dimensions(), (4 * 24 + 12, 2 * 24 + 4));
        let tile = |column: u32, row: u32| {
            let left = 4 + column * 24 + if column > 0 { 8 } else { 0 };
            image::imageops::crop_imm(&drawn, left, 4 + row * 24, 20, 20).to_image()
        };
        assert_eq!(tile(0, 0), pictures[0]);
        assert_eq!(tile(0, 1), pictures[1]);
        let mut target = vec![0.0; 1200];
        Change::draw(&Augment::default(), 3, 2, 1).apply(&pictures[1], 20, &mut target);
        let bytes: Vec<u8> = target.iter().map(|number| (number * 255.0).round() as u8).collect();
        assert_eq!(tile(2, 1).as_raw(), &bytes);
        assert_ne!(tile(1, 0), tile(2, 0));
        // Gaps stay white, also behind the last column.
        for x in [0, 24, 35, 56, drawn.width() - 1] {
            assert_eq!(drawn.get_pixel(x, 10), &PAPER, "{x}");
        }
    }

    #[test]
    fn mixup_shows_both_pictures_of_a_pair() {
        let pictures = [picture(0), picture(200)];
        let mixing = Augment { mixup: 4.0, ..Augment::NONE };
        let drawn = sheet(&pictures, &mixing, 1, 2, 2);
        let red = |row: u32| drawn.get_pixel(40, 10 + row * 24).0[0];
        assert!(red(0) > 5 && red(1) < 195 && red(0).abs_diff(200 - red(1)) <= 1);
    }

    #[test]
    fn no_picture_gives_an_empty_sheet_and_odd_ones_are_left_out() {
        assert_eq!(sheet(&[], &Augment::default(), 1, 3, 3).dimensions(), (0, 0));
        let pictures = [picture(1), RgbImage::new(30, 20)];
        let drawn = sheet(&pictures, &Augment::default(), 1, 1, 5);
        assert_eq!(drawn.dimensions(), (28, 28));
    }
}
