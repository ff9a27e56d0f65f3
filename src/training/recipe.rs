//! What a training run is asked to do: the network and how it is trained.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::augmentation::Augment;
use super::objective::ClassWeights;
use super::optimization::{Optimizer, Schedule};
use super::preset::Written;
use super::stopping::EarlyStopping;
use crate::model::architecture::{Architecture, Family, FieldError};

/// Rows and columns of the convolution kernels: one number, or one for each block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "3, 5 or a list with one of them for each block")]
pub enum Kernels {
    /// The same for each block.
    All(u32),
    /// For each block its own.
    Each(Vec<u32>),
}

/// A network and how it is trained. What a written recipe leaves out is the original study's, or
/// with `"preset": "modern"` a small network's of today.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(from = "Written")]
pub struct Recipe {
    /// How the convolution blocks are built.
    pub family: Family,
    /// Feature maps of each convolution block; none over a pretrained network.
    #[schema(max_items = 8)]
    pub conv: Vec<u32>,
    /// Rows and columns of the kernels: 3 or 5, or a list with one of them for each block.
    pub kernel: Kernels,
    /// Whether a batch normalisation stands between each convolution and its `ReLU`.
    pub batch_norm: bool,
    /// Units of each hidden fully connected layer.
    #[schema(max_items = 4)]
    pub dense: Vec<u32>,
    /// Rate of each dropout layer: the last stands before the output layer, the one before it before
    /// the last hidden layer, and so on; further ones between convolution blocks from the deepest up.
    #[schema(max_items = 12)]
    pub dropout: Vec<f64>,
    /// Rows and columns of the network's input.
    #[schema(minimum = 8, maximum = 512)]
    pub image_size: u32,
    /// Rows and columns of the network's input while training, to which the changed pictures are
    /// scaled; only where maps are averaged. `image_size` where it is not given. Best where the same
    /// power of two divides both, so that maps keep their place in the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 8, maximum = 512)]
    pub train_size: Option<u32>,
    /// Passes over the training pictures.
    #[schema(minimum = 1, maximum = 10000)]
    pub epochs: u32,
    /// Epochs from one evaluation of the training and the test pictures to the next; the last epoch is
    /// always evaluated. The others are not in the learning curve.
    #[serde(skip_serializing_if = "is_one")]
    #[schema(minimum = 1, maximum = 10000)]
    pub evaluate_every: u32,
    /// Pictures per step.
    #[schema(minimum = 1, maximum = 1024)]
    pub batch_size: u32,
    /// How weights are updated.
    pub optimizer: Optimizer,
    /// Step size of the optimiser.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub learning_rate: f64,
    /// How the step size changes.
    pub schedule: Schedule,
    /// How much each class counts.
    pub class_weights: ClassWeights,
    /// The probability that is spread over all classes alike.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub label_smoothing: f64,
    /// The network that is evaluated and published is the exponential moving average of those after
    /// each step: what it keeps of itself in a step, or 0 for the network after the last step.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub ema_decay: f64,
    /// When to end before the last epoch.
    #[schema(nullable)]
    pub early_stopping: Option<EarlyStopping>,
    /// Random changes of the training pictures.
    pub augment: Augment,
    /// Share of the training pictures that is trained on: the same ones for every seed, alike in each
    /// class, and those of a smaller share are among those of a larger one.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub train_fraction: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self::original()
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
    /// The original study's larger network and its training.
    pub fn original() -> Self {
        Self {
            family: Family::Plain,
            conv: vec![32, 64, 128],
            kernel: Kernels::All(3),
            batch_norm: false,
            dense: vec![64],
            dropout: vec![0.5],
            image_size: 150,
            train_size: None,
            epochs: 20,
            evaluate_every: 1,
            batch_size: 32,
            optimizer: Optimizer::default(),
            learning_rate: 0.001,
            schedule: Schedule::default(),
            class_weights: ClassWeights::default(),
            label_smoothing: 0.0,
            ema_decay: 0.0,
            early_stopping: None,
            augment: Augment::default(),
            train_fraction: 1.0,
        }
    }

    /// The network that this recipe trains for `classes` classes.
    pub fn architecture(&self, classes: usize) -> Architecture {
        let wide = |units: &[u32]| -> Vec<usize> { units.iter().map(|u| *u as usize).collect() };
        let kernel = match &self.kernel {
            Kernels::All(3) => Vec::new(),
            Kernels::All(size) => vec![*size as usize; self.conv.len()],
            Kernels::Each(sizes) => wide(sizes),
        };
        Architecture {
            image_size: self.image_size as usize,
            family: self.family,
            conv: wide(&self.conv),
            kernel,
            batch_norm: self.batch_norm,
            dense: wide(&self.dense),
            dropout: self.dropout.clone(),
            classes,
        }
    }

    /// The network in few words: `32-64-128`, `residual 32-64`, `mobilenet_v4_small`.
    pub fn network(&self) -> String {
        let maps = self.conv.iter().map(u32::to_string).collect::<Vec<_>>().join("-");
        match self.family {
            Family::Plain if maps.is_empty() => "no convolution".to_owned(),
            Family::Plain => maps,
            Family::Residual => format!("residual {maps}"),
            Family::MobilenetV4Small => "mobilenet_v4_small".to_owned(),
        }
    }

