//! Confident learning: which labels are wrong, from out-of-fold probabilities.
//!
//! Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021): a picture
//! counts for the class of which it is at least as sure as the pictures with that label are on average. Where that
//! class is another one than its label, the label is suspect; each class gives up as many as the joint counts estimate.

/// What the probabilities say of one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Opinion {
    /// Whether the label is held to be wrong.
    pub(super) suspect: bool,
    /// The most probable class.
    pub(super) suggested: u32,
    /// Probability of the label, 0 to 1.
    pub(super) self_confidence: f32,
}

/// Rounding of single-precision probabilities: a value this little below a threshold is not below it.
const ROUNDING: f64 = 1e-6;

/// Opinions on `labels` from `probabilities`, `[labels, classes]`; those of cleanlab's `prune_by_noise_rate`.
pub(super) fn opinions(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<Opinion> {
    let wrong = wrong(labels, probabilities, classes);
    let mut suspect = vec![false; labels.len()];
    for given in 0..classes {
        let members: Vec<usize> =
            (0..labels.len()).filter(|at| labels[*at] as usize == given).collect();
        // The last picture of a class stays.
        if members.len() < 2 {
            continue;
        }
        for (actual, &count) in wrong[given].iter().enumerate() {
            // The likeliest ones between the two classes.
            let margin = |at: usize| {
                let row = &probabilities[at * classes..];
                f64::from(row[actual]) - f64::from(row[given])
            };
            let mut ranked = members.clone();
            ranked.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
            ranked.iter().take(count).for_each(|at| suspect[*at] = true);
        }
    }
    let rows = probabilities.chunks_exact(classes);
    labels
        .iter()
        .zip(rows)
        .zip(suspect)
        .map(|((&label, row), suspect)| {
            let suggested = likeliest(row);
            let self_confidence = row[label as usize];
            let lead = f64::from(row[suggested as usize]) - f64::from(self_confidence);
            Opinion { suspect: suspect && lead >= ROUNDING, suggested, self_confidence }
        })
        .collect()
}

fn likeliest(row: &[f32]) -> u32 {
    let by_probability =
        |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1).then(b.0.cmp(&a.0));
    row.iter().enumerate().max_by(by_probability).map_or(0, |(class, _)| class as u32)
}

/// How many pictures of each label belong to each other class, by label and class; none on the diagonal.
fn wrong(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<Vec<usize>> {
    let mut joint = joint(labels, probabilities, classes);
    for (given, row) in joint.iter_mut().enumerate() {
        // A class that would give up all its pictures keeps one, and each other class gets its share less.
        let lacking = 1_usize.saturating_sub(row[given]) as f64;
        let others = row.iter().filter(|count| **count > 0).count().saturating_sub(1).max(1) as f64;
        for count in row.iter_mut() {
            *count = (*count as f64 - lacking / others).max(0.0) as usize;
        }
        row[given] = 0;
    }
    joint
}

/// How many pictures of each label belong to each class, estimated: the confident counts, scaled so that each label has
/// as many as there are pictures with it.
fn joint(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<Vec<usize>> {
    let thresholds = thresholds(labels, probabilities, classes);
    let mut counts = vec![vec![0_usize; classes]; classes];
    let mut sizes = vec![0_usize; classes];
    for (&label, row) in labels.iter().zip(probabilities.chunks_exact(classes)) {
        sizes[label as usize] += 1;
        let mut sure =
            (0..classes).filter(|&class| f64::from(row[class]) >= thresholds[class] - ROUNDING);
        let class = match (sure.next(), sure.next()) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => likeliest(row) as usize,
            (None, _) => continue,
        };
        counts[label as usize][class] += 1;
    }
    for (class, row) in counts.iter_mut().enumerate() {
        // One that is right stands in each class.
        row[class] = row[class].max(1);
        let total: usize = row.iter().sum();
        let scaled: Vec<f64> =
            row.iter().map(|&count| (count * sizes[class]) as f64 / total as f64).collect();
        *row = round_preserving_sum(&scaled, sizes[class]);
    }
    counts
}

/// Whole numbers near `values` with the sum `sum`: where rounding each gives another one, those are moved that were
/// rounded furthest.
fn round_preserving_sum(values: &[f64], sum: usize) -> Vec<usize> {
    let mut rounded: Vec<usize> = values.iter().map(|v| v.round_ties_even() as usize).collect();
    let rest = |at: usize| values[at] - values[at].round_ties_even();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| rest(a).total_cmp(&rest(b)));
    let total: usize = rounded.iter().sum();
    for &at in order.iter().take(total.saturating_sub(sum)) {
        rounded[at] -= 1;
    }
    for &at in order.iter().rev().take(sum.saturating_sub(total)) {
        rounded[at] += 1;
    }
    rounded
}

/// The mean probability of each class over the pictures with its label, but so much that nothing is sure of what is
/// never probable; more than any for a class without pictures.
fn thresholds(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_usize); classes];
    for (&label, row) in labels.iter().zip(probabilities.chunks_exact(classes)) {
        let sum = &mut sums[label as usize];
        *sum = (sum.0 + f64::from(row[label as usize]), sum.1 + 1);
    }
    let threshold = |(sum, count): (f64, usize)| match count {
        0 => 2.0,
        _ => (sum / count as f64).max(2.0 * ROUNDING),
    };
    sums.into_iter().map(threshold).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// What `scripts/cleanlab-fixtures` wrote.
    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        labels: Vec<u32>,
        probabilities: Vec<f32>,
        suspect: Vec<usize>,
    }

    #[test]
    fn the_same_labels_are_suspect_as_with_cleanlab() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("fixtures/cleanlab.json")).unwrap();
        for case in cases {
            let opinions = opinions(&case.labels, &case.probabilities, case.classes);
            let found: Vec<usize> =
                (0..opinions.len()).filter(|at| opinions[*at].suspect).collect();
            assert_eq!(found, case.suspect, "{} classes", case.classes);
        }
    }

    #[test]
    fn rounding_keeps_the_sum() {
        assert_eq!(round_preserving_sum(&[0.4, 0.4, 0.2], 1), [0, 1, 0]);
        assert_eq!(round_preserving_sum(&[0.6, 0.7, 0.7], 2), [0, 1, 1]);
        assert_eq!(round_preserving_sum(&[3.0, 1.0], 4), [3, 1]);
    }
}
