//! Training: a plain function of pictures, recipe, seed and an observer, with no I/O.
//!
//! The result is the same bits for any number of threads, and for a run that was stopped after any
//! epoch and resumed from its checkpoint.

mod epoch;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::checkpoint::{CheckpointError, State};
use super::image_set::ImageSet;
use super::metrics::Evaluation;
use super::recipe::Recipe;
use super::stopping::Best;
use crate::db::Sha256;
use crate::model::architecture::{Family, FieldError};
use crate::model::gradient::Workspace;
use crate::model::network::Network;
use crate::nn::init::Initializer;
use crate::nn::optimizer::Moments;

/// Everything but the pictures that decides a run's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setup {
    /// The network and how it is trained.
    pub recipe: Recipe,
    /// Classes of the snapshot.
    pub classes: usize,
    /// Seed of initial weights, order, dropout and augmentation.
    pub seed: u64,
    /// Names the pictures, such as the snapshot's id: a checkpoint is not resumed on others.
    pub data: String,
    /// The weights file of the pretrained network whose features the pictures are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<Sha256>,
}

/// How an evaluated epoch went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EpochSummary {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Accuracy counted while training: dropout on, pictures augmented, weights changing.
    pub running_accuracy: f64,
    /// Accuracy on the training pictures after the epoch, in evaluation mode.
    pub train_accuracy: f64,
    /// Mean cross-entropy on the training pictures after the epoch, in nats.
    pub train_loss: f64,
    /// Accuracy on the test pictures after the epoch.
    pub test_accuracy: f64,
    /// Mean cross-entropy on the test pictures after the epoch, in nats.
    pub test_loss: f64,
    /// Wall-clock seconds, evaluation included.
    pub seconds: f64,
    /// The optimiser's step size at the end of the epoch; `None` where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchProgress {
    /// The epoch in progress, from 1.
    pub epoch: u32,
    /// Epochs in all.
    pub epochs: u32,
    /// Batches of this epoch that are done.
    pub batch: usize,
    /// Batches in each epoch.
    pub batches: usize,
}

/// Watches a run and may stop it.
pub trait Observer {
    /// Called after each batch; `Break` cancels the run at once.
    fn batch(&mut self, progress: BatchProgress) -> ControlFlow<()> {
        let _ = progress;
        ControlFlow::Continue(())
    }

    /// Called after each epoch, when [`Trainer::checkpoint`] gives the state, with how it went where
    /// it was evaluated; `Break` cancels.
    fn epoch(&mut self, summary: Option<&EpochSummary>, trainer: &Trainer) -> ControlFlow<()> {
        let _ = (summary, trainer);
        ControlFlow::Continue(())
    }
}

/// Watches nothing.
impl Observer for () {}

/// What a finished run gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The evaluated epochs that this call ran; earlier ones are where their checkpoint was stored.
    pub epochs: Vec<EpochSummary>,
    /// The final network on the training pictures.
    pub train: Evaluation,
    /// The final network on the test pictures.
    pub test: Evaluation,
    /// The epoch whose weights the final network has.
    pub best_epoch: u32,
    /// Whether the run ended before its last epoch because it no longer got better.
    pub stopped_early: bool,
}

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TrainingError {
    /// The recipe breaks rules.
    #[error("the recipe is not valid: {}", .0.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
    Recipe(Vec<FieldError>),
    /// The pictures do not fit the recipe.
    #[error("{0}")]
    Data(String),
    /// Loss or weights are NaN or infinite.
    #[error(
        "the loss is not finite in epoch {epoch}, step {step}; try a lower learning_rate, or a schedule with warm-up"
    )]
    NonFiniteLoss {
        /// From 1.
        epoch: u32,
        /// Steps of the run so far.
        step: u64,
    },
    /// The observer said so.
    #[error("cancelled")]
    Cancelled,
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl TrainingError {
    /// The stable machine code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Recipe(_) => "invalid_recipe",
            Self::Data(_) => "invalid_data",
            Self::NonFiniteLoss { .. } => "non_finite_loss",
            Self::Cancelled => "cancelled",
            Self::Checkpoint(_) => "invalid_checkpoint",
        }
    }
}

/// A run in progress.
#[derive(Debug)]
pub struct Trainer {
    setup: Setup,
    state: State,
    workspace: Workspace,
    /// Set while the weights stand between two epochs' ends.
    inside_epoch: bool,
}

impl Trainer {
    /// A run at its start.
    ///
    /// # Errors
    /// [`TrainingError::Recipe`] when the recipe or the number of classes breaks a rule.
    pub fn new(setup: Setup) -> Result<Self, TrainingError> {
        setup.recipe.validate_for(setup.classes).map_err(TrainingError::Recipe)?;
        let architecture = setup.recipe.architecture(setup.classes);
        // Glorot's limits are the original study's; He's are made for deep networks of `ReLU`s.
        let initializer = match architecture.family {
            Family::Plain | Family::MobilenetV4Small => Initializer::GlorotUniform,
            Family::Residual => Initializer::HeUniform,
        };
        let mut network = Network::new(&architecture, initializer, setup.seed);
        let rule = setup.recipe.optimizer.rule();
        let moments = network.variables().iter().zip(network.roles()).map(|(variable, role)| {
            if role.is_trained() { rule.moments(variable.data.len()) } else { Moments::default() }
        });
        let moments = moments.collect();
        network.resize(setup.recipe.training_size() as usize);
        let workspace = Workspace::new(&network, setup.recipe.batch_size as usize);
        network.resize(setup.recipe.image_size as usize);
        let average = (setup.recipe.ema_decay > 0.0).then(|| network.clone());
        let state = State { network, average, moments, epoch: 0, step: 0, best: None };
        Ok(Self { setup, state, workspace, inside_epoch: false })
    }