    /// Whether both sides are evaluated after this epoch, counted from 1.
    pub fn evaluates(&self, epoch: u32) -> bool {
        epoch.is_multiple_of(self.evaluate_every) || epoch == self.epochs
    }

    /// Rows and columns of the network's input while training.
    pub fn training_size(&self) -> u32 {
        self.train_size.unwrap_or(self.image_size)
    }

    /// Checks every limit; the number of classes is the snapshot's: see [`Recipe::validate_for`].
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        self.check(2, None)
    }

    /// [`Recipe::validate`] for pictures of `classes` classes.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn validate_for(&self, classes: usize) -> Result<(), Vec<FieldError>> {
        self.check(classes, Some(classes))
    }

    fn check(&self, outputs: usize, classes: Option<usize>) -> Result<(), Vec<FieldError>> {
        let architecture = self.architecture(outputs);
        let mut errors = architecture.check().err().unwrap_or_default();
        self.check_train_size(&architecture, &mut errors);
        let mut require = |holds: bool, field: &str, message: &str| {
            if !holds {
                errors.push(FieldError::new(field, message));
            }
        };
        require((1..=10_000).contains(&self.epochs), "epochs", "must be between 1 and 10000");
        let every = (1..=10_000).contains(&self.evaluate_every);
        require(every, "evaluate_every", "must be between 1 and 10000");
        require((1..=1024).contains(&self.batch_size), "batch_size", "must be between 1 and 1024");
        let rate = self.learning_rate;
        require(rate > 0.0 && rate <= 1.0, "learning_rate", "must be above 0 and at most 1");
        let smoothing = (0.0..1.0).contains(&self.label_smoothing);
        require(smoothing, "label_smoothing", "must be at least 0 and less than 1");
        let average = (0.0..1.0).contains(&self.ema_decay);
        require(average, "ema_decay", "must be at least 0 and less than 1");
        let fraction = self.train_fraction > 0.0 && self.train_fraction <= 1.0;
        require(fraction, "train_fraction", "must be above 0 and at most 1");
        let once = !self.family.is_over_pretrained() || self.augment == Augment::NONE;
        require(once, "augment", "must be none: pretrained features are computed once per picture");
        errors.extend(self.augment.check());
        self.optimizer.check(&mut errors);
        self.schedule.check(self.epochs, &mut errors);
        self.class_weights.check(classes, &mut errors);
        if let Some(stopping) = self.early_stopping {
            stopping.check(&mut errors);
        }
        // A batch's pictures and feature maps are resident at once.
        if errors.is_empty() {
            let trained =
                Architecture { image_size: self.training_size() as usize, ..architecture };
            let numbers = trained.nodes().iter().map(|node| node.output.len() as u64).sum::<u64>();
            if numbers * u64::from(self.batch_size) > MAX_BATCH_NUMBERS {
                let message = "too large for pictures and maps of this size";
                errors.push(FieldError::new("batch_size", message));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Whether the same network can be trained at the size of training.
    fn check_train_size(&self, architecture: &Architecture, errors: &mut Vec<FieldError>) {
        let Some(size) = self.train_size else { return };
        if self.family != Family::Residual {
            let message = "only a residual network, which averages its maps, has it";
            errors.push(FieldError::new("train_size", message));
            return;
        }
        let trained = Architecture { image_size: size as usize, ..architecture.clone() };
        let found = trained.check().err().unwrap_or_default();
        let of_size = found.into_iter().filter(|error| error.field == "image_size");
        errors.extend(of_size.map(|error| FieldError { field: "train_size".to_owned(), ..error }));
    }
}

/// Whether a recipe is written as before there was such a field.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// The same of a count.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(value: &u32) -> bool {
    *value == 1
}

/// Bounds the feature maps of a batch to four gigabytes, and their gradients to as much.
const MAX_BATCH_NUMBERS: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::super::optimization::{OptimizerKind, ScheduleKind};
    use super::super::preset::modern;
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
    fn a_preset_fills_what_a_recipe_leaves_out_and_survives_writing() {
        let read = |text: &str| serde_json::from_str::<Recipe>(text).unwrap();
        let recipe = read(r#"{"preset": "modern", "epochs": 7, "kernel": 3}"#);
        assert_eq!(recipe, Recipe { epochs: 7, evaluate_every: 1, ..modern() });
        assert_eq!(read(r#"{"preset": "modern", "epochs": 60}"#).evaluate_every, 3);
        let seldom = read(r#"{"preset": "modern", "epochs": 60, "evaluate_every": 20}"#);
        assert_eq!((seldom.evaluate_every, seldom.validate()), (20, Ok(())));
        assert_eq!(modern().validate(), Ok(()));
        let small = read(r#"{"preset": "modern", "image_size": 64}"#);
        assert_eq!((small.validate(), small.training_size()), (Ok(()), 64));
        let unmixed = read(r#"{"preset": "modern", "augment": {"mixup": 0}}"#);
        assert_eq!(unmixed.augment, Augment { mixup: 0.0, ..modern().augment });
        let short = read(r#"{"preset": "modern", "epochs": 1}"#);
        assert_eq!((short.validate(), short.schedule.warmup_epochs), (Ok(()), 0));
        assert_eq!(read(r#"{"preset": "mobilenet_v4_small"}"#).validate(), Ok(()));
        for recipe in [recipe, Recipe::default(), read(r#"{"kernel": [5, 3, 3]}"#)] {
            assert_eq!(read(&serde_json::to_string(&recipe).unwrap()), recipe);
        }
    }

    #[test]
    fn unknown_fields_and_optimizers_are_refused() {
        assert!(serde_json::from_str::<Recipe>(r#"{"epoch": 3}"#).is_err());
        assert!(serde_json::from_str::<Recipe>(r#"{"optimizer": "ftrl"}"#).is_err());
        assert!(serde_json::from_str::<Recipe>(r#"{"augment": {"shear": 1}}"#).is_err());
    }

    #[test]
    fn every_rule_names_its_field() {
        assert_eq!(refused(|r| r.epochs = 0), ["epochs"]);
        assert_eq!(refused(|r| r.epochs = 10_001), ["epochs"]);
        assert_eq!(refused(|r| r.evaluate_every = 0), ["evaluate_every"]);
        assert_eq!(refused(|r| r.batch_size = 0), ["batch_size"]);
        assert_eq!(refused(|r| r.dropout[0] = 1.0), ["dropout[0]"]);
        assert_eq!(refused(|r| r.dropout[0] = f64::NAN), ["dropout[0]"]);
        for rate in
            [|r: &mut Recipe| r.learning_rate = f64::NAN, |r: &mut Recipe| r.learning_rate = 0.0]
        {
            assert_eq!(refused(rate), ["learning_rate"]);
        }
        assert_eq!(refused(|r| r.learning_rate = 1e9), ["learning_rate"]);
        assert_eq!(refused(|r| r.ema_decay = 1.0), ["ema_decay"]);
        assert_eq!(refused(|r| r.ema_decay = f64::NAN), ["ema_decay"]);
        assert_eq!(refused(|r| r.image_size = 20), ["image_size"]);
        assert_eq!(refused(|r| r.image_size = 0), ["image_size"]);
        assert_eq!(refused(|r| r.train_size = Some(96)), ["train_size"]);
        for size in [0, 7, 513] {
            let modern = Recipe { train_size: Some(size), ..modern() };
            let errors = modern.validate().unwrap_err();
            assert_eq!((errors.len(), &*errors[0].field), (1, "train_size"));
        }
        let wide = |r: &mut Recipe| (r.batch_size, r.image_size) = (1024, 512);
        assert_eq!(refused(wide), ["batch_size"]);
        assert_eq!(refused(|r| r.conv = vec![]), ["conv"]);
        assert_eq!(refused(|r| r.conv[2] = 1_000_000), ["conv[2]"]);
        assert_eq!(refused(|r| r.augment.zoom = 1.0), ["augment.zoom"]);
        assert_eq!(refused(|r| r.augment.shear_degrees = -1.0), ["augment.shear_degrees"]);
        assert_eq!(refused(|r| r.optimizer.momentum = Some(0.9)), ["optimizer.momentum"]);
        let momentum = |r: &mut Recipe| {
            (r.optimizer.kind, r.optimizer.momentum) = (OptimizerKind::Sgd, Some(1.0));
        };
        assert_eq!(refused(momentum), ["optimizer.momentum"]);
        assert_eq!(refused(|r| r.optimizer.weight_decay = Some(0.1)), ["optimizer.weight_decay"]);
        assert_eq!(refused(|r| r.schedule.warmup_epochs = 20), ["schedule.warmup_epochs"]);
        assert_eq!(refused(|r| r.schedule.kind = ScheduleKind::Step), ["schedule.every"]);
        assert_eq!(refused(|r| r.label_smoothing = 1.0), ["label_smoothing"]);
        assert_eq!(refused(|r| r.train_fraction = 0.0), ["train_fraction"]);
        assert_eq!(refused(|r| r.train_fraction = 1.1), ["train_fraction"]);
        let weights = |r: &mut Recipe| r.class_weights = ClassWeights::Each(vec![1.0, 0.0]);
        assert_eq!(refused(weights), ["class_weights[1]"]);
        let stop = |r: &mut Recipe| {
            let (patience, min_delta, restore_best) = (0, 0.0, true);
            r.early_stopping = Some(EarlyStopping { patience, min_delta, restore_best });
        };
        assert_eq!(refused(stop), ["early_stopping.patience"]);
        let three = Recipe { class_weights: ClassWeights::Each(vec![1.0; 2]), ..Recipe::default() };
        assert_eq!(three.validate_for(3).unwrap_err()[0].field, "class_weights");
        let both = |r: &mut Recipe| (r.epochs, r.batch_size) = (0, 0);
        assert_eq!(refused(both), ["epochs", "batch_size"]);
    }
}
