//! One epoch: order, batches with the next one prepared meanwhile, and evaluation where it is due.

use std::time::Instant;

use rayon::prelude::*;

use super::{BatchProgress, EpochSummary, Observer, Trainer, TrainingError};
use crate::model::architecture::Role;
use crate::model::gradient::{self, BatchResult, Position};
use crate::nn::batch_norm::MOMENTUM;
use crate::nn::optimizer::Step;
use crate::nn::rng::{Purpose, Stream};
use crate::training::augmentation::{Change, Mixup, mix};
use crate::training::image_set::ImageSet;
use crate::training::metrics::Evaluation;
use crate::training::objective::Objective;
use crate::training::optimization::Progress;
use crate::training::recipe::Augment;

/// A batch ready for the network.
#[derive(Default)]
struct Batch {
    pixels: Vec<f32>,
    /// A row per picture, as the loss wants them.
    targets: Vec<f32>,
}

/// Where an epoch's batches come from.
struct Source<'a> {
    set: &'a ImageSet,
    /// Rows and columns of what the network is given.
    shown: usize,
    augment: Augment,
    seed: u64,
    epoch: u64,
    classes: usize,
    objective: Objective,
}

impl Source<'_> {
    /// The order of the examples in this epoch.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.set.len() as u32).collect();
        Stream::new(self.seed, Purpose::Shuffle, self.epoch, 0).shuffle(&mut order);
        order
    }

    /// Makes the epoch's batch number `number` of these examples.
    fn fill(&self, batch: &mut Batch, number: usize, examples: &[u32]) {
        let size = self.set.size();
        let as_they_are = self.augment == Augment::NONE && self.shown == size;
        let length = if as_they_are { self.set.input_len() } else { self.shown * self.shown * 3 };
        batch.pixels.resize(examples.len() * length, 0.0);
        let pictures = batch.pixels.par_chunks_exact_mut(length).zip(examples);
        pictures.for_each(|(target, index)| {
            if as_they_are {
                self.set.fill(*index as usize, target);
            } else {
                let change = Change::draw(&self.augment, self.seed, self.epoch, u64::from(*index));
                change.apply(self.set.picture(*index as usize), size, target);
            }
        });
        let labels = examples.iter().map(|index| self.set.labels()[*index as usize]);
        let labels: Vec<u32> = labels.collect();
        let (classes, seed, epoch) = (self.classes, self.seed, self.epoch);
        let mixup = Mixup { alpha: self.augment.mixup, classes, seed, epoch };
        batch.targets = mix(&mixup, number as u64, &mut batch.pixels, &labels);
        self.objective.finish(&mut batch.targets);
    }
}

/// What an evaluated epoch gives: how it went, and both sets as the network then sees them.
pub(super) type Evaluated = (EpochSummary, (Evaluation, Evaluation));

impl Trainer {
    /// Runs one epoch and evaluates both sets after it, where the recipe asks for it.
    pub(super) fn run_epoch(
        &mut self,
        train: &ImageSet,
        test: &ImageSet,
        observer: &mut dyn Observer,
    ) -> Result<Option<Evaluated>, TrainingError> {
        let start = Instant::now();
        let epoch = self.state.epoch + 1;
        self.inside_epoch = true;
        let (correct, rate) = self.run_batches(train, observer)?;
        let evaluations = self.setup.recipe.evaluates(epoch).then(|| {
            let evaluate = |set| Evaluation::of(self.network(), set);
            (evaluate(train), evaluate(test))
        });
        let mut weights = self.state.network.variables().iter().flat_map(|v| &v.data);
        let finite = evaluations
            .as_ref()
            .is_none_or(|(train, test)| train.loss.is_finite() && test.loss.is_finite());
        if !finite || !weights.all(|weight| weight.is_finite()) {
            return Err(TrainingError::NonFiniteLoss { epoch, step: self.state.step });
        }
        self.state.epoch = epoch;
        self.inside_epoch = false;
        let Some((trained, tested)) = evaluations else { return Ok(None) };
        let summary = EpochSummary {
            epoch,
            running_accuracy: correct as f64 / train.len() as f64,
            train_accuracy: trained.accuracy,
            train_loss: trained.loss,
            test_accuracy: tested.accuracy,
            test_loss: tested.loss,
            seconds: start.elapsed().as_secs_f64(),
            learning_rate: Some(rate),
        };
        Ok(Some((summary, (trained, tested))))
    }

