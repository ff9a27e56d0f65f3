//! The split: seeded, stratified by class, and never through a group of near-duplicates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::nn::rng::{Purpose, Stream};

/// A side of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "split", rename_all = "snake_case")]
pub enum Split {
    /// Trained on.
    Train,
    /// Held out.
    Test,
}

/// A class of which both sides cannot get a picture: all of its pictures are near-duplicates of each other, or
/// hang together with those of another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSmall {
    /// The label of the class.
    pub label: usize,
}

/// Which part is held out.
#[derive(Debug, Clone, Copy)]
pub struct Division {
    /// Share of each class, 0 to 1.
    pub test_fraction: f64,
    /// The same seed over the same images gives the same split.
    pub seed: u64,
}

/// Splits the images, given each one's label and group (see [`super::leaks::groups`]), and the sides that some of them
/// have already.
///
/// A group stays on the side of those in it that have one; where they have both, it is trained on, so that what was
/// trained on before is never held out now. The other groups fill what is left of each class's share.
///
/// Groups are taken in a seeded random order; one is held out when no class in it would get more test images than its
/// share, so the shares are met to the image unless the groups are too coarse for it.
pub fn split(
    labels: &[usize],
    groups: &[usize],
    kept: &[Option<Split>],
    division: Division,
) -> Result<Vec<Split>, TooSmall> {
    let classes = labels.iter().max().map_or(0, |last| last + 1);
    let mut sides = Sides::new(labels, groups, classes);
    let target: Vec<usize> =
        sides.train.iter().map(|&count| share(count, division.test_fraction)).collect();
    let mut order: Vec<usize> = (0..sides.members.len()).collect();
    Stream::new(division.seed, Purpose::Shuffle, 0, 0).shuffle(&mut order);
    let settled = settled(groups, kept, order.len());
    for &group in order.iter().filter(|&&group| settled[group] == Some(Split::Test)) {
        sides.hold_out(group);
    }
    for &group in order.iter().filter(|&&group| settled[group].is_none()) {
        let counts = &sides.members[group];
        if counts.iter().all(|&(label, count)| sides.test[label] + count <= target[label]) {
            sides.hold_out(group);
        }
    }
    for label in 0..classes {
        if sides.test[label] == 0 && sides.train[label] > 0 {
            let group = sides.smallest(label, &order).ok_or(TooSmall { label })?;
            sides.hold_out(group);
        }
    }
    let empty = (0..classes).find(|&label| sides.train[label] == 0 && sides.test[label] > 0);
    if let Some(label) = empty {
        return Err(TooSmall { label });
    }
    let side = |&group: &usize| {
        if sides.held_out[group] { Split::Test } else { Split::Train }
    };
    Ok(groups.iter().map(side).collect())
}

/// The side of each group of which an image has one.
fn settled(groups: &[usize], kept: &[Option<Split>], count: usize) -> Vec<Option<Split>> {
    let mut settled = vec![None; count];
    for (&group, &side) in groups.iter().zip(kept) {
        if settled[group] != Some(Split::Train) {
            settled[group] = side.or(settled[group]);
        }
    }
    settled
}

/// The test images of a class of `count`: its share, and at least one on each side.
fn share(count: usize, fraction: f64) -> usize {
    ((count as f64 * fraction).round() as usize).min(count.saturating_sub(1)).max(1)
}

/// How many images of each class stand on each side.
struct Sides {
    /// Per group: how many images of which labels.
    members: Vec<Vec<(usize, usize)>>,
    held_out: Vec<bool>,
    train: Vec<usize>,
    test: Vec<usize>,
}

impl Sides {
    /// Everything on the train side.
    fn new(labels: &[usize], groups: &[usize], classes: usize) -> Self {
        let mut members = vec![Vec::new(); groups.iter().max().map_or(0, |last| last + 1)];
        let mut train = vec![0; classes];
        for (&label, &group) in labels.iter().zip(groups) {
            train[label] += 1;
            let counts: &mut Vec<(usize, usize)> = &mut members[group];
            match counts.iter_mut().find(|(known, _)| *known == label) {
                Some((_, count)) => *count += 1,
                None => counts.push((label, 1)),
            }
        }
        let held_out = vec![false; members.len()];
        Self { members, held_out, train, test: vec![0; classes] }
    }

    fn hold_out(&mut self, group: usize) {
        self.held_out[group] = true;
        for &(label, count) in &self.members[group] {
            self.train[label] -= count;
            self.test[label] += count;
        }
    }

