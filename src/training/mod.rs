//! Recipe, trainer, augmentation, metrics, learning curve.

pub mod augmentation;
pub mod checkpoint;
pub mod curve;
pub mod image_set;
pub mod metrics;
pub mod recipe;
pub mod trainer;

pub use checkpoint::CheckpointError;
pub use image_set::{ImageSet, ImageSetError};
pub use metrics::{ConfusionMatrix, Evaluation};
pub use recipe::{Augment, Optimizer, Recipe};
pub use trainer::{BatchProgress, EpochSummary, Observer, Outcome, Setup, Trainer, TrainingError};
