//! The settings of augmentation, and their limits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::architecture::FieldError;
use crate::nn::sampling::Border;

/// What a changed picture shows outside its border.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The nearest pixel of the border.
    #[default]
    Nearest,
    /// One grey, `fill_value`.
    Constant,
    /// The mirror image.
    Reflect,
    /// The picture again.
    Wrap,
}

/// Random changes of the training pictures, drawn anew each epoch.
///
/// Shear, zoom, rotation, shifts, flips, brightness and fill are those of Keras'
/// `ImageDataGenerator`; mixup is that of Zhang et al. 2018, with one share for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Augment {
    /// Largest shear angle in degrees, both ways; 0 for none.
    #[schema(minimum = 0, maximum = 45)]
    pub shear_degrees: f64,
    /// Rows and columns are scaled by independent factors between 1 − zoom and 1 + zoom; one above 1
    /// shrinks the picture.
    #[schema(minimum = 0, maximum = 0.9)]
    pub zoom: f64,
    /// Whether rows and columns share one factor of the zoom, which keeps the proportions.
    pub zoom_uniform: bool,
    /// Largest rotation in degrees, both ways; 0 for none.
    #[schema(minimum = 0, maximum = 180)]
    pub rotation_degrees: f64,
    /// Largest shift up and down, as a fraction of the height; 0 for none.
    #[schema(minimum = 0, maximum = 0.9)]
    pub shift_rows: f64,
    /// Largest shift to the left and right, as a fraction of the width; 0 for none.
    #[schema(minimum = 0, maximum = 0.9)]
    pub shift_columns: f64,
    /// Whether half the pictures are mirrored.
    pub horizontal_flip: bool,
    /// Whether half the pictures are turned upside down.
    pub vertical_flip: bool,
    /// Colours are multiplied by a factor between 1 − brightness and 1 + brightness.
    #[schema(minimum = 0, maximum = 0.9)]
    pub brightness: f64,
    /// What a changed picture shows outside its border.
    pub fill: Fill,
    /// The grey of `constant` fill, from 0 for black to 255 for white.
    #[schema(minimum = 0, maximum = 255)]
    pub fill_value: f64,
    /// Smallest share of a picture's area that a random crop keeps, before it is scaled to the full
    /// size; sides are in proportions from 3:4 to 4:3. 0 for no crops.
    #[schema(minimum = 0, maximum = 1)]
    pub random_crop: f64,
    /// Pairs of pictures and their labels are mixed in shares drawn from Beta(mixup, mixup); 0 for
    /// no mixing.
    #[schema(minimum = 0, maximum = 10)]
    pub mixup: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self { shear_degrees: 10.0, zoom: 0.2, horizontal_flip: true, ..Self::NONE }
    }
}

impl Augment {
    /// No change at all.
    pub const NONE: Self = Self {
        shear_degrees: 0.0,
        zoom: 0.0,
        zoom_uniform: false,
        rotation_degrees: 0.0,
        shift_rows: 0.0,
        shift_columns: 0.0,
        horizontal_flip: false,
        vertical_flip: false,
        brightness: 0.0,
        fill: Fill::Nearest,
        fill_value: 0.0,
        random_crop: 0.0,
        mixup: 0.0,
    };

    /// What lies outside a picture.
    pub fn border(&self) -> Border {
        match self.fill {
            Fill::Nearest => Border::Nearest,
            Fill::Constant => Border::Constant(self.fill_value as f32),
            Fill::Reflect => Border::Reflect,
            Fill::Wrap => Border::Wrap,
        }
    }

    /// Every field that breaks a rule, named as in a recipe: `augment.zoom`.
    pub fn check(&self) -> Vec<FieldError> {
        let limits = [
            ("shear_degrees", self.shear_degrees, 45.0),
            ("zoom", self.zoom, 0.9),
            ("rotation_degrees", self.rotation_degrees, 180.0),
            ("shift_rows", self.shift_rows, 0.9),
            ("shift_columns", self.shift_columns, 0.9),
            ("brightness", self.brightness, 0.9),
            ("fill_value", self.fill_value, 255.0),
            ("random_crop", self.random_crop, 1.0),
            ("mixup", self.mixup, 10.0),
        ];
        let broken = limits.iter().filter(|(_, value, most)| !(0.0..=*most).contains(value));
        let error = |(field, _, most): &(&str, f64, f64)| {
            FieldError::new(format!("augment.{field}"), format!("must be between 0 and {most}"))
        };
        broken.map(error).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_its_field() {
        let wrong = Augment {
            shear_degrees: 45.1,
            zoom: 0.91,
            rotation_degrees: f64::NAN,
            shift_rows: -0.1,
            shift_columns: 1.0,
            brightness: 1.0,
            fill_value: 256.0,
            random_crop: 1.1,
            mixup: f64::INFINITY,
            ..Augment::NONE
        };
        let fields: Vec<_> = wrong.check().into_iter().map(|error| error.field).collect();
        let names = [
            "shear_degrees",
            "zoom",
            "rotation_degrees",
            "shift_rows",
            "shift_columns",
            "brightness",
            "fill_value",
            "random_crop",
            "mixup",
        ];
        assert_eq!(fields, names.map(|name| format!("augment.{name}")));
        assert_eq!(wrong.check()[1].message, "must be between 0 and 0.9");
        assert!(Augment::default().check().is_empty() && Augment::NONE.check().is_empty());
    }
}
