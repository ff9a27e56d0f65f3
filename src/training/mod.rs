//! Recipe, trainer, augmentation, metrics; evaluation, comparison and pictures of runs.

pub mod augmentation;
pub mod changes;
pub mod checkpoint;
pub mod comparison;
mod csv;
mod epoch;
pub mod evaluation;
pub mod experiment;
pub mod features;
pub mod grid;
pub mod image_set;
pub mod metrics;
pub mod objective;
pub mod optimization;
mod order;
pub mod pictures;
pub mod plot;
mod prediction;
pub mod preset;
pub mod preview;
pub mod publication;
pub mod recipe;
mod run;
pub mod share;
pub mod stopping;
pub mod trainer;

pub use checkpoint::CheckpointError;
pub use image_set::{ImageSet, ImageSetError};
pub use metrics::{ConfusionMatrix, Evaluation};
pub use objective::ClassWeights;
pub use optimization::{Optimizer, Schedule};
pub use order::RunOrder;
pub use preset::{mobilenet_v4_small, modern};
pub use publication::TRANSFORM;
pub use recipe::{Augment, Kernels, Recipe, originals};
pub use stopping::EarlyStopping;
pub use trainer::{BatchProgress, EpochSummary, Observer, Outcome, Setup, Trainer, TrainingError};

pub use self::epoch::{insert as insert_epoch, list as list_epochs};
pub use self::prediction::{
    Confusion, PredictedImage, Prediction, PredictionFilter, confusion, list as list_predictions,
    of as predictions, split as split_predictions,
};
pub use self::run::{
    Learnt, NewRun, RunFilter, TRAIN, TrainingRun, advance, cancel, fail, fail_waiting, find,
    finish, insert, list, pictures_to_see, release, requeue, restart, set_checkpoint, start,
    train_task,
};
pub use experiment::Experiment;
