//! What the pictures of a dataset say of each other's labels, without any outside model.
//!
//! The dataset is cut into folds, and for each fold small networks are trained on the others: they have not seen the
//! pictures that they judge. First networks are trained for a short time only, so that they learn what most pictures have
//! in common and none by heart: their features tell which pictures lie far from all others. What one of them finds far is
//! partly luck, so several are asked, and their opinions averaged. A second network sees more of each picture, for
//! longer, and is not shown those strangers nor the labels that the first ones are sure are wrong: from its probabilities
//! confident learning names the labels that are probably wrong.

mod confident;
mod journal;
mod neighbours;
mod store;

use std::ops::ControlFlow;

use self::confident::Opinion;
pub use self::journal::{Journal, OutOfFold, lesson_digest};
pub use self::store::{
    LearntOpinion, Material, find, insert, is_learnt, keep, kept, material, members, recall, sweep,
};
use crate::model::architecture::Family;
use crate::nn::rng::{Purpose, Stream};
use crate::training::optimization::{OptimizerKind, ScheduleKind};
use crate::training::recipe::{Augment, Recipe};
use crate::training::{
    BatchProgress, ImageSet, Observer, Optimizer, Schedule, Setup, Trainer, TrainingError,
};

/// Parts into which the pictures are cut.
const FOLDS: usize = 4;
/// First networks of each fold.
const GLANCES: usize = 4;
/// Networks that are trained.
pub const NETWORKS: usize = (GLANCES + 1) * FOLDS;
/// Fewest pictures from which anything is learnt.
pub const FEWEST: usize = 5 * FOLDS;
/// From so many standard deviations above the median distance on a picture counts as an outlier where a job does not say.
pub const FAR: f32 = 2.5;
/// From so many on it is a stranger that the second network is not shown: sooner, since one good picture more or less matters
/// little to it.
const STRANGE: f32 = 2.3;
/// The first networks are sure of another label from this probability on.
const SURE: f32 = 0.6;
/// Seed of folds and networks: the same dataset gets the same opinions.
const SEED: u64 = 1;

/// What is learnt of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learnt {
    /// Index of the most probable class.
    pub suggested: u32,
    /// Probability of the picture's own class, 0 to 1.
    pub self_confidence: f32,
    /// Probability of the most probable class, 0 to 1.
    pub suggested_confidence: f32,
    /// Whether the label is held to be wrong.
    pub suspect: bool,
    /// Mean cosine distance, 0 to 2, to the nearest learnt pictures, on average over the first networks.
    pub distance: f32,
    /// How many standard deviations that lies above the median.
    pub deviation: f32,
}

/// Of the first networks: small, short, and with few pixels.
fn glance() -> Recipe {
    Recipe {
        family: Family::Residual,
        conv: vec![16, 32, 64],
        batch_norm: true,
        dense: vec![],
        dropout: vec![0.2],
        image_size: 48,
        epochs: 15,
        // Only the trained network is asked.
        evaluate_every: 15,
        optimizer: Optimizer {
            kind: OptimizerKind::AdamW,
            weight_decay: Some(0.05),
            ..Optimizer::default()
        },
        learning_rate: 0.002,
        schedule: Schedule { kind: ScheduleKind::Cosine, warmup_epochs: 3, ..Schedule::default() },
        label_smoothing: 0.1,
        augment: Augment::default(),
        ..Recipe::original()
    }
}

/// Of the second network.
fn study() -> Recipe {
    Recipe {
        conv: vec![16, 32, 64, 96],
        image_size: 96,
        epochs: 40,
        evaluate_every: 40,
        ..glance()
    }
}

/// Rows and columns of the pictures that [`learn`] wants for its first and its second networks.
pub fn sizes() -> [u32; 2] {
    [glance().image_size, study().image_size]
}

/// Learns from pictures, in both of the [`sizes`], whose labels are below `classes`; pictures of one of `groups`, a number
/// for each picture, look alike and stay in one fold. Networks that `journal` recalls are not trained again, and on
/// the same kind of processor the result is the same.
///
/// # Errors
/// [`TrainingError::Cancelled`] when `journal` says so; others where the pictures do not fit the recipe.
pub fn learn(
    [small, large]: [&ImageSet; 2],
    classes: usize,
    groups: &[usize],
    journal: &mut dyn Journal,
) -> Result<Vec<Learnt>, TrainingError> {
    let folds = folds(small.labels(), groups);
    let (everything, mut glances) = (vec![true; small.len()], Vec::new());
    for number in 0..GLANCES {
        let trained = number * FOLDS;
        let pass = Pass { set: small, recipe: glance(), classes, folds: &folds, trained };
        glances.push(pass.judge(&everything, journal)?);
    }
    let first = OutOfFold::mean(&glances);
    let trusted = first.trusted(small.labels(), classes);
    let trained = GLANCES * FOLDS;
    let second = Pass { set: large, recipe: study(), classes, folds: &folds, trained };
    let second = second.judge(&trusted, journal)?;
    let opinions = confident::opinions(large.labels(), &second.probabilities, classes);
    let rows = second.probabilities.chunks_exact(classes);
    let learnt = |(at, (opinion, row)): (usize, (Opinion, &[f32]))| Learnt {
        suggested: opinion.suggested,
        self_confidence: opinion.self_confidence,
        suggested_confidence: row[opinion.suggested as usize],
        suspect: opinion.suspect,
        distance: first.distances[at],
        deviation: first.deviations[at],
    };
    Ok(opinions.into_iter().zip(rows).enumerate().map(learnt).collect())
}

