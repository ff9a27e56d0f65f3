//! What the pictures of a dataset say of each other's labels, without any outside model.
//!
//! The dataset is cut into folds, and for each fold a small network is trained on the others: it has not seen the
//! pictures that it judges. From its probabilities confident learning names the labels that are probably wrong, and its
//! features tell which pictures lie far from all that it has learnt.

mod confident;
mod neighbours;
mod store;

use std::ops::ControlFlow;

use self::confident::Opinion;
pub use self::store::{LearntOpinion, find, insert, is_learnt, members};
use crate::model::architecture::Family;
use crate::nn::rng::{Purpose, Stream};
use crate::training::optimization::{OptimizerKind, ScheduleKind};
use crate::training::recipe::{Augment, Recipe};
use crate::training::{
    BatchProgress, ImageSet, Observer, Optimizer, Schedule, Setup, Trainer, TrainingError,
};

/// Parts into which the pictures are cut.
const FOLDS: usize = 4;
/// Networks that are trained.
pub const NETWORKS: usize = FOLDS;
/// Fewest pictures from which anything is learnt.
pub const FEWEST: usize = 5 * FOLDS;
/// From so many standard deviations above the median distance on, a picture counts as an outlier.
pub const FAR: f32 = 4.0;
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
    /// Mean cosine distance, 0 to 2, to the nearest learnt pictures.
    pub distance: f32,
    /// How many standard deviations that lies above the median.
    pub deviation: f32,
}

/// A small residual network: enough to tell what does not belong, and quick.
pub fn recipe() -> Recipe {
    Recipe {
        family: Family::Residual,
        conv: vec![16, 32, 64],
        batch_norm: true,
        dense: vec![],
        dropout: vec![0.2],
        image_size: 64,
        epochs: 40,
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

/// Learns from the pictures of `set`, whose labels are below `classes`; pictures of one of `groups`, a number for each
/// picture, look alike and stay in one fold. `watch` hears how many networks are trained, and may stop.
///
/// # Errors
/// [`TrainingError::Cancelled`] when `watch` says so; others where the pictures do not fit the recipe.
pub fn learn(
    set: &ImageSet,
    classes: usize,
    groups: &[usize],
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<Learnt>, TrainingError> {
    let folds = folds(set.labels(), groups);
    let mut probabilities = vec![0.0; set.len() * classes];
    let mut distances = vec![(0.0, 0.0); set.len()];
    for fold in 0..FOLDS {
        let (held_out, known): (Vec<usize>, Vec<usize>) =
            (0..set.len()).partition(|&at| folds[at] == fold);
        if held_out.is_empty() || known.is_empty() {
            continue;
        }
        let judged = judge(&set.subset(&known), &set.subset(&held_out), classes, (fold, watch))?;
        for (row, &at) in held_out.iter().enumerate() {
            let own = &judged.probabilities[row * classes..(row + 1) * classes];
            probabilities[at * classes..(at + 1) * classes].copy_from_slice(own);
            distances[at] = (judged.distances[row], judged.deviations[row]);
        }
    }
    let opinions = confident::opinions(set.labels(), &probabilities, classes);
    let rows = probabilities.chunks_exact(classes).zip(distances);
    let learnt =
        |(opinion, (row, (distance, deviation))): (Opinion, (&[f32], (f32, f32)))| Learnt {
            suggested: opinion.suggested,
            self_confidence: opinion.self_confidence,
            suggested_confidence: row[opinion.suggested as usize],
            suspect: opinion.suspect,
            distance,
            deviation,
        };
    Ok(opinions.into_iter().zip(rows).map(learnt).collect())
}

/// What the network of one fold says of the pictures that it has not seen.
struct Judged {
    probabilities: Vec<f32>,
    distances: Vec<f32>,
    deviations: Vec<f32>,
}

fn judge(
    known: &ImageSet,
    held_out: &ImageSet,
    classes: usize,
    (fold, watch): (usize, &mut dyn FnMut(usize) -> ControlFlow<()>),
) -> Result<Judged, TrainingError> {
    let setup = Setup {
        recipe: recipe(),
        classes,
        seed: SEED + fold as u64,
        data: String::new(),
        backbone: None,
    };
    let mut trainer = Trainer::new(setup)?;
    let outcome = trainer.run(known, held_out, &mut Watch { fold, watch })?;
    let features = |set: &ImageSet| {
        trainer.network().features(set.len(), |index, input| set.fill(index, input))
    };
    let (learnt, seen) = (features(known), features(held_out));
    let distances = neighbours::distances(&seen, &learnt, learnt.len() / known.len());
    let deviations = neighbours::deviations(&distances);
    Ok(Judged { probabilities: outcome.test.probabilities, distances, deviations })
}

struct Watch<'a> {
    fold: usize,
    watch: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
}

impl Observer for Watch<'_> {
    fn batch(&mut self, _: BatchProgress) -> ControlFlow<()> {
        (self.watch)(self.fold)
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
pub(super) mod tests {
    use super::*;
    use crate::db::ClassId;

    /// Of a cat that looks like a dog, and lies where pictures usually do.
    pub(in crate::cleaning) fn opinion() -> LearntOpinion {
        LearntOpinion {
            class_id: ClassId(uuid::Uuid::nil()),
            class: "cat".into(),
            suggested: "dog".into(),
            self_confidence: 0.04,
            suggested_confidence: 0.96,
            suspect: false,
            distance: 0.1,
            deviation: 0.0,
        }
    }

    #[test]
    fn every_fold_has_its_share_of_each_class_and_groups_stay_together() {
        let labels: Vec<u32> = (0..80).map(|at| at % 2).collect();
        let groups: Vec<usize> = (0..80).map(|at| if at < 8 { 0 } else { at }).collect();
        let folds = folds(&labels, &groups);
        assert!(folds[..8].iter().all(|fold| *fold == folds[0]));
        for class in 0..2 {
            for fold in 0..FOLDS {
                let members = (0..80).filter(|at| labels[*at] == class && folds[*at] == fold);
                assert!((9..=11).contains(&members.count()));
            }
        }
    }

    /// Red and green pictures with a grain, two of them with the wrong label, and two that are like nothing else.
    #[test]
    #[ignore = "trains four networks: cargo test --release learning -- --ignored"]
    fn wrong_labels_and_strangers_stand_out() {
        let (size, count) = (recipe().image_size as usize, 80);
        let mut stream = Stream::new(7, Purpose::Initial, 0, 0);
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for at in 0..count {
            let colour = if at < 2 { 3 } else { at % 2 };
            for pixel in 0..size * size {
                let grain = (stream.unit() * 60.0) as u8;
                let stripe = if pixel / 3 % 2 == 0 { 255 } else { 0 };
                let strange = [stripe, 255 - stripe, stripe];
                let plain = |channel| if colour == channel { 150 + grain } else { 60 + grain };
                pixels.extend((0..3).map(|c| if colour == 3 { strange[c] } else { plain(c) }));
            }
            let wrong = (10..12).contains(&at);
            labels.push(((at % 2) ^ usize::from(wrong)) as u32);
        }
        let set = ImageSet::new(size, pixels, labels).unwrap();
        let groups: Vec<usize> = (0..count).collect();
        let learnt = learn(&set, 2, &groups, &mut |_| ControlFlow::Continue(())).unwrap();
        let suspects: Vec<usize> = (2..count).filter(|at| learnt[*at].suspect).collect();
        assert_eq!(suspects, [10, 11]);
        assert!(learnt[..2].iter().all(|strange| strange.deviation > FAR), "{:?}", &learnt[..2]);
    }
}
