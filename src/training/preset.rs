//! Named sets of defaults: a recipe says only where it differs.

use serde::Deserialize;
use utoipa::ToSchema;

use super::augmentation::WrittenAugment;
use super::objective::ClassWeights;
use super::optimization::{Optimizer, OptimizerKind, Schedule, ScheduleKind};
use super::recipe::{Augment, Kernels, Recipe};
use super::stopping::EarlyStopping;
use crate::model::architecture::Family;
use crate::nn::backbone;

/// The sets of defaults by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The original study's larger network.
    #[default]
    Original,
    /// A small network of today: see [`modern`].
    Modern,
    /// A pretrained network's features: see [`mobilenet_v4_small`].
    MobilenetV4Small,
}

/// A small network of today: residual blocks with batch normalisation, the mean of each map
/// instead of hidden layers, `AdamW` with a warm-up and a cosine, smoothed labels, the average of
/// the weights; trained on small crops, mixed in pairs, and shown larger pictures afterwards, which
/// takes time: hence not after each epoch.
pub fn modern() -> Recipe {
    Recipe {
        family: Family::Residual,
        conv: vec![32, 64, 128, 192],
        batch_norm: true,
        dense: vec![],
        dropout: vec![0.2],
        image_size: 128,
        train_size: Some(96),
        epochs: 180,
        evaluate_every: 5,
        optimizer: Optimizer {
            kind: OptimizerKind::AdamW,
            weight_decay: Some(0.1),
            ..Optimizer::default()
        },
        learning_rate: 0.002,
        schedule: Schedule { kind: ScheduleKind::Cosine, warmup_epochs: 5, ..Schedule::default() },
        label_smoothing: 0.1,
        ema_decay: 0.995,
        augment: Augment {
            horizontal_flip: true,
            rotation_degrees: 10.0,
            brightness: 0.3,
            random_crop: 0.25,
            mixup: 0.5,
            ..Augment::NONE
        },
        ..Recipe::original()
    }
}

/// A run that is shorter than its preset is evaluated as often as it takes for this many points of its curve.
const POINTS: u32 = 20;

/// One layer over the features of a frozen, pretrained network. Features are computed once for each
/// picture, so there is no augmentation, and an epoch takes milliseconds.
pub fn mobilenet_v4_small() -> Recipe {
    Recipe {
        family: Family::MobilenetV4Small,
        conv: vec![],
        dense: vec![],
        dropout: vec![0.2],
        image_size: backbone::SIZE as u32,
        epochs: 30,
        augment: Augment::NONE,
        ..Recipe::original()
    }
}

