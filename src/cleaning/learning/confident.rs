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

/// Opinions on `labels` from `probabilities`, `[labels, classes]`.
pub(super) fn opinions(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<Opinion> {
    let joint = joint(labels, probabilities, classes);
    let mut suspect = vec![false; labels.len()];
    for given in 0..classes {
        for actual in (0..classes).filter(|actual| *actual != given) {
            let count = joint[given * classes + actual];
            // The likeliest ones between the two classes.
            let mut margins: Vec<(f32, usize)> = labels
                .iter()
                .enumerate()
                .filter(|(_, label)| **label as usize == given)
                .map(|(at, _)| (margin(&probabilities[at * classes..], actual, given), at))
                .collect();
            margins.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            margins.iter().take(count).for_each(|(_, at)| suspect[*at] = true);
        }
    }
    let rows = probabilities.chunks_exact(classes);
    labels
        .iter()
        .zip(rows)
        .zip(suspect)
        .map(|((&label, row), suspect)| {
            let suggested = likeliest(row);
            let suspect = suspect && suggested != label;
            Opinion { suspect, suggested, self_confidence: row[label as usize] }
        })
        .collect()
}

fn margin(row: &[f32], actual: usize, given: usize) -> f32 {
    row[actual] - row[given]
}

fn likeliest(row: &[f32]) -> u32 {
    let by_probability =
        |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1).then(b.0.cmp(&a.0));
    row.iter().enumerate().max_by(by_probability).map_or(0, |(class, _)| class as u32)
}

/// How many pictures of each label (row) belong to each class (column), estimated: the confident counts, scaled so that
/// each row has as many as there are pictures with that label.
fn joint(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<usize> {
    let thresholds = thresholds(labels, probabilities, classes);
    let mut counts = vec![0_usize; classes * classes];
    let mut sizes = vec![0_usize; classes];
    for (&label, row) in labels.iter().zip(probabilities.chunks_exact(classes)) {
        sizes[label as usize] += 1;
        let sure =
            row.iter().enumerate().filter(|(class, p)| f64::from(**p) >= thresholds[*class] - 1e-6);
        let best = sure.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        if let Some((class, _)) = best {
            counts[label as usize * classes + class] += 1;
        }
    }
    let rows = counts.chunks_exact(classes).zip(&sizes);
    rows.flat_map(|(row, &size)| {
        let total: usize = row.iter().sum::<usize>().max(1);
        row.iter()
            .map(move |&count| ((count * size) as f64 / total as f64).round_ties_even() as usize)
    })
    .collect()
}

/// The mean probability of each class over the pictures with its label.
fn thresholds(labels: &[u32], probabilities: &[f32], classes: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_usize); classes];
    for (&label, row) in labels.iter().zip(probabilities.chunks_exact(classes)) {
        let sum = &mut sums[label as usize];
        *sum = (sum.0 + f64::from(row[label as usize]), sum.1 + 1);
    }
    sums.into_iter().map(|(sum, count)| if count == 0 { 1.0 } else { sum / count as f64 }).collect()
}
