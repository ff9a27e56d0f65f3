//! A sheet of augmented samples, to look at before training.

use image::{Rgb, RgbImage};

use super::{Augment, Change, Mixup, mix};

/// Pixels between two samples.
const GAP: u32 = 4;
/// Pixels between the originals and the samples.
const WIDE_GAP: u32 = 12;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// A training picture of a sheet.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its place among the pictures that the run trains on: its changes are drawn by it.
    pub index: u64,
    /// Red, green and blue, `[size, size, 3]`.
    pub pixels: Vec<u8>,
}

/// What a sheet shows.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// How training changes pictures.
    pub augment: &'a Augment,
    /// Seed of the run.
    pub seed: u64,
    /// Rows and columns of the pictures.
    pub size: u32,
    /// Rows and columns of what the network is given in training.
    pub shown: u32,
    /// The picture itself and its samples.
    pub columns: u32,
}

impl Sheet<'_> {
    /// Draws a row for each picture: the picture itself, then `columns − 1` samples of what training makes of it, each
    /// column being one epoch, the first one first. With mixup a column is mixed as one batch, so that rows show each other.
    pub fn draw(&self, pictures: &[Sample]) -> RgbImage {
        if pictures.is_empty() || self.columns == 0 {
            return RgbImage::new(0, 0);
        }
        let (tile, rows) = (self.size.max(self.shown), pictures.len() as u32);
        let wide = if self.columns > 1 { WIDE_GAP } else { GAP };
        let width = self.columns * (tile + GAP) + wide;
        let mut paper = RgbImage::from_pixel(width, rows * (tile + GAP) + GAP, PAPER);
        for column in 0..self.columns {
            let left = GAP + column * (tile + GAP) + if column > 0 { wide - GAP } else { 0 };
            let (side, samples) = match column {
                0 => (self.size, pictures.iter().map(|picture| picture.pixels.clone()).collect()),
                epoch => (self.shown, self.samples(pictures, epoch)),
            };
            // What is smaller than its place stands in the middle of it.
            let middle = (tile - side) / 2;
            for (row, sample) in (0..).zip(&samples) {
                let top = GAP + row * (tile + GAP);
                paste(&mut paper, sample, side, (left + middle, top + middle));
            }
        }
        paper
    }

    /// The bytes of each picture as training sees it in `epoch`.
    fn samples(&self, pictures: &[Sample], epoch: u32) -> Vec<Vec<u8>> {
        let (size, shown) = (self.size as usize, self.shown as usize);
        let length = shown * shown * 3;
        let (augment, seed, epoch) = (self.augment, self.seed, u64::from(epoch));
        let mut pixels = vec![0.0; pictures.len() * length];
        for (picture, target) in pictures.iter().zip(pixels.chunks_exact_mut(length)) {
            Change::draw(augment, seed, epoch, picture.index).apply(&picture.pixels, size, target);
        }
        let mixup = Mixup { alpha: augment.mixup, classes: 1, seed, epoch };
        mix(&mixup, 0, &mut pixels, &vec![0; pictures.len()]);
        let byte = |number: &f32| (number * 255.0).round() as u8;
        pixels.chunks_exact(length).map(|numbers| numbers.iter().map(byte).collect()).collect()
    }
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

    fn samples(reds: &[u8]) -> Vec<Sample> {
        let sample = |(at, red): (usize, &u8)| Sample {
            index: 10 * at as u64,
            pixels: picture(*red).into_raw(),
        };
        reds.iter().enumerate().map(sample).collect()
    }

    fn sheet(augment: &Augment, columns: u32) -> Sheet<'_> {
        Sheet { augment, seed: 3, size: 20, shown: 20, columns }
    }

    /// The bytes that training makes of the second picture in the second epoch.
    fn trained(shown: usize) -> Vec<u8> {
        let mut target = vec![0.0; shown * shown * 3];
        let change = Change::draw(&Augment::default(), 3, 2, 10);
        change.apply(&picture(200), 20, &mut target);
        target.iter().map(|number| (number * 255.0).round() as u8).collect()
    }

    #[test]
    fn the_first_column_is_the_original_and_the_others_are_what_training_sees() {
        let drawn = sheet(&Augment::default(), 4).draw(&samples(&[10, 200]));
        assert_eq!(drawn.dimensions(), (4 * 24 + 12, 2 * 24 + 4));
        let tile = |column: u32, row: u32| {
            let left = 4 + column * 24 + if column > 0 { 8 } else { 0 };
            image::imageops::crop_imm(&drawn, left, 4 + row * 24, 20, 20).to_image()
        };
        assert_eq!(tile(0, 0), picture(10));
        assert_eq!(tile(0, 1), picture(200));
        assert_eq!(tile(2, 1).into_raw(), trained(20));
        assert_ne!(tile(1, 0), tile(2, 0));
        // Gaps stay white, also behind the last column.
        for x in [0, 24, 35, 56, drawn.width() - 1] {
            assert_eq!(drawn.get_pixel(x, 10), &PAPER, "{x}");
        }
    }

    #[test]
    fn samples_have_the_size_of_training() {
        let augment = Augment::default();
        for (shown, tile, middle) in [(12, 20, 4), (26, 26, 0)] {
            let drawn = Sheet { shown, ..sheet(&augment, 3) }.draw(&samples(&[10, 200]));
            assert_eq!(drawn.dimensions(), (3 * (tile + 4) + 12, 2 * (tile + 4) + 4));
            let (left, top) = (12 + 2 * (tile + 4) + middle, 4 + (tile + 4) + middle);
            let sample = image::imageops::crop_imm(&drawn, left, top, shown, shown).to_image();
            assert_eq!(sample.into_raw(), trained(shown as usize));
        }
    }

    #[test]
    fn mixup_shows_both_pictures_of_a_pair() {
        let mixing = Augment { mixup: 4.0, ..Augment::NONE };
        let drawn = Sheet { seed: 1, ..sheet(&mixing, 2) }.draw(&samples(&[0, 200]));
        let red = |row: u32| drawn.get_pixel(40, 10 + row * 24).0[0];
        assert!(red(0) > 5 && red(1) < 195 && red(0).abs_diff(200 - red(1)) <= 1);
    }

    #[test]
    fn no_picture_gives_an_empty_sheet() {
        assert_eq!(sheet(&Augment::default(), 3).draw(&[]).dimensions(), (0, 0));
    }
}
