//! Softmax and its cross-entropy.

/// Turns each row of `logits [n, classes]` into probabilities, in place.
pub fn softmax(logits: &mut [f32], classes: usize) {
    for row in logits.chunks_exact_mut(classes) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = (*value - largest).exp();
            sum += *value;
        }
        for value in row {
            *value /= sum;
        }
    }
}

/// The cross-entropy of one example in nats, computed without leaving the range of `f64`.
/// Not a number when a logit is not.
pub fn cross_entropy(logits: &[f32], label: u32) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|v| (f64::from(*v) - largest).exp()).sum();
    largest + sum.ln() - f64::from(logits[label as usize])
}

/// The class with the largest value; the first one on ties.
pub fn best_class(values: &[f32]) -> u32 {
    let mut best = 0;
    for (class, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = class;
        }
    }
    best as u32
}

/// The gradient of the mean cross-entropy: (softmax − one-hot) / n, replacing `logits`.
pub fn gradient(logits: &mut [f32], labels: &[u32]) {
    let classes = logits.len() / labels.len();
    softmax(logits, classes);
    let scale = 1.0 / labels.len() as f32;
    for (row, label) in logits.chunks_exact_mut(classes).zip(labels) {
        row[*label as usize] -= 1.0;
        for value in row {
            *value *= scale;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the halves are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_matches_finite_differences() {
        let (logits, labels) = ([0.3f32, -1.2, 2.0, 0.1, 0.0, -0.4], [2, 1]);
        let loss = |logits: &[f32]| {
            let rows = logits.chunks_exact(3).zip(labels);
            rows.map(|(row, label)| cross_entropy(row, label)).sum::<f64>() / 2.0
        };
        let mut exact = logits;
        gradient(&mut exact, &labels);
        for at in 0..logits.len() {
            let (mut up, mut down) = (logits, logits);
            up[at] += 1e-3;
            down[at] -= 1e-3;
            let slope = (loss(&up) - loss(&down)) / f64::from(up[at] - down[at]);
            assert!((slope - f64::from(exact[at])).abs() < 1e-5, "{at}: {slope}");
        }
    }

    #[test]
    fn huge_logits_stay_finite_and_nan_does_not_hide() {
        assert!(cross_entropy(&[1e30, -1e30], 0).abs() < 1e-9);
        assert!(cross_entropy(&[f32::NAN, 0.0], 1).is_nan());
        let mut row = [1e30, 1e30];
        softmax(&mut row, 2);
        assert_eq!(row, [0.5, 0.5]);
    }
}
