//! Draws and pictures of a change.

use super::{Augment, Change, Window};
use crate::nn::sampling::Border;

/// Red tells the row and green the column of each pixel.
fn grid(size: usize) -> Vec<u8> {
    let pixels = (0..size * size).flat_map(|at| [(at / size) as u8, (at % size) as u8, 255]);
    pixels.collect()
}

/// The (row, column) that each output pixel came from.
fn sources(change: Change, size: usize) -> Vec<(f32, f32)> {
    let mut target = vec![9.0; size * size * 3];
    change.apply(&grid(size), size, &mut target);
    assert!(target.chunks_exact(3).all(|pixel| (pixel[2] - 1.0).abs() < 1e-6));
    target.chunks_exact(3).map(|pixel| (pixel[0] * 255.0, pixel[1] * 255.0)).collect()
}

fn near(found: (f32, f32), expected: (f32, f32)) {
    let off = (found.0 - expected.0).abs() + (found.1 - expected.1).abs();
    assert!(off < 1e-3, "{found:?} {expected:?}");
}

#[test]
fn flips_mirror_columns_and_rows() {
    let same = sources(Change::NONE, 5);
    let mirrored = sources(Change { horizontal_flip: true, ..Change::NONE }, 5);
    let turned = sources(Change { vertical_flip: true, ..Change::NONE }, 5);
    for at in 0..25 {
        let (row, column) = ((at / 5) as f32, (at % 5) as f32);
        near(same[at], (row, column));
        near(mirrored[at], (row, 4.0 - column));
        near(turned[at], (4.0 - row, column));
    }
}

#[test]
fn a_picture_is_scaled_to_the_size_of_the_target() {
    let mut target = vec![9.0; 3 * 3 * 3];
    Change { horizontal_flip: true, ..Change::NONE }.apply(&grid(6), 6, &mut target);
    // Each pixel shows the middle of two by two.
    near((target[0] * 255.0, target[1] * 255.0), (0.5, 4.5));
    near((target[24] * 255.0, target[25] * 255.0), (4.5, 0.5));
}

#[test]
fn zoom_above_one_shrinks_about_the_centre_and_repeats_the_border() {
    let zoomed = sources(Change { zoom: (1.5, 1.0), ..Change::NONE }, 5);
    near(zoomed[12], (2.0, 2.0));
    near(zoomed[7], (0.5, 2.0));
    near(zoomed[2], (0.0, 2.0));
}

#[test]
fn shear_moves_rows_with_the_column() {
    let angle = 30.0f32.to_radians();
    let sheared = sources(Change { shear: angle, ..Change::NONE }, 5);
    near(sheared[12], (2.0, 2.0));
    near(sheared[13], (2.0 - 0.5, 2.0 + angle.cos()));
}

#[test]
fn a_positive_rotation_is_clockwise_and_a_positive_shift_is_up_and_left() {
    let turned = sources(Change { rotation: 90.0f32.to_radians(), ..Change::NONE }, 5);
    near(turned[2 * 5 + 4], (0.0, 2.0));
    near(turned[0], (4.0, 0.0));
    let shifted = sources(Change { shift: (0.2, 0.4), ..Change::NONE }, 5);
    near(shifted[0], (1.0, 2.0));
    near(shifted[24], (4.0, 4.0));
}

#[test]
fn a_crop_is_cut_from_the_changed_picture_before_it_is_flipped() {
    let crop = Window { top: 0.0, left: 0.5, height: 0.5, width: 0.5 };
    let cut = sources(Change { crop, ..Change::NONE }, 8);
    near(cut[7 * 8], (3.25, 3.75));
    near(cut[8 + 1], (0.25, 4.25));
    let zoomed = sources(Change { crop, zoom: (1.0, 0.5), ..Change::NONE }, 8);
    near(zoomed[8 + 1], (0.25, 3.5 + 0.375));
    let flipped = sources(Change { crop, horizontal_flip: true, ..Change::NONE }, 8);
    near(flipped[8 + 6], (0.25, 4.25));
}

