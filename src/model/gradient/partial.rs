//! Sums of weight gradients over groups of pictures, added in the order of the groups.

use rayon::prelude::*;

use super::Scratch;
use crate::nn::add_in_order;

/// Weights that one piece of work adds up.
const PIECE: usize = 1 << 14;

/// Memory of each group, used by one node after the other.
#[derive(Debug, Default)]
pub(super) struct Partials {
    groups: Vec<Group>,
}

/// What one group accumulates, and its scratch memory.
#[derive(Debug, Default)]
struct Group {
    sums: Vec<f32>,
    scratch: Scratch,
}

impl Partials {
    /// Scratch memory for each of `count` groups.
    pub(super) fn scratches(
        &mut self,
        count: usize,
    ) -> impl IndexedParallelIterator<Item = &mut Scratch> {
        self.grow(count).par_iter_mut().map(|group| &mut group.scratch)
    }

    /// Calls `work` for each group with its number, where its input's gradient goes and its zeroed
    /// sums, and then replaces `totals` by the sums over all groups, in order. The parts of
    /// `totals` stand one after the other in the sums.
    pub(super) fn sum(
        &mut self,
        targets: Vec<Option<&mut [f32]>>,
        totals: &mut [Vec<f32>],
        work: impl Fn(usize, Option<&mut [f32]>, &mut [f32], &mut Scratch) + Sync,
    ) {
        let len = totals.iter().map(Vec::len).sum();
        let groups = self.grow(targets.len());
        let jobs = groups.par_iter_mut().zip(targets).enumerate();
        jobs.for_each(|(at, (group, target))| {
            group.sums.clear();
            group.sums.resize(len, 0.0);
            work(at, target, &mut group.sums, &mut group.scratch);
        });
        let mut start = 0;
        for total in totals {
            let first = start;
            start += total.len();
            total.par_chunks_mut(PIECE).enumerate().for_each(|(piece, total)| {
                total.fill(0.0);
                let from = first + piece * PIECE;
                let part = from..from + total.len();
                add_in_order(total, groups.iter().map(|group| &group.sums[part.clone()]));
            });
        }
    }

    fn grow(&mut self, count: usize) -> &mut [Group] {
        if self.groups.len() < count {
            self.groups.resize_with(count, Group::default);
        }
        &mut self.groups[..count]
    }
}

/// The part of each of `count` groups of `len` numbers; the last may be shorter.
pub(super) fn parts(
    whole: Option<&mut [f32]>,
    count: usize,
    len: usize,
) -> Vec<Option<&mut [f32]>> {
    match whole {
        Some(whole) => whole.chunks_mut(len).map(Some).collect(),
        None => (0..count).map(|_| None).collect(),
    }
}
