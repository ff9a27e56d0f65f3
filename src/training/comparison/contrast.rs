//! A difference of averages over runs and pictures, with the two kinds of chance in it.
//!
//! Runs × pictures is a crossed design: the test pictures are the same for every seed, so the mean
//! over seeds keeps the whole doubt of having drawn these pictures, and loses only that of having
//! drawn these seeds. The variance of such a mean is estimated, without bias, as
//! (pictures + runs − interaction) mean squares over the cells; its degrees of freedom are those of
//! Satterthwaite as Hillis (2007, Statistics in Medicine 26: 596–619) gives them for readers × cases in
//! radiology, which is the same design (Dorfman, Berbaum, Metz 1992).

use super::distribution::{quantile, two_sided};
use super::interval::{Interval, LEVEL};
use super::sample::mean;

/// What the seeds of one recipe add to the variance.
#[derive(Debug, Clone, Copy)]
struct SeedPart {
    /// Variance of the mean over the runs, as it is seen: with the interaction in it.
    seen: f64,
    /// Without the interaction, at least 0.
    own: f64,
    degrees: f64,
}

/// An estimated difference and where its variance comes from.
#[derive(Debug, Clone)]
pub(super) struct Contrast {
    pub(super) estimate: f64,
    picture: f64,
    seeds: Vec<SeedPart>,
}

impl Contrast {
    /// An estimate with the variance that the draw of the pictures gives it.
    pub(super) fn new(estimate: f64, picture: f64) -> Self {
        Self { estimate, picture, seeds: Vec::new() }
    }

    /// Adds the spread of one recipe's seeds, whose runs gave `values`; one run shows no spread.
    pub(super) fn add_seeds(&mut self, values: &[f64], interaction: f64) {
        if values.len() < 2 {
            return;
        }
        let (runs, centre) = (values.len() as f64, mean(values));
        let squares = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
        let seen = squares / (runs - 1.0) / runs;
        let own = (seen - interaction).max(0.0);
        self.seeds.push(SeedPart { seen, own, degrees: runs - 1.0 });
    }

    /// Variance from the seeds alone.
    pub(super) fn seed_variance(&self) -> f64 {
        self.seeds.iter().map(|part| part.own).sum()
    }

    /// Degrees of freedom of the whole variance; infinite where only pictures vary.
    pub(super) fn degrees(&self) -> f64 {
        let term = |part: &SeedPart| part.seen * part.seen / part.degrees;
        let divisor: f64 = self.seeds.iter().map(term).sum();
        let fewest = self.seeds.iter().map(|part| part.degrees).fold(f64::INFINITY, f64::min);
        if divisor > 0.0 {
            ((self.picture + self.seed_variance()).powi(2) / divisor).max(fewest)
        } else {
            f64::INFINITY
        }
    }

    /// How many standard errors a 95 % interval reaches to each side.
    pub(super) fn quantile(&self) -> f64 {
        quantile(LEVEL, self.degrees())
    }

    /// The t interval, cut at ±`bound`, the most that the difference can be.
    pub(super) fn interval(&self, bound: f64) -> Interval {
        let half = self.quantile() * (self.picture + self.seed_variance()).sqrt();
        let estimate = self.estimate;
        let (low, high) = ((estimate - half).max(-bound), (estimate + half).min(bound));
        Interval { estimate, low, high }
    }

    /// The probability of a difference this large where there is none.
    pub(super) fn p_value(&self) -> f64 {
        let error = (self.picture + self.seed_variance()).sqrt();
        match (error > 0.0, self.estimate == 0.0) {
            (true, _) => two_sided(self.estimate / error, self.degrees()),
            (false, same) => f64::from(u8::from(same)),
        }
    }
}