#[test]
fn brightness_is_a_factor_that_stops_at_white() {
    let mut target = [9.0; 12];
    let bright = Change { brightness: 1.5, ..Change::NONE };
    bright.apply(&[0, 51, 200, 9, 9, 9, 9, 9, 9, 9, 9, 9], 2, &mut target);
    let expected = [0.0, 0.3, 1.0];
    assert!(target.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{target:?}");
}

#[test]
fn draws_stay_in_range_and_follow_the_address() {
    let augment = Augment {
        rotation_degrees: 30.0,
        shift_rows: 0.1,
        shift_columns: 0.3,
        vertical_flip: true,
        brightness: 0.25,
        random_crop: 0.5,
        ..Augment::default()
    };
    let draw = |epoch, index| Change::draw(&augment, 1, epoch, index);
    assert_eq!(draw(1, 1), draw(1, 1));
    assert_ne!(draw(1, 1), draw(2, 1));
    let draws: Vec<_> = (0..2000).map(|index| draw(1, index)).collect();
    // Each value stays in its range and comes within 2 % of both ends.
    let spans = |value: fn(&Change) -> f32, low: f32, high: f32| {
        let (least, most) = draws
            .iter()
            .map(value)
            .fold((f32::MAX, f32::MIN), |(least, most), v| (least.min(v), most.max(v)));
        let slack = (high - low) / 50.0;
        assert!(least >= low - 1e-6 && least < low + slack, "{least} {low}");
        assert!(most <= high + 1e-6 && most > high - slack, "{most} {high}");
    };
    spans(|d| d.shear.to_degrees(), -10.0, 10.0);
    spans(|d| d.zoom.0, 0.8, 1.2);
    spans(|d| d.zoom.1, 0.8, 1.2);
    spans(|d| d.rotation.to_degrees(), -30.0, 30.0);
    spans(|d| d.shift.0, -0.1, 0.1);
    spans(|d| d.shift.1, -0.3, 0.3);
    spans(|d| d.brightness, 0.75, 1.25);
    spans(|d| d.crop.height * d.crop.width, 0.5, 1.0);
    for flipped in [|d: &&Change| d.horizontal_flip, |d: &&Change| d.vertical_flip] {
        let flips = draws.iter().filter(flipped).count();
        assert!((900..1100).contains(&flips), "{flips}");
    }
    assert_eq!(Change::draw(&Augment::NONE, 1, 1, 1), Change::NONE);
}

#[test]
fn a_new_setting_moves_no_other_draw() {
    let old = Change::draw(&Augment::default(), 5, 2, 9);
    let uniform = Augment { zoom_uniform: true, ..Augment::default() };
    assert_eq!(Change::draw(&uniform, 5, 2, 9), Change { zoom: (old.zoom.0, old.zoom.0), ..old });
    let turned = Augment { rotation_degrees: 20.0, random_crop: 0.3, ..Augment::default() };
    let new = Change::draw(&turned, 5, 2, 9);
    assert_eq!(Change { rotation: old.rotation, crop: Window::WHOLE, ..new }, old);
    assert_eq!(new.border, Border::Nearest);
}

#[test]
fn the_draws_of_a_seed_never_change() {
    // As the first trainer drew them, when there was only shear, zoom and a flip.
    let first = [
        (-0.104_369_43, (1.145_204_9, 0.857_369_5), false),
        (0.094_900_55, (1.007_394_1, 1.025_433_9), true),
        (0.061_032_396, (1.049_609_8, 1.053_441_3), true),
        (0.145_878_45, (0.868_993_6, 1.020_832_8), false),
    ];
    for (index, (shear, zoom, horizontal_flip)) in (0..).zip(first) {
        let expected = Change { shear, zoom, horizontal_flip, ..Change::NONE };
        assert_eq!(Change::draw(&Augment::default(), 1, 2, index), expected);
    }
}