/// One network for each fold.
struct Pass<'a> {
    set: &'a ImageSet,
    recipe: Recipe,
    classes: usize,
    folds: &'a [usize],
    /// Networks of earlier passes.
    trained: usize,
}

impl Pass<'_> {
    /// Judges all pictures by networks that are trained on the `trusted` ones alone.
    fn judge(
        &self,
        trusted: &[bool],
        journal: &mut dyn Journal,
    ) -> Result<OutOfFold, TrainingError> {
        let (classes, count) = (self.classes, self.set.len());
        let mut all = OutOfFold::blank(count, classes);
        for fold in 0..FOLDS {
            let (held_out, known): (Vec<usize>, Vec<usize>) =
                (0..count).partition(|&at| self.folds[at] == fold);
            let known: Vec<usize> = known.into_iter().filter(|&at| trusted[at]).collect();
            if held_out.is_empty() || known.is_empty() {
                continue;
            }
            let network = self.trained + fold;
            let recalled = journal.recall(network);
            if let Some(judged) = recalled.filter(|judged| judged.fits(held_out.len(), classes)) {
                all.place(&judged, &held_out, classes);
                continue;
            }
            let judged = self.judge_fold(network, &known, &held_out, journal)?;
            all.place(&judged, &held_out, classes);
            journal.keep(network, judged);
        }
        Ok(all)
    }

    /// What the network of one fold says of the pictures that it has not seen.
    fn judge_fold(
        &self,
        network: usize,
        known: &[usize],
        held_out: &[usize],
        journal: &mut dyn Journal,
    ) -> Result<OutOfFold, TrainingError> {
        let setup = Setup {
            recipe: self.recipe.clone(),
            classes: self.classes,
            seed: SEED + network as u64,
            data: String::new(),
            backbone: None,
        };
        let (known, held_out) = (self.set.subset(known), self.set.subset(held_out));
        let mut trainer = Trainer::new(setup)?;
        let outcome = trainer.run(&known, &held_out, &mut Watch { trained: network, journal })?;
        let features = |set: &ImageSet| {
            trainer.network().features(set.len(), |index, input| set.fill(index, input))
        };
        let (learnt, seen) = (features(&known), features(&held_out));
        let distances = neighbours::distances(&seen, &learnt, learnt.len() / known.len());
        let deviations = neighbours::deviations(&distances);
        Ok(OutOfFold { probabilities: outcome.test.probabilities, distances, deviations })
    }
}

impl OutOfFold {
    /// Which pictures are no strangers, and have a label that nobody is sure is wrong.
    fn trusted(&self, labels: &[u32], classes: usize) -> Vec<bool> {
        let opinions = confident::opinions(labels, &self.probabilities, classes);
        let rows = self.probabilities.chunks_exact(classes);
        let trusted = |((opinion, row), deviation): ((Opinion, &[f32]), &f32)| {
            let is_wrong = opinion.suspect && row[opinion.suggested as usize] > SURE;
            !is_wrong && *deviation <= STRANGE
        };
        opinions.into_iter().zip(rows).zip(&self.deviations).map(trusted).collect()
    }
}

struct Watch<'a> {
    trained: usize,
    journal: &'a mut dyn Journal,
}

impl Observer for Watch<'_> {
    fn batch(&mut self, _: BatchProgress) -> ControlFlow<()> {
        self.journal.trained(self.trained)
    }
}

/// The fold of each picture: of every class each fold has its share, groups stay together.
fn folds(labels: &[u32], groups: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    Stream::new(SEED, Purpose::Fold, 0, 0).shuffle(&mut order);
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut sizes = vec![[0_usize; FOLDS]; classes];
    let mut of_group = vec![None; groups.iter().max().map_or(0, |&group| group + 1)];
    let mut folds = vec![0; labels.len()];
    for at in order {
        let sizes = &mut sizes[labels[at] as usize];
        let smallest = (0..FOLDS).min_by_key(|&fold| sizes[fold]).expect("there are folds");
        let fold = *of_group[groups[at]].get_or_insert(smallest);
        sizes[fold] += 1;
        folds[at] = fold;
    }
    folds
}

#[cfg(test)]
pub(super) mod tests;
