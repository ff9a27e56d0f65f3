//! What is kept of a lesson under way, so that nothing is learnt twice.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use super::{FOLDS, GLANCES, SEED, STRANGE, SURE, glance, neighbours, study};
use crate::db::Sha256;
use crate::nn::add_in_order;
use crate::training::checkpoint::CODE_VERSION;

/// What networks say of pictures that they have not seen.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfFold {
    /// `[pictures, classes]`, each row sums to 1.
    pub probabilities: Vec<f32>,
    /// Of each picture the mean cosine distance, 0 to 2, to the nearest learnt pictures.
    pub distances: Vec<f32>,
    /// Of each picture how many standard deviations that lies above the median.
    pub deviations: Vec<f32>,
}

impl OutOfFold {
    /// Of `count` pictures, of which nothing is said yet.
    pub(super) fn blank(count: usize, classes: usize) -> Self {
        Self {
            probabilities: vec![0.0; count * classes],
            distances: vec![0.0; count],
            deviations: vec![0.0; count],
        }
    }

    /// What several, of the same pictures, say on average. What they disagree on averages out, so that usual pictures lie
    /// closer together: deviations are measured anew.
    pub(super) fn mean(all: &[Self]) -> Self {
        let mean = |numbers: fn(&Self) -> &[f32]| {
            let mut sum = vec![0.0; all.first().map_or(0, |one| numbers(one).len())];
            add_in_order(&mut sum, all.iter().map(numbers));
            sum.into_iter().map(|sum| sum / all.len() as f32).collect()
        };
        Self {
            probabilities: mean(|one| &one.probabilities),
            distances: mean(|one| &one.distances),
            deviations: neighbours::standardized(&mean(|one| &one.deviations)),
        }
    }

    /// Whether it is about so many pictures.
    pub(super) fn fits(&self, count: usize, classes: usize) -> bool {
        self.probabilities.len() == count * classes
            && self.distances.len() == count
            && self.deviations.len() == count
    }

    /// Takes over what `part` says of the pictures at these places.
    pub(super) fn place(&mut self, part: &Self, places: &[usize], classes: usize) {
        for (row, &at) in places.iter().enumerate() {
            let own = &part.probabilities[row * classes..(row + 1) * classes];
            self.probabilities[at * classes..(at + 1) * classes].copy_from_slice(own);
            self.distances[at] = part.distances[row];
            self.deviations[at] = part.deviations[row];
        }
    }
}

/// Who follows a lesson, and remembers an earlier attempt at it.
pub trait Journal {
    /// Hears again and again how many networks are trained; may stop.
    fn trained(&mut self, networks: usize) -> ControlFlow<()>;

    /// What a network said in an earlier attempt at the same lesson, by its number from 0.
    fn recall(&mut self, network: usize) -> Option<OutOfFold>;

    /// Hears what a newly trained network says.
    fn keep(&mut self, network: usize, judged: OutOfFold);
}

/// Names a lesson: another picture, label, group or way of learning makes it another one, as does another version of the
/// arithmetic. `pictures` gives their digests and labels.
pub fn lesson_digest(
    pictures: impl Iterator<Item = (Sha256, usize)>,
    groups: &[usize],
    classes: usize,
) -> Sha256 {
    let numbers = (FOLDS, GLANCES, SEED, STRANGE, SURE, neighbours::SETTINGS);
    let way = (CODE_VERSION, glance(), study(), numbers);
    let mut text = format!("{way:?} {classes}");
    for ((sha256, label), group) in pictures.zip(groups) {
        write!(text, "\n{sha256} {label} {group}").expect("text grows");
    }
    Sha256::of(text.as_bytes())
}
