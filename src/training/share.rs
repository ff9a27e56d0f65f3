//! A share of the training pictures: what the same recipe would learn from fewer.

use std::collections::HashMap;

use crate::nn::rng::{Purpose, Stream};
use crate::snapshot::{Member, Split};

/// How many of `pictures` training pictures a share keeps: at least one of each class.
pub fn count(pictures: usize, classes: usize, fraction: f64) -> usize {
    ((pictures as f64 * fraction).round() as usize).max(classes).min(pictures)
}

/// The members without the training pictures that a share leaves out, in their order.
///
/// Every class keeps about the same part of its pictures, drawn by `seed`, and the pictures of a
/// smaller share are among those of a larger one. Held-out pictures all stay.
pub fn keep(members: Vec<Member>, fraction: f64, seed: u64) -> Vec<Member> {
    if fraction >= 1.0 {
        return members;
    }
    let mut classes: HashMap<usize, Vec<i32>> = HashMap::new();
    for member in members.iter().filter(|member| member.split == Split::Train) {
        classes.entry(member.label).or_default().push(member.position);
    }
    let mut turns = Vec::new();
    for (label, positions) in &mut classes {
        Stream::new(seed, Purpose::Share, 0, *label as u64).shuffle(positions);
        let all = positions.len() as f64;
        // The first of each class comes before all others.
        let turn = |place: usize| if place == 0 { 0.0 } else { (place as f64 + 0.5) / all };
        turns.extend(positions.iter().enumerate().map(|(at, position)| (turn(at), *position)));
    }
    turns.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    turns.truncate(count(turns.len(), classes.len(), fraction));
    let mut kept: Vec<i32> = turns.into_iter().map(|(_, position)| position).collect();
    kept.sort_unstable();
    let stays = |member: &Member| {
        member.split == Split::Test || kept.binary_search(&member.position).is_ok()
    };
    members.into_iter().filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::Key;
    use crate::db::Sha256;

    /// 40 pictures of class 0, 20 of class 1, 3 of class 2; every fifth is held out.
    fn members() -> Vec<Member> {
        let member = |at: usize| {
            let sha256 = Sha256::of(&at.to_le_bytes());
            let split = if at.is_multiple_of(5) { Split::Test } else { Split::Train };
            let (position, key) = (at as i32, Key::Thumbnail(sha256));
            let label = usize::from(at >= 40) + usize::from(at >= 60);
            Member { position, image: None, sha256, label, split, key }
        };
        (0..63).map(member).collect()
    }

    fn positions(fraction: f64, seed: u64) -> Vec<i32> {
        keep(members(), fraction, seed).iter().map(|member| member.position).collect()
    }

    #[test]
    fn each_class_keeps_its_share_and_held_out_pictures_stay() {
        let half = keep(members(), 0.5, 1);
        let of = |label, split| {
            half.iter().filter(|member| (member.label, member.split) == (label, split)).count()
        };
        assert_eq!([0, 1, 2].map(|label| of(label, Split::Train)), [16, 8, 1]);
        assert_eq!([0, 1, 2].map(|label| of(label, Split::Test)), [8, 4, 1]);
        assert_eq!(count(50, 3, 0.5), 25);
        assert!(half.is_sorted_by_key(|member| member.position));
    }

    #[test]
    fn a_smaller_share_is_part_of_a_larger_one() {
        let (quarter, half) = (positions(0.25, 1), positions(0.5, 1));
        assert!(quarter.len() < half.len() && quarter.iter().all(|at| half.contains(at)));
        assert_eq!(half, positions(0.5, 1));
        assert_ne!(half, positions(0.5, 2));
        assert_eq!(positions(1.0, 1).len(), 63);
    }

    #[test]
    fn the_smallest_share_has_a_picture_of_each_class() {
        let least = keep(members(), 0.001, 1);
        let trained = least.iter().filter(|member| member.split == Split::Train);
        assert_eq!(trained.map(|member| member.label).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
