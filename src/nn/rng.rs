//! Seeded random streams addressed by purpose, epoch and index, so that no draw depends on another.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is drawn for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the index is the layer.
    Initial = 1,
    /// Dropout masks; the index is layer and position in the epoch.
    Dropout = 2,
    /// The order of the examples in an epoch.
    Shuffle = 3,
    /// Augmentation; the index is the example.
    Augment = 4,
    /// Mixup; the index is the batch.
    Mixup = 5,
    /// Which training pictures a share keeps; the index is the class.
    Share = 6,
    /// Which pictures are judged by a network that has not seen them.
    Fold = 7,
}

/// A `ChaCha8` stream whose key is (seed, purpose, epoch, index).
///
/// Any stream can be opened at any time, which is what makes training independent of the thread
/// count and exactly resumable.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Opens the stream of one (seed, purpose, epoch, index).
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        let mut key = [0u8; 32];
        let words = [seed, purpose as u64, epoch, index];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The next 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in [0, 1), on a grid of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 16_777_216.0
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..`bound`, without bias (Lemire 2019). `bound` is at least 1.
    pub fn below(&mut self, bound: u32) -> u32 {
        loop {
            let product = u64::from(self.bits()) * u64::from(bound);
            let reject_below = bound.wrapping_neg() % bound;
            if product as u32 >= reject_below {
                return (product >> 32) as u32;
            }
        }
    }

    /// Fisher–Yates shuffle in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_address_changes_the_stream() {
        let first = |seed, purpose, epoch, index| Stream::new(seed, purpose, epoch, index).bits();
        let base = first(1, Purpose::Shuffle, 2, 3);
        assert_eq!(base, first(1, Purpose::Shuffle, 2, 3));
        assert_ne!(base, first(9, Purpose::Shuffle, 2, 3));
        assert_ne!(base, first(1, Purpose::Dropout, 2, 3));
        assert_ne!(base, first(1, Purpose::Shuffle, 9, 3));
        assert_ne!(base, first(1, Purpose::Shuffle, 2, 9));
    }

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut stream = Stream::new(1, Purpose::Initial, 0, 0);
        let drawn = [stream.bits(), stream.bits(), stream.bits()];
        assert_eq!(drawn, [1_489_600_331, 1_011_583_306, 2_319_271_736]);
    }

    #[test]
    fn unit_draws_fill_the_interval_evenly() {
        let mut stream = Stream::new(7, Purpose::Augment, 0, 0);
        let draws: Vec<f32> = (0..20_000).map(|_| stream.unit()).collect();
        assert!(draws.iter().all(|v| (0.0..1.0).contains(v)));
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    #[test]
    fn a_shuffle_keeps_every_item_once() {
        let mut items: Vec<u32> = (0..100).collect();
        Stream::new(3, Purpose::Shuffle, 1, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
