//! One epoch: order, batches with the next one prepared meanwhile, and evaluation.

use std::time::Instant;

use rayon::prelude::*;

use super::{BatchProgress, EpochSummary, Observer, Trainer, TrainingError};
use crate::model::gradient::{BatchResult, Position};
use crate::nn::adam::Adam;
use crate::nn::rng::{Purpose, Stream};
use crate::training::augmentation::Change;
use crate::training::image_set::ImageSet;
use crate::training::metrics::Evaluation;
use crate::training::recipe::Augment;

/// A batch ready for the network.
#[derive(Default)]
struct Batch {
    pixels: Vec<f32>,
    labels: Vec<u32>,
}

/// Where an epoch's batches come from.
struct Source<'a> {
    set: &'a ImageSet,
    augment: Augment,
    seed: u64,
    epoch: u64,
}

impl Source<'_> {
    /// The order of the examples in this epoch.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.set.len() as u32).collect();
        Stream::new(self.seed, Purpose::Shuffle, self.epoch, 0).shuffle(&mut order);
        order
    }

    fn fill(&self, batch: &mut Batch, examples: &[u32]) {
        let size = self.set.size();
        batch.labels.clear();
        batch.labels.extend(examples.iter().map(|index| self.set.labels()[*index as usize]));
        batch.pixels.resize(examples.len() * size * size * 3, 0.0);
        let pictures = batch.pixels.par_chunks_exact_mut(size * size * 3).zip(examples);
        pictures.for_each(|(target, index)| {
            if self.augment == Augment::NONE {
                self.set.fill(*index as usize, target);
            } else {
                let change = Change::draw(&self.augment, self.seed, self.epoch, u64::from(*index));
                change.apply(self.set.picture(*index as usize), size, target);
            }
        });
    }
}

impl Trainer {
    /// Runs one epoch and evaluates both sets after it.
    pub(super) fn run_epoch(
        &mut self,
        train: &ImageSet,
        test: &ImageSet,
        observer: &mut dyn Observer,
    ) -> Result<(EpochSummary, (Evaluation, Evaluation)), TrainingError> {
        let start = Instant::now();
        let epoch = self.state.epoch + 1;
        self.inside_epoch = true;
        let correct = self.run_batches(train, observer)?;
        let evaluate = |set| Evaluation::of(&self.state.network, set);
        let (trained, tested) = (evaluate(train), evaluate(test));
        let mut weights = self.state.network.variables().iter().flat_map(|v| &v.data);
        let finite = trained.loss.is_finite() && tested.loss.is_finite();
        if !finite || !weights.all(|weight| weight.is_finite()) {
            return Err(TrainingError::NonFiniteLoss { epoch, step: self.state.step });
        }
        self.state.epoch = epoch;
        self.inside_epoch = false;
        let summary = EpochSummary {
            epoch,
            running_accuracy: correct as f64 / train.len() as f64,
            train_accuracy: trained.accuracy,
            train_loss: trained.loss,
            test_accuracy: tested.accuracy,
            test_loss: tested.loss,
            seconds: start.elapsed().as_secs_f64(),
        };
        Ok((summary, (trained, tested)))
    }

    /// All batches of the next epoch; gives the number of right answers on the way.
    fn run_batches(
        &mut self,
        train: &ImageSet,
        observer: &mut dyn Observer,
    ) -> Result<usize, TrainingError> {
        let epoch = self.state.epoch + 1;
        let recipe = &self.setup.recipe;
        let (epochs, size) = (recipe.epochs, recipe.batch_size as usize);
        let (augment, seed) = (recipe.augment, self.setup.seed);
        let source = Source { set: train, augment, seed, epoch: u64::from(epoch) };
        let order = source.order();
        let parts: Vec<&[u32]> = order.chunks(size).collect();
        let (mut current, mut next) = (Batch::default(), Batch::default());
        source.fill(&mut current, parts[0]);
        let mut correct = 0;
        for at in 0..parts.len() {
            let example = (at * size) as u64;
            let position = Position { seed, epoch: u64::from(epoch), example };
            let prepare = || {
                if let Some(part) = parts.get(at + 1) {
                    source.fill(&mut next, part);
                }
            };
            let (result, ()) = rayon::join(|| self.step(&current, position), prepare);
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
        Ok(correct)
    }

    /// One batch: gradients, then the optimiser's update.
    fn step(&mut self, batch: &Batch, position: Position) -> BatchResult {
        let state = &mut self.state;
        let result = self.workspace.run(&state.network, &batch.pixels, &batch.labels, position);
        state.step += 1;
        if result.loss.is_finite() {
            let adam = Adam::at(state.step, self.setup.recipe.learning_rate);
            let variables = state.network.variables_mut().iter_mut().zip(&mut state.moments);
            for ((variable, moments), gradient) in variables.zip(&self.workspace.gradients) {
                adam.update(&mut variable.data, moments, gradient);
            }
        }
        result
    }
}