    /// The smallest group with images of `label` that leaves each of its classes something to train on.
    fn smallest(&self, label: usize, order: &[usize]) -> Option<usize> {
        let movable = |group: &usize| {
            let counts = &self.members[*group];
            !self.held_out[*group]
                && counts.iter().any(|&(known, _)| known == label)
                && counts.iter().all(|&(known, count)| self.train[known] > count)
        };
        let size = |group: &usize| self.members[*group].iter().map(|(_, n)| n).sum::<usize>();
        order.iter().copied().filter(movable).min_by_key(size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::leaks;
    use super::*;

    const FIFTH: Division = Division { test_fraction: 0.2, seed: 1 };

    fn fresh(
        labels: &[usize],
        groups: &[usize],
        division: Division,
    ) -> Result<Vec<Split>, TooSmall> {
        split(labels, groups, &vec![None; labels.len()], division)
    }

    fn tests_of(label: usize, labels: &[usize], splits: &[Split]) -> usize {
        let both = labels.iter().zip(splits);
        both.filter(|(known, side)| **known == label && **side == Split::Test).count()
    }

    #[test]
    fn each_class_gives_its_share() {
        let labels: Vec<usize> = (0..150).map(|i| usize::from(i >= 100)).collect();
        let groups: Vec<usize> = (0..150).collect();
        let splits = fresh(&labels, &groups, FIFTH).unwrap();
        assert_eq!((tests_of(0, &labels, &splits), tests_of(1, &labels, &splits)), (20, 10));
        assert_eq!(fresh(&labels, &groups, FIFTH).unwrap(), splits);
        assert_ne!(fresh(&labels, &groups, Division { seed: 2, ..FIFTH }).unwrap(), splits);
    }

    #[test]
    fn what_has_a_side_stays_there_and_the_rest_fills_the_share() {
        let labels: Vec<usize> = (0..100).map(|i| usize::from(i >= 60)).collect();
        let groups: Vec<usize> = (0..100).collect();
        let before = fresh(&labels, &groups, FIFTH).unwrap();
        // Every third picture is gone, ten of the second class are new.
        let stays: Vec<usize> = (0..100).filter(|i| i % 3 != 0).collect();
        let labels: Vec<usize> = stays.iter().map(|&i| labels[i]).chain([1; 10]).collect();
        let groups: Vec<usize> = (0..labels.len()).collect();
        let kept = stays.iter().map(|&i| Some(before[i])).chain([None; 10]).collect::<Vec<_>>();
        let after = split(&labels, &groups, &kept, Division { seed: 2, ..FIFTH }).unwrap();
        assert!(stays.iter().zip(&after).all(|(&i, side)| before[i] == *side));
        let held_out = kept.iter().filter(|side| **side == Some(Split::Test)).count();
        assert!((7..=20).contains(&held_out), "{held_out}");
        let second = labels.iter().filter(|label| **label == 1).count();
        assert!(tests_of(1, &labels, &after) >= share(second, 0.2).min(held_out));
    }

    #[test]
    fn a_group_with_both_sides_is_trained_on() {
        let kept = [Some(Split::Test), Some(Split::Train), None, Some(Split::Test), None, None];
        let splits = split(&[0, 0, 0, 0, 1, 1], &[0, 0, 0, 1, 2, 3], &kept, FIFTH).unwrap();
        assert_eq!(splits[..4], [Split::Train, Split::Train, Split::Train, Split::Test]);
    }

    #[test]
    fn a_class_whose_held_out_pictures_are_gone_gets_others() {
        let kept = [Some(Split::Train); 6];
        let splits = split(&[0, 0, 0, 1, 1, 1], &[0, 1, 2, 3, 4, 5], &kept, FIFTH).unwrap();
        assert_eq!([0, 1].map(|label| tests_of(label, &[0, 0, 0, 1, 1, 1], &splits)), [1, 1]);
    }

    #[test]
    fn a_class_of_one_group_is_too_small() {
        assert_eq!(fresh(&[0, 0, 1, 1, 1], &[0, 1, 2, 2, 2], FIFTH), Err(TooSmall { label: 1 }));
        assert_eq!(fresh(&[0, 0, 1], &[0, 1, 2], FIFTH), Err(TooSmall { label: 1 }));
    }

    #[test]
    fn groups_larger_than_the_share_still_give_both_sides_something() {
        let splits = fresh(&[0, 0, 0, 0, 1, 1], &[0, 0, 1, 1, 2, 3], FIFTH).unwrap();
        assert_eq!(tests_of(0, &[0, 0, 0, 0, 1, 1], &splits), 2);
        assert_eq!(tests_of(1, &[0, 0, 0, 0, 1, 1], &splits), 1);
    }

    proptest! {
        #[test]
        fn no_pair_is_split_and_no_side_of_a_class_is_empty(
            labels in prop::collection::vec(0..3usize, 1..80),
            pairs in prop::collection::vec((0..80usize, 0..80usize), 0..40),
            seed: u64,
            test_fraction in 0.05..0.5f64,
        ) {
            let images = labels.len();
            let pairs: Vec<_> = pairs.into_iter().filter(|&(a, b)| a.max(b) < images).collect();
            let groups = leaks::groups(images, &pairs);
            if let Ok(splits) = fresh(&labels, &groups, Division { test_fraction, seed }) {
                prop_assert_eq!(leaks::count(&pairs, &splits), 0);
                for label in labels.iter().copied() {
                    let all = labels.iter().filter(|known| **known == label).count();
                    let tests = tests_of(label, &labels, &splits);
                    prop_assert!(tests > 0 && tests < all);
                }
            }
        }
    }
}