    /// A run continued from [`Trainer::checkpoint`]; it ends in the same bits as an undisturbed one.
    ///
    /// # Errors
    /// [`TrainingError::Checkpoint`] when the bytes are broken or belong to another run.
    pub fn resume(setup: Setup, checkpoint: &[u8]) -> Result<Self, TrainingError> {
        let mut trainer = Self::new(setup)?;
        trainer.state = trainer.state.open(checkpoint, &trainer.setup)?;
        Ok(trainer)
    }

    /// The complete state as bytes, or `None` when the run was stopped inside an epoch.
    pub fn checkpoint(&self) -> Option<Vec<u8>> {
        (!self.inside_epoch).then(|| self.state.save(&self.setup))
    }

    /// Epochs that are complete.
    pub fn epoch(&self) -> u32 {
        self.state.epoch
    }

    /// The network as it stands: the average, where the recipe asks for one.
    pub fn network(&self) -> &Network {
        self.state.published()
    }

    /// Gives up the network, to be bundled.
    pub fn into_network(self) -> Network {
        self.state.average.unwrap_or(self.state.network)
    }

    /// Trains the epochs that are left and evaluates.
    ///
    /// # Errors
    /// When the pictures do not fit, the loss is not finite, or the observer cancels.
    pub fn run(
        &mut self,
        train: &ImageSet,
        test: &ImageSet,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, TrainingError> {
        self.check(train, "training")?;
        self.check(test, "test")?;
        if self.inside_epoch {
            return Err(TrainingError::Cancelled);
        }
        let (mut epochs, mut last) = (Vec::new(), None);
        while self.state.epoch < self.setup.recipe.epochs && !self.has_waited() {
            let evaluated = self.run_epoch(train, test, observer)?;
            if let Some((summary, _)) = &evaluated {
                self.remember(summary.test_loss);
            }
            let flow = observer.epoch(evaluated.as_ref().map(|(summary, _)| summary), self);
            if let Some((summary, evaluations)) = evaluated {
                epochs.push(summary);
                last = Some(evaluations);
            }
            if flow.is_break() {
                return Err(TrainingError::Cancelled);
            }
        }
        let best_epoch = self.restore();
        let last = last.filter(|_| best_epoch == self.state.epoch);
        let evaluate = |set| Evaluation::of(self.network(), set);
        let (train, test) = last.unwrap_or_else(|| (evaluate(train), evaluate(test)));
        let stopped_early = self.state.epoch < self.setup.recipe.epochs;
        Ok(Outcome { epochs, train, test, best_epoch, stopped_early })
    }

    /// Whether the last better epoch lies as far back as the recipe is patient, where that was looked at.
    fn has_waited(&self) -> bool {
        if !self.setup.recipe.evaluates(self.state.epoch) {
            return false;
        }
        let patience = self.setup.recipe.early_stopping.map(|stopping| stopping.patience);
        let best = self.state.best.as_ref().map(|best| best.epoch);
        patience.zip(best).is_some_and(|(patience, best)| self.state.epoch - best >= patience)
    }

    /// Keeps what early stopping needs of the epoch that has just been evaluated.
    fn remember(&mut self, loss: f64) {
        let Some(stopping) = self.setup.recipe.early_stopping else { return };
        let best = self.state.best.as_ref();
        if best.is_none_or(|best| best.beaten_by(loss, stopping.min_delta)) {
            let data = || self.network().variables().iter().map(|v| v.data.clone()).collect();
            let variables = stopping.restore_best.then(data);
            self.state.best = Some(Best { epoch: self.state.epoch, loss, variables });
        }
    }

    /// Puts the best epoch's weights back, where the recipe asks for it; gives the epoch whose
    /// weights the network then has.
    fn restore(&mut self) -> u32 {
        let State { network, average, best, epoch, .. } = &mut self.state;
        let network = average.as_mut().unwrap_or(network);
        let Some(Best { epoch: best_epoch, variables: Some(variables), .. }) = best else {
            return *epoch;
        };
        for (variable, data) in network.variables_mut().iter_mut().zip(variables) {
            variable.data.clone_from(data);
        }
        *best_epoch
    }

    fn check(&self, set: &ImageSet, name: &str) -> Result<(), TrainingError> {
        let size = self.setup.recipe.image_size as usize;
        let problem = if set.is_empty() {
            format!("there are no {name} pictures")
        } else if set.size() != size {
            format!("the {name} pictures have size {}, not {size}", set.size())
        } else if set.input_len() != self.state.network.architecture().input_len() {
            format!(
                "the network takes features where the {name} set has pixels, or the other way round"
            )
        } else if set.labels().iter().any(|label| *label as usize >= self.setup.classes) {
            format!("a {name} picture's label is not one of {} classes", self.setup.classes)
        } else {
            return Ok(());
        };
        Err(TrainingError::Data(problem))
    }
}

#[cfg(test)]
mod tests;
