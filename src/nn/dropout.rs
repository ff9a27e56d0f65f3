//! Inverted dropout with its own random streams.

use super::rng::{Purpose, Stream};

/// The address of one example's mask in one layer.
#[derive(Debug, Clone, Copy)]
pub struct MaskKey {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The dropout layer, from 0.
    pub layer: u64,
    /// The example's position in the epoch.
    pub position: u64,
}

/// Zeroes each value with probability `rate` and scales the others by 1 / (1 − rate), so that
/// evaluation needs no change (Srivastava et al. 2014, the inverted form). `rate` is in [0, 1).
///
/// The backward pass is the same call on the gradient: the mask follows from the key alone.
pub fn apply(values: &mut [f32], rate: f32, key: MaskKey) {
    let index = (key.layer << 48) | key.position;
    let mut stream = Stream::new(key.seed, Purpose::Dropout, key.epoch, index);
    let (drop_below, scale) = ((f64::from(rate) * 4_294_967_296.0) as u32, 1.0 / (1.0 - rate));
    for value in values {
        let keep = stream.bits() >= drop_below;
        *value = if keep { *value * scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MaskKey = MaskKey { seed: 1, epoch: 1, layer: 0, position: 5 };

    #[test]
    fn the_expected_value_is_kept() {
        let mut values = vec![1.0; 50_000];
        apply(&mut values, 0.3, KEY);
        let dropped = values.iter().filter(|v| **v == 0.0).count() as f32 / values.len() as f32;
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((dropped - 0.3).abs() < 0.01 && (mean - 1.0).abs() < 0.02, "{dropped} {mean}");
    }

    #[test]
    fn the_same_key_gives_the_same_mask_and_another_layer_another() {
        let masked = |key| {
            let mut values = vec![1.0; 64];
            apply(&mut values, 0.5, key);
            values
        };
        assert_eq!(masked(KEY), masked(KEY));
        assert_ne!(masked(KEY), masked(MaskKey { layer: 1, ..KEY }));
        assert_ne!(masked(KEY), masked(MaskKey { position: 6, ..KEY }));
    }
}
