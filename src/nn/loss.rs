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

/// The cross-entropy of one example in nats, computed without leaving the range of `f64`. `target`
/// has each class's probability, times the example's weight. Not a number when a logit is not.
pub fn cross_entropy(logits: &[f32], target: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|v| (f64::from(*v) - largest).exp()).sum();
    let entropy = largest + sum.ln();
    let classes = logits.iter().zip(target).filter(|(_, target)| **target != 0.0);
    classes.map(|(logit, target)| f64::from(*target) * (entropy - f64::from(*logit))).sum()
}

/// The cross-entropy of one example of class `label`; see [`cross_entropy`].
pub fn cross_entropy_of(logits: &[f32], label: u32) -> f64 {
    let mut target = vec![0.0; logits.len()];
    target[label as usize] = 1.0;
    cross_entropy(logits, &target)
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

/// The gradient of the mean cross-entropy against `targets [n, classes]`, replacing `logits`:
/// (weight · softmax − target) / n, where an example's weight is the sum of its targets.
pub fn gradient(logits: &mut [f32], targets: &[f32], classes: usize) {
    softmax(logits, classes);
    let scale = 1.0 / (logits.len() / classes) as f32;
    for (row, target) in logits.chunks_exact_mut(classes).zip(targets.chunks_exact(classes)) {
        let weight: f32 = target.iter().sum();
        for (value, target) in row.iter_mut().zip(target) {
            *value = (*value * weight - target) * scale;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the halves are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_matches_finite_differences() {
        // A class for certain; a mixture whose example counts one and a half times.
        let (logits, targets) =
            ([0.3f32, -1.2, 2.0, 0.1, 0.0, -0.4], [0.0, 0.0, 1.0, 0.3, 1.2, 0.0]);
        let loss = |logits: &[f32]| {
            let rows = logits.chunks_exact(3).zip(targets.chunks_exact(3));
            rows.map(|(row, target)| cross_entropy(row, target)).sum::<f64>() / 2.0
        };
        let mut exact = logits;
        gradient(&mut exact, &targets, 3);
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
        assert!(cross_entropy_of(&[1e30, -1e30], 0).abs() < 1e-9);
        assert!(cross_entropy_of(&[f32::NAN, 0.0], 1).is_nan());
        let mut row = [1e30, 1e30];
        softmax(&mut row, 2);
        assert_eq!(row, [0.5, 0.5]);
    }
}