    /// All batches of the next epoch, at the size of training; gives the number of right answers on
    /// the way and the last learning rate.
    fn run_batches(
        &mut self,
        train: &ImageSet,
        observer: &mut dyn Observer,
    ) -> Result<(usize, f64), TrainingError> {
        self.state.network.resize(self.setup.recipe.training_size() as usize);
        let result = self.run_batches_at_size(train, observer);
        self.state.network.resize(self.setup.recipe.image_size as usize);
        result
    }

    fn run_batches_at_size(
        &mut self,
        train: &ImageSet,
        observer: &mut dyn Observer,
    ) -> Result<(usize, f64), TrainingError> {
        let epoch = self.state.epoch + 1;
        let recipe = &self.setup.recipe;
        let (epochs, size) = (recipe.epochs, recipe.batch_size as usize);
        let (augment, seed) = (recipe.augment, self.setup.seed);
        let shown = recipe.training_size() as usize;
        let classes = self.setup.classes;
        let objective =
            Objective::new(classes, recipe.label_smoothing, &recipe.class_weights, train.labels());
        let (schedule, base) = (recipe.schedule, recipe.learning_rate);
        let source = Source {
            set: train,
            shown,
            augment,
            seed,
            epoch: u64::from(epoch),
            classes,
            objective,
        };
        let order = source.order();
        let parts: Vec<&[u32]> = order.chunks(size).collect();
        let (mut current, mut next) = (Batch::default(), Batch::default());
        source.fill(&mut current, 0, parts[0]);
        let (mut correct, mut rate) = (0, base);
        for at in 0..parts.len() {
            let example = (at * size) as u64;
            let position = Position { seed, epoch: u64::from(epoch), example };
            let prepare = || {
                if let Some(part) = parts.get(at + 1) {
                    source.fill(&mut next, at + 1, part);
                }
            };
            let done = Progress { epochs, epoch: epoch - 1, batch: at, batches: parts.len() };
            rate = base * schedule.factor(done);
            let (result, ()) = rayon::join(|| self.step(&current, position, rate), prepare);
            if !result.loss.is_finite() {
                return Err(TrainingError::NonFiniteLoss { epoch, step: self.state.step });
            }
            correct += result.correct;
            std::mem::swap(&mut current, &mut next);
            let progress = BatchProgress { epoch, epochs, batch: at + 1, batches: parts.len() };
            if observer.batch(progress).is_break() {
                return Err(TrainingError::Cancelled);
            }
        }
        Ok((correct, rate))
    }

    /// One batch: gradients, then the optimiser's update.
    fn step(&mut self, batch: &Batch, position: Position, rate: f64) -> BatchResult {
        let state = &mut self.state;
        let input = gradient::Batch { pixels: &batch.pixels, targets: &batch.targets };
        let result = self.workspace.run(&state.network, input, position);
        state.step += 1;
        if result.loss.is_finite() {
            let step = Step::new(self.setup.recipe.optimizer.rule(), state.step, rate);
            let roles = state.network.roles().to_vec();
            let variables = state.network.variables_mut().iter_mut().zip(&mut state.moments);
            let variables = variables.zip(&self.workspace.gradients).zip(roles);
            for (((variable, moments), gradient), role) in variables {
                if role.is_trained() {
                    let decays = matches!(role, Role::Weight(_));
                    step.update(&mut variable.data, moments, gradient, decays);
                } else {
                    for (running, found) in variable.data.iter_mut().zip(gradient) {
                        *running = MOMENTUM * *running + (1.0 - MOMENTUM) * found;
                    }
                }
            }
            state.follow(self.setup.recipe.ema_decay);
        }
        result
    }
}
