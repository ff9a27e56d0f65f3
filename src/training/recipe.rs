//! What a training run is asked to do: the network and how it is trained.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::augmentation::Augment;
use crate::model::architecture::{Architecture, FieldError};

/// How weights are updated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam with Keras' defaults.
    #[default]
    Adam,
}

/// A network and how it is trained; the defaults are the original study's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Feature maps of each block of convolution 3×3, `ReLU` and 2×2 max pooling.
    #[schema(min_items = 1, max_items = 6)]
    pub conv: Vec<u32>,
    /// Units of each hidden fully connected layer.
    #[schema(max_items = 4)]
    pub dense: Vec<u32>,
    /// Rate of each dropout layer: the last stands before the output layer, the one before it after
    /// the convolutions, further ones between convolution blocks from the deepest up.
    #[schema(max_items = 7)]
    pub dropout: Vec<f64>,
    /// Rows and columns of the network's input.
    #[schema(minimum = 8, maximum = 512)]
    pub image_size: u32,
    /// Passes over the training pictures.
    #[schema(minimum = 1, maximum = 10000)]
    pub epochs: u32,
    /// Pictures per step.
    #[schema(minimum = 1, maximum = 1024)]
    pub batch_size: u32,
    /// How weights are updated.
    pub optimizer: Optimizer,
    /// Step size of the optimiser.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub learning_rate: f64,
    /// Random changes of the training pictures.
    pub augment: Augment,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            conv: vec![32, 64, 128],
            dense: vec![64],
            dropout: vec![0.5],
            image_size: 150,
            epochs: 20,
            batch_size: 32,
            optimizer: Optimizer::Adam,
            learning_rate: 0.001,
            augment: Augment::default(),
        }
    }
}

/// The original study's four networks by name: two or three blocks, one or two dropout layers.
pub fn originals() -> [(&'static str, Recipe); 4] {
    let recipe = |conv: &[u32], dropout: &[f64]| Recipe {
        conv: conv.to_vec(),
        dropout: dropout.to_vec(),
        ..Recipe::default()
    };
    [
        ("32-64, one dropout", recipe(&[32, 64], &[0.5])),
        ("32-64, two dropouts", recipe(&[32, 64], &[0.25, 0.5])),
        ("32-64-128, one dropout", recipe(&[32, 64, 128], &[0.5])),
        ("32-64-128, two dropouts", recipe(&[32, 64, 128], &[0.25, 0.5])),
    ]
}

impl Recipe {
    /// The network that this recipe trains for `classes` classes.
    pub fn architecture(&self, classes: usize) -> Architecture {
        let wide = |units: &[u32]| units.iter().map(|units| *units as usize).collect();
        Architecture {
            image_size: self.image_size as usize,
            conv: wide(&self.conv),
            dense: wide(&self.dense),
            dropout: self.dropout.clone(),
            classes,
        }
    }

    /// Checks every limit; the number of classes is the snapshot's and is checked with it.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = self.architecture(2).check().err().unwrap_or_default();
        let mut require = |holds: bool, field: &str, message: &str| {
            if !holds {
                errors.push(FieldError::new(field, message));
            }
        };
        require((1..=10_000).contains(&self.epochs), "epochs", "must be between 1 and 10000");
        require((1..=1024).contains(&self.batch_size), "batch_size", "must be between 1 and 1024");
        let rate = self.learning_rate;
        require(rate > 0.0 && rate <= 1.0, "learning_rate", "must be above 0 and at most 1");
        errors.extend(self.augment.check());
        // A batch's pictures and feature maps are resident at once.
        let pixels = u64::from(self.batch_size) * u64::from(self.image_size).pow(2);
        let maps = u64::from(self.conv.iter().copied().max().unwrap_or(0));
        let resident = pixels.saturating_mul(maps.max(12));
        if errors.is_empty() && resident > MAX_BATCH_NUMBERS {
            let message = "too large for pictures and maps of this size";
            errors.push(FieldError::new("batch_size", message));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Bounds the feature maps of a batch to a few gigabytes.
const MAX_BATCH_NUMBERS: u64 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: fn(&mut Recipe)) -> Vec<String> {
        let mut recipe = Recipe::default();
        change(&mut recipe);
        recipe.validate().unwrap_err().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn an_empty_object_is_the_default_and_the_originals_are_valid() {
        let recipe: Recipe = serde_json::from_str("{}").unwrap();
        assert_eq!(recipe, Recipe::default());
        for (name, recipe) in originals() {
            assert_eq!(recipe.validate(), Ok(()), "{name}");
        }
    }

    #[test]
    fn unknown_fields_and_optimizers_are_refused() {
        assert!(serde_json::from_str::<Recipe>(r#"{"epoch": 3}"#).is_err());
        assert!(serde_json::from_str::<Recipe>(r#"{"optimizer": "sgd"}"#).is_err());
        assert!(serde_json::from_str::<Recipe>(r#"{"augment": {"shear": 1}}"#).is_err());
    }

    #[test]
    fn every_rule_names_its_field() {
        assert_eq!(refused(|r| r.epochs = 0), ["epochs"]);
        assert_eq!(refused(|r| r.epochs = 10_001), ["epochs"]);
        assert_eq!(refused(|r| r.batch_size = 0), ["batch_size"]);
        assert_eq!(refused(|r| r.dropout[0] = 1.0), ["dropout[0]"]);
        assert_eq!(refused(|r| r.dropout[0] = f64::NAN), ["dropout[0]"]);
        for rate in
            [|r: &mut Recipe| r.learning_rate = f64::NAN, |r: &mut Recipe| r.learning_rate = 0.0]
        {
            assert_eq!(refused(rate), ["learning_rate"]);
        }
        assert_eq!(refused(|r| r.learning_rate = 1e9), ["learning_rate"]);
        assert_eq!(refused(|r| r.image_size = 20), ["image_size"]);
        assert_eq!(refused(|r| r.image_size = 0), ["image_size"]);
        let wide = |r: &mut Recipe| (r.batch_size, r.image_size) = (1024, 512);
        assert_eq!(refused(wide), ["batch_size"]);
        assert_eq!(refused(|r| r.conv = vec![]), ["conv"]);
        assert_eq!(refused(|r| r.conv[2] = 1_000_000), ["conv[2]"]);
        assert_eq!(refused(|r| r.augment.zoom = 1.0), ["augment.zoom"]);
        assert_eq!(refused(|r| r.augment.shear_degrees = -1.0), ["augment.shear_degrees"]);
        let both = |r: &mut Recipe| (r.epochs, r.batch_size) = (0, 0);
        assert_eq!(refused(both), ["epochs", "batch_size"]);
    }
}
