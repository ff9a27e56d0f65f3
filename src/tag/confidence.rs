//! From a network's outputs to confidences in percent.

/// The probabilities of outputs one of which is right.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> =
        logits.iter().map(|logit| libm::exp(f64::from(*logit) - f64::from(largest))).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// A probability in hundredths of a percent: what is surer by less is as sure, and the fixed order of labels decides.
pub(super) fn percent(probability: f64) -> f64 {
    ((probability * 10_000.0).round() / 100.0).min(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_whatever_the_size_of_the_logits() {
        let probabilities = softmax(&[1000.0, 1001.0, -1000.0]);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((probabilities[1] - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn a_percentage_has_two_decimals_and_stays_below_a_hundred() {
        assert_eq!(percent(0.123_456).to_string(), "12.35");
        assert_eq!(percent(1.0 + 1e-4).to_string(), "100");
    }
}
