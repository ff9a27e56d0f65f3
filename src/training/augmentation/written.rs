//! Augmentation as it is written: a part of the settings over those of a preset.

use serde::Deserialize;
use utoipa::ToSchema;

use super::settings::{Augment, Fill};

/// Random changes of the training pictures as they are written: what is not there is the preset's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAugment)]
pub struct WrittenAugment {
    /// Largest shear angle in degrees, both ways; 0 for none.
    #[schema(minimum = 0, maximum = 45)]
    shear_degrees: Option<f64>,
    /// Rows and columns are scaled by independent factors between 1 − zoom and 1 + zoom; one above 1
    /// shrinks the picture.
    #[schema(minimum = 0, maximum = 0.9)]
    zoom: Option<f64>,
    /// Whether rows and columns share one factor of the zoom, which keeps the proportions.
    zoom_uniform: Option<bool>,
    /// Largest rotation in degrees, both ways; 0 for none.
    #[schema(minimum = 0, maximum = 180)]
    rotation_degrees: Option<f64>,
    /// Largest shift up and down, as a fraction of the height; 0 for none.
    #[schema(minimum = 0, maximum = 0.9)]
    shift_rows: Option<f64>,
    /// Largest shift to the left and right, as a fraction of the width; 0 for none.
    #[schema(minimum = 0, maximum = 0.9)]
    shift_columns: Option<f64>,
    /// Whether half the pictures are mirrored.
    horizontal_flip: Option<bool>,
    /// Whether half the pictures are turned upside down.
    vertical_flip: Option<bool>,
    /// Colours are multiplied by a factor between 1 − brightness and 1 + brightness.
    #[schema(minimum = 0, maximum = 0.9)]
    brightness: Option<f64>,
    /// What a changed picture shows outside its border.
    fill: Option<Fill>,
    /// The grey of `constant` fill, from 0 for black to 255 for white.
    #[schema(minimum = 0, maximum = 255)]
    fill_value: Option<f64>,
    /// Smallest share of a picture's area that a random crop keeps, before it is scaled to the full
    /// size; sides are in proportions from 3:4 to 4:3. 0 for no crops.
    #[schema(minimum = 0, maximum = 1)]
    random_crop: Option<f64>,
    /// Pairs of pictures and their labels are mixed in shares drawn from Beta(mixup, mixup); 0 for
    /// no mixing.
    #[schema(minimum = 0, maximum = 10)]
    mixup: Option<f64>,
}

impl WrittenAugment {
    /// These settings, and where nothing is written those of `base`.
    pub fn over(self, base: Augment) -> Augment {
        Augment {
            shear_degrees: self.shear_degrees.unwrap_or(base.shear_degrees),
            zoom: self.zoom.unwrap_or(base.zoom),
            zoom_uniform: self.zoom_uniform.unwrap_or(base.zoom_uniform),
            rotation_degrees: self.rotation_degrees.unwrap_or(base.rotation_degrees),
            shift_rows: self.shift_rows.unwrap_or(base.shift_rows),
            shift_columns: self.shift_columns.unwrap_or(base.shift_columns),
            horizontal_flip: self.horizontal_flip.unwrap_or(base.horizontal_flip),
            vertical_flip: self.vertical_flip.unwrap_or(base.vertical_flip),
            brightness: self.brightness.unwrap_or(base.brightness),
            fill: self.fill.unwrap_or(base.fill),
            fill_value: self.fill_value.unwrap_or(base.fill_value),
            random_crop: self.random_crop.unwrap_or(base.random_crop),
            mixup: self.mixup.unwrap_or(base.mixup),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(base: Augment, text: &str) -> Augment {
        serde_json::from_str::<WrittenAugment>(text).unwrap().over(base)
    }

    #[test]
    fn what_is_written_replaces_its_field_alone() {
        let base = Augment { mixup: 0.3, random_crop: 0.5, ..Augment::default() };
        assert_eq!(over(base, "{}"), base);
        let written = over(base, r#"{"mixup": 0, "vertical_flip": true}"#);
        assert_eq!(written, Augment { mixup: 0.0, vertical_flip: true, ..base });
        // Every field of stored settings is taken back.
        let all = serde_json::to_string(&written).unwrap();
        assert_eq!(over(Augment::NONE, &all), written);
        assert!(serde_json::from_str::<WrittenAugment>(r#"{"crop": 1}"#).is_err());
    }

    #[test]
    fn a_recipe_of_before_keeps_its_meaning() {
        let before = r#"{"shear_degrees": 5, "zoom": 0.1, "horizontal_flip": false}"#;
        let augment = over(Augment::default(), before);
        assert_eq!(augment, Augment { shear_degrees: 5.0, zoom: 0.1, ..Augment::NONE });
        let fills = r#"["nearest", "constant", "reflect", "wrap"]"#;
        let fills: [Fill; 4] = serde_json::from_str(fills).unwrap();
        assert_eq!(fills, [Fill::Nearest, Fill::Constant, Fill::Reflect, Fill::Wrap]);
        assert!(serde_json::from_str::<WrittenAugment>(r#"{"fill": "mirror"}"#).is_err());
    }
}