/// A recipe as it is written: what is not there is the preset's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRecipe)]
pub struct Written {
    /// Where what is left out comes from.
    #[serde(default)]
    #[schema(default = "original")]
    preset: Preset,
    /// How the convolution blocks are built.
    family: Option<Family>,
    /// Feature maps of each convolution block; none over a pretrained network.
    #[schema(max_items = 8)]
    conv: Option<Vec<u32>>,
    /// Rows and columns of the kernels: 3 or 5, or a list with one of them for each block.
    kernel: Option<Kernels>,
    /// Whether a batch normalisation stands between each convolution and its `ReLU`.
    batch_norm: Option<bool>,
    /// Units of each hidden fully connected layer.
    #[schema(max_items = 4)]
    dense: Option<Vec<u32>>,
    /// Rate of each dropout layer: the last stands before the output layer, the one before it before
    /// the last hidden layer, and so on; further ones between convolution blocks from the deepest up.
    #[schema(max_items = 12)]
    dropout: Option<Vec<f64>>,
    /// Rows and columns of the network's input.
    #[schema(minimum = 8, maximum = 512)]
    image_size: Option<u32>,
    /// Rows and columns of the network's input while training, to which the changed pictures are
    /// scaled; only where maps are averaged. `image_size` by default, and where that is written. Best
    /// where the same power of two divides both, so that maps keep their place in the picture.
    #[schema(minimum = 8, maximum = 512)]
    train_size: Option<u32>,
    /// Passes over the training pictures.
    #[schema(minimum = 1, maximum = 10000)]
    epochs: Option<u32>,
    /// Epochs from one evaluation of the training and the test pictures to the next; the last epoch is
    /// always evaluated. The others are not in the learning curve.
    #[schema(minimum = 1, maximum = 10000)]
    evaluate_every: Option<u32>,
    /// Pictures per step.
    #[schema(minimum = 1, maximum = 1024)]
    batch_size: Option<u32>,
    /// How weights are updated; a name alone, as `"adam"`, is taken too.
    optimizer: Option<Optimizer>,
    /// Step size of the optimiser.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    learning_rate: Option<f64>,
    /// How the step size changes; a name alone, as `"cosine"`, is taken too.
    schedule: Option<Schedule>,
    /// How much each class counts.
    class_weights: Option<ClassWeights>,
    /// The probability that is spread over all classes alike.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    label_smoothing: Option<f64>,
    /// The network that is evaluated and published is the exponential moving average of those after
    /// each step: what it keeps of itself in a step, or 0 for the network after the last step.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    ema_decay: Option<f64>,
    /// When to end before the last epoch.
    early_stopping: Option<EarlyStopping>,
    /// Random changes of the training pictures; what is left out of them is the preset's, too.
    augment: Option<WrittenAugment>,
    /// Share of the training pictures that is trained on: the same ones for every seed, alike in each
    /// class, and those of a smaller share are among those of a larger one.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    train_fraction: Option<f64>,
}

impl From<Written> for Recipe {
    fn from(written: Written) -> Self {
        let base = match written.preset {
            Preset::Original => Recipe::original(),
            Preset::Modern => modern(),
            Preset::MobilenetV4Small => mobilenet_v4_small(),
        };
        let epochs = written.epochs.unwrap_or(base.epochs);
        // A short run of a preset is no mistake of the one who wrote only the epochs.
        let warmup_epochs = base.schedule.warmup_epochs.min(epochs.saturating_sub(1));
        let schedule = Schedule { warmup_epochs, ..base.schedule };
        // Evaluated as seldom as the preset, its curve would have few points.
        let evaluate_every = base.evaluate_every.min((epochs / POINTS).max(1));
        // Nor is another size, or a network that has none of its own for training.
        let keeps_size = written.image_size.is_none() && written.family.is_none();
        Self {
            family: written.family.unwrap_or(base.family),
            conv: written.conv.unwrap_or(base.conv),
            kernel: written.kernel.unwrap_or(base.kernel),
            batch_norm: written.batch_norm.unwrap_or(base.batch_norm),
            dense: written.dense.unwrap_or(base.dense),
            dropout: written.dropout.unwrap_or(base.dropout),
            image_size: written.image_size.unwrap_or(base.image_size),
            train_size: written.train_size.or(base.train_size.filter(|_| keeps_size)),
            epochs,
            evaluate_every: written.evaluate_every.unwrap_or(evaluate_every),
            batch_size: written.batch_size.unwrap_or(base.batch_size),
            optimizer: written.optimizer.unwrap_or(base.optimizer),
            learning_rate: written.learning_rate.unwrap_or(base.learning_rate),
            schedule: written.schedule.unwrap_or(schedule),
            class_weights: written.class_weights.unwrap_or(base.class_weights),
            label_smoothing: written.label_smoothing.unwrap_or(base.label_smoothing),
            ema_decay: written.ema_decay.unwrap_or(base.ema_decay),
            early_stopping: written.early_stopping.or(base.early_stopping),
            augment: written.augment.map_or(base.augment, |augment| augment.over(base.augment)),
            train_fraction: written.train_fraction.unwrap_or(base.train_fraction),
        }
    }
}
