//! Named sets of defaults: a recipe says only where it differs.

use serde::Deserialize;
use utoipa::ToSchema;

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
/// instead of hidden layers, `AdamW` with a warm-up and a cosine, smoothed labels.
pub fn modern() -> Recipe {
    Recipe {
        family: Family::Residual,
        conv: vec![32, 64, 128, 192],
        batch_norm: true,
        dense: vec![],
        dropout: vec![0.2],
        image_size: 96,
        epochs: 60,
        optimizer: Optimizer {
            kind: OptimizerKind::AdamW,
            weight_decay: Some(0.05),
            ..Optimizer::default()
        },
        learning_rate: 0.002,
        schedule: Schedule { kind: ScheduleKind::Cosine, warmup_epochs: 3, ..Schedule::default() },
        label_smoothing: 0.1,
        ..Recipe::original()
    }
}

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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    preset: Preset,
    family: Option<Family>,
    conv: Option<Vec<u32>>,
    kernel: Option<Kernels>,
    batch_norm: Option<bool>,
    dense: Option<Vec<u32>>,
    dropout: Option<Vec<f64>>,
    image_size: Option<u32>,
    epochs: Option<u32>,
    batch_size: Option<u32>,
    optimizer: Option<Optimizer>,
    learning_rate: Option<f64>,
    schedule: Option<Schedule>,
    class_weights: Option<ClassWeights>,
    label_smoothing: Option<f64>,
    early_stopping: Option<EarlyStopping>,
    augment: Option<Augment>,
}

impl From<Written> for Recipe {
    fn from(written: Written) -> Self {
        let base = match written.preset {
            Preset::Original => Recipe::original(),
            Preset::Modern => modern(),
            Preset::MobilenetV4Small => mobilenet_v4_small(),
        };
        Self {
            family: written.family.unwrap_or(base.family),
            conv: written.conv.unwrap_or(base.conv),
            kernel: written.kernel.unwrap_or(base.kernel),
            batch_norm: written.batch_norm.unwrap_or(base.batch_norm),
            dense: written.dense.unwrap_or(base.dense),
            dropout: written.dropout.unwrap_or(base.dropout),
            image_size: written.image_size.unwrap_or(base.image_size),
            epochs: written.epochs.unwrap_or(base.epochs),
            batch_size: written.batch_size.unwrap_or(base.batch_size),
            optimizer: written.optimizer.unwrap_or(base.optimizer),
            learning_rate: written.learning_rate.unwrap_or(base.learning_rate),
            schedule: written.schedule.unwrap_or(base.schedule),
            class_weights: written.class_weights.unwrap_or(base.class_weights),
            label_smoothing: written.label_smoothing.unwrap_or(base.label_smoothing),
            early_stopping: written.early_stopping.or(base.early_stopping),
            augment: written.augment.unwrap_or(base.augment),
        }
    }
}
