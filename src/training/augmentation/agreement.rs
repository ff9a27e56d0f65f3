//! Agreement with Keras and keras-preprocessing on the cases of `tests/fixtures/augmentation/make`.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Augment, Change, Fill};
use crate::nn::sampling::{Affine, Sampling, sample};

/// Largest difference of a number, on a scale of 0 to 255: the fixture has two decimals, and our
/// places are `f32` where `SciPy`'s are `f64`.
const TOLERANCE: f32 = 0.02;

#[derive(Deserialize)]
struct Fixture {
    pictures: HashMap<usize, Vec<u8>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    peer: String,
    /// What the peer adds to `size / 2` for the centre.
    centre: f32,
    size: usize,
    expected: Vec<f32>,
    #[serde(default)]
    shear: f32,
    #[serde(default = "one_by_one")]
    zoom: (f32, f32),
    #[serde(default)]
    theta: f32,
    #[serde(default)]
    shift: (f32, f32),
    #[serde(default)]
    horizontal_flip: bool,
    #[serde(default)]
    vertical_flip: bool,
    brightness: Option<f32>,
    #[serde(default)]
    fill: Fill,
    #[serde(default)]
    fill_value: f64,
}

fn one_by_one() -> (f32, f32) {
    (1.0, 1.0)
}

impl Case {
    fn change(&self) -> Change {
        let settings = Augment { fill: self.fill, fill_value: self.fill_value, ..Augment::NONE };
        Change {
            shear: self.shear.to_radians(),
            zoom: self.zoom,
            rotation: self.theta.to_radians(),
            shift: self.shift,
            horizontal_flip: self.horizontal_flip,
            vertical_flip: self.vertical_flip,
            brightness: self.brightness.unwrap_or(1.0),
            border: settings.border(),
            ..Change::NONE
        }
    }

    /// The changed picture on a scale of 0 to 255, turned about the peer's centre.
    fn apply(&self, picture: &[u8]) -> Vec<f32> {
        let mut target = vec![9.0; picture.len()];
        let change = self.change();
        // Ours is half a pixel before the middle of the outer edges, as Keras' is.
        let off = self.centre + 0.5;
        if off == 0.0 {
            change.apply(picture, self.size, &mut target);
        } else {
            let unflipped = Change { horizontal_flip: false, vertical_flip: false, ..change };
            let flips = Change {
                horizontal_flip: change.horizontal_flip,
                vertical_flip: change.vertical_flip,
                ..Change::NONE
            };
            let map = Affine::shift(off, off)
                .after(unflipped.map(self.size))
                .after(Affine::shift(-off, -off))
                .after(flips.map(self.size));
            let sampling = Sampling { map, border: change.border, gain: change.brightness };
            sample(picture, self.size, &sampling, &mut target);
        }
        target.iter().map(|number| number * 255.0).collect()
    }

    /// The range in which ours may lie above the peer's: with brightness, Keras cuts to whole
    /// numbers before and after the factor.
    fn allowed(&self) -> std::ops::RangeInclusive<f32> {
        let cut = self.brightness.map_or(0.0, |factor| factor + 1.0);
        -TOLERANCE..=TOLERANCE + cut
    }
}

#[test]
fn pictures_agree_with_keras_and_keras_preprocessing() {
    let text = include_str!("../../../tests/fixtures/augmentation/cases.json");
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    assert_eq!(fixture.cases.len(), 39);
    for case in &fixture.cases {
        let found = case.apply(&fixture.pictures[&case.size]);
        for (at, (found, expected)) in found.iter().zip(&case.expected).enumerate() {
            let off = found - expected;
            assert!(
                case.allowed().contains(&off),
                "{} {:?}: number {at} is {found}, not {expected}",
                case.peer,
                case.change()
            );
        }
    }
}
