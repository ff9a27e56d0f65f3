//! Near-duplicates: which images must stay on one side of a split, and which pairs ended on two.

use super::Split;

/// Numbers the groups of images that hang together by `pairs` (positions in the list of images), from 0 in the
/// order of each group's first image: `groups(4, [(1, 3)])` is `[0, 1, 2, 1]`.
pub fn groups(images: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..images).collect();
    for &(a, b) in pairs {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        // The smaller position leads, so that a group's leader is its first image.
        parent[a.max(b)] = a.min(b);
    }
    let mut number = vec![usize::MAX; images];
    let mut next = 0;
    (0..images)
        .map(|image| {
            let leader = root(&mut parent, image);
            if number[leader] == usize::MAX {
                number[leader] = next;
                next += 1;
            }
            number[leader]
        })
        .collect()
}

/// Finds the leader, halving the way there for the next time (Tarjan and van Leeuwen 1984).
fn root(parent: &mut [usize], mut image: usize) -> usize {
    while parent[image] != image {
        parent[image] = parent[parent[image]];
        image = parent[image];
    }
    image
}

/// How many of `pairs` have one picture on each side.
pub fn count(pairs: &[(usize, usize)], splits: &[Split]) -> usize {
    pairs.iter().filter(|&&(a, b)| splits[a] != splits[b]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_hang_together_through_others() {
        assert_eq!(groups(6, &[(4, 2), (2, 0), (3, 5)]), [0, 1, 0, 2, 0, 2]);
        assert_eq!(groups(3, &[]), [0, 1, 2]);
    }

    #[test]
    fn a_pair_on_two_sides_is_a_leak() {
        let splits = [Split::Train, Split::Test, Split::Train];
        assert_eq!(count(&[(0, 1), (0, 2), (1, 2)], &splits), 2);
    }
}
