//! Initial weights.

use serde::{Deserialize, Serialize};

use super::rng::{Purpose, Stream};

/// How initial weights are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// U[−l, l] with l = √(6 / (fan in + fan out)) (Glorot and Bengio 2010), Keras' default.
    #[default]
    GlorotUniform,
    /// U[−l, l] with l = √(6 / fan in) (He et al. 2015).
    HeUniform,
}

/// The number of inputs and outputs that one weight matrix connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fan {
    /// Inputs of one output: for a 3×3 convolution 9 times the input maps.
    pub inputs: usize,
    /// Outputs of one input: for a 3×3 convolution 9 times the output maps.
    pub outputs: usize,
}

impl Initializer {
    /// Fills `weights` for the given layer of the given seed.
    pub fn fill(self, weights: &mut [f32], fan: Fan, seed: u64, layer: u64) {
        let connections = match self {
            Self::GlorotUniform => fan.inputs + fan.outputs,
            Self::HeUniform => fan.inputs,
        };
        let limit = (6.0 / connections as f32).sqrt();
        let mut stream = Stream::new(seed, Purpose::Initial, 0, layer);
        weights.fill_with(|| stream.between(-limit, limit));
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the same draws are promised")]
mod tests {
    use super::*;

    #[test]
    fn glorot_weights_have_the_published_variance() {
        let mut weights = vec![0.0; 30_000];
        let fan = Fan { inputs: 100, outputs: 200 };
        Initializer::GlorotUniform.fill(&mut weights, fan, 1, 0);
        let variance = weights.iter().map(|w| w * w).sum::<f32>() / weights.len() as f32;
        assert!((variance * 150.0 - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn layers_and_seeds_differ() {
        let fan = Fan { inputs: 8, outputs: 8 };
        let draw = |seed, layer| {
            let mut weights = [0.0; 4];
            Initializer::HeUniform.fill(&mut weights, fan, seed, layer);
            weights
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }
}
