//! What the pictures of a dataset say of each other's labels, without any outside model.
//!
//! The dataset is cut into folds, and for each fold a small network is trained on the others: it has not seen the
//! pictures that it judges. That happens twice. A first network is trained for a short time only, so that it learns what
//! most pictures have in common and none by heart: its features tell which pictures lie far from all others. A second
//! one sees more of each picture, for longer, and is not shown those strangers nor the labels that the first one is sure
//! are wrong: from its probabilities confident learning names the labels that are probably wrong.

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
pub const NETWORKS: usize = 2 * FOLDS;
/// Fewest pictures from which anything is learnt.
pub const FEWEST: usize = 5 * FOLDS;
/// From so many standard deviations above the median distance on, a picture counts as an outlier.
pub const FAR: f32 = 2.2;
/// The first network is sure of another label from this probability on.
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
    /// Mean cosine distance, 0 to 2, to the nearest learnt pictures.
    pub distance: f32,
    /// How many standard deviations that lies above the median.
    pub deviation: f32,
}

/// Of the first network: small, short, and with few pixels.
fn glance() -> Recipe {
    Recipe {
        family: Family::Residual,
        conv: vec![16, 32, 64],
        batch_norm: true,
        dense: vec![],
        dropout: vec![0.2],
        image_size: 48,
        epochs: 15,
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
    Recipe { conv: vec![16, 32, 64, 96], image_size: 96, epochs: 40, ..glance() }
}

/// Rows and columns of the pictures that [`learn`] wants for its first and its second networks.
pub fn sizes() -> [u32; 2] {
    [glance().image_size, study().image_size]
}

/// Learns from pictures, in both of the [`sizes`], whose labels are below `classes`; pictures of one of `groups`, a number
/// for each picture, look alike and stay in one fold. `watch` hears how many networks are trained, and may stop.
///
/// # Errors
/// [`TrainingError::Cancelled`] when `watch` says so; others where the pictures do not fit the recipe.
pub fn learn(
    [small, large]: [&ImageSet; 2],
    classes: usize,
    groups: &[usize],
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<Learnt>, TrainingError> {
    let folds = folds(small.labels(), groups);
    let first = Pass { set: small, recipe: glance(), classes, folds: &folds, trained: 0 };
    let first = first.judge(&vec![true; small.len()], watch)?;
    let trusted = first.trusted(small.labels(), classes);
    let second = Pass { set: large, recipe: study(), classes, folds: &folds, trained: FOLDS };
    let second = second.judge(&trusted, watch)?;
    let opinions = confident::opinions(large.labels(), &second.probabilities, classes);
    let rows = second.probabilities.chunks_exact(classes);
    let learnt =
        |((opinion, row), (distance, deviation)): ((Opinion, &[f32]), (f32, f32))| Learnt {
            suggested: opinion.suggested,
            self_confidence: opinion.self_confidence,
            suggested_confidence: row[opinion.suggested as usize],
            suspect: opinion.suspect,
            distance,
            deviation,
        };
    Ok(opinions.into_iter().zip(rows).zip(first.distances).map(learnt).collect())
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

/// What networks say of pictures that they have not seen.
struct Judged {
    /// `[pictures, classes]`
    probabilities: Vec<f32>,
    /// Of each picture its distance, and how many standard deviations that lies above the median.
    distances: Vec<(f32, f32)>,
}

impl Pass<'_> {
    /// Judges all pictures by networks that are trained on the `trusted` ones alone.
    fn judge(
        &self,
        trusted: &[bool],
        watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Judged, TrainingError> {
        let (classes, count) = (self.classes, self.set.len());
        let mut all = Judged {
            probabilities: vec![0.0; count * classes],
            distances: vec![(0.0, 0.0); count],
        };
        for fold in 0..FOLDS {
            let (held_out, known): (Vec<usize>, Vec<usize>) =
                (0..count).partition(|&at| self.folds[at] == fold);
            let known: Vec<usize> = known.into_iter().filter(|&at| trusted[at]).collect();
            if held_out.is_empty() || known.is_empty() {
                continue;
            }
            let judged = self.judge_fold(fold, &known, &held_out, watch)?;
            for (row, &at) in held_out.iter().enumerate() {
                let own = &judged.probabilities[row * classes..(row + 1) * classes];
                all.probabilities[at * classes..(at + 1) * classes].copy_from_slice(own);
                all.distances[at] = judged.distances[row];
            }
        }
        Ok(all)
    }

    /// What the network of one fold says of the pictures that it has not seen.
    fn judge_fold(
        &self,
        fold: usize,
        known: &[usize],
        held_out: &[usize],
        watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Judged, TrainingError> {
        let trained = self.trained + fold;
        let setup = Setup {
            recipe: self.recipe.clone(),
            classes: self.classes,
            seed: SEED + trained as u64,
            data: String::new(),
            backbone: None,
        };
        let (known, held_out) = (self.set.subset(known), self.set.subset(held_out));
        let mut trainer = Trainer::new(setup)?;
        let outcome = trainer.run(&known, &held_out, &mut Watch { trained, watch })?;
        let features = |set: &ImageSet| {
            trainer.network().features(set.len(), |index, input| set.fill(index, input))
        };
        let (learnt, seen) = (features(&known), features(&held_out));
        let distances = neighbours::distances(&seen, &learnt, learnt.len() / known.len());
        let deviations = neighbours::deviations(&distances);
        let distances = distances.into_iter().zip(deviations).collect();
        Ok(Judged { probabilities: outcome.test.probabilities, distances })
    }
}

impl Judged {
    /// Which pictures are no strangers, and have a label that nobody is sure is wrong.
    fn trusted(&self, labels: &[u32], classes: usize) -> Vec<bool> {
        let opinions = confident::opinions(labels, &self.probabilities, classes);
        let rows = self.probabilities.chunks_exact(classes);
        let trusted = |((opinion, row), (_, deviation)): ((Opinion, &[f32]), &(f32, f32))| {
            let is_wrong = opinion.suspect && row[opinion.suggested as usize] > SURE;
            !is_wrong && *deviation <= FAR
        };
        opinions.into_iter().zip(rows).zip(&self.distances).map(trusted).collect()
    }
}

struct Watch<'a> {
    trained: usize,
    watch: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
}

impl Observer for Watch<'_> {
    fn batch(&mut self, _: BatchProgress) -> ControlFlow<()> {
        (self.watch)(self.trained)
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
    #[ignore = "trains eight networks: cargo test --release learning -- --ignored"]
    fn wrong_labels_and_strangers_stand_out() {
        let [small, large] = sizes().map(|size| pictures(size as usize));
        let groups: Vec<usize> = (0..80).collect();
        let mut watch = |_| ControlFlow::Continue(());
        let learnt = learn([&small, &large], 2, &groups, &mut watch).unwrap();
        let suspects: Vec<usize> = (2..80).filter(|at| learnt[*at].suspect).collect();
        assert_eq!(suspects, [10, 11]);
        assert!(learnt[..2].iter().all(|strange| strange.deviation > FAR), "{:?}", &learnt[..2]);
    }

    fn pictures(size: usize) -> ImageSet {
        let count = 80;
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
        ImageSet::new(size, pixels, labels).unwrap()
    }
}
