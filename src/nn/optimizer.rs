//! Optimisers with Keras' formulas and defaults, fused and in place, whose state can be stored.

use rayon::prelude::*;

use super::isa::{Isa, on_each_isa};

/// Numbers that one piece of work covers.
const PIECE: usize = 1 << 16;

/// Decay of the first moment.
const BETA1: f32 = 0.9;

/// Decay of the second moment.
const BETA2: f32 = 0.999;

/// Decay of the mean square.
const RHO: f32 = 0.9;

/// Keeps quotients finite.
const EPSILON: f32 = 1e-7;

/// How weights follow their gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Adam (Kingma and Ba 2015).
    Adam {
        /// Each step first shrinks decaying weights by learning rate × this (Loshchilov and Hutter
        /// 2019).
        weight_decay: f64,
    },
    /// `RMSprop` (Tieleman and Hinton 2012).
    RmsProp {
        /// What a step keeps of the one before.
        momentum: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// What a step keeps of the one before.
        momentum: f64,
        /// Whether the gradient counts as if the momentum had been applied (Nesterov 1983).
        nesterov: bool,
    },
}

/// The running quantities of one variable; those that the rule does not use are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Mean of the gradient, or the last step.
    pub first: Vec<f32>,
    /// Mean of the squared gradient.
    pub second: Vec<f32>,
}

impl Rule {
    /// The quantities that a variable of `len` numbers starts with.
    pub fn moments(self, len: usize) -> Moments {
        let (first, second) = match self {
            Self::Adam { .. } => (true, true),
            Self::RmsProp { momentum } => (momentum > 0.0, true),
            Self::Sgd { momentum, .. } => (momentum > 0.0, false),
        };
        let zeros = |used: bool| if used { vec![0.0; len] } else { Vec::new() };
        Moments { first: zeros(first), second: zeros(second) }
    }
}

/// One optimiser step's constants.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    rule: Rule,
    rate: f32,
    /// The rate with Adam's correction for the moments' start at zero, and that of the second.
    corrected: (f32, f32),
}

impl Step {
    /// Step number `number`, counted from 1.
    pub fn new(rule: Rule, number: u64, learning_rate: f64) -> Self {
        let power = number as f64;
        let correction1 = 1.0 - f64::from(BETA1).powf(power);
        let correction2 = 1.0 - f64::from(BETA2).powf(power);
        let corrected = ((learning_rate / correction1) as f32, (1.0 / correction2) as f32);
        Self { rule, rate: learning_rate as f32, corrected }
    }

    /// Updates one variable and its moments; `decays` says whether weight decay applies to it.
    pub fn update(
        self,
        weights: &mut [f32],
        moments: &mut Moments,
        gradient: &[f32],
        decays: bool,
    ) {
        let isa = Isa::detect();
        let Moments { first, second } = moments;
        let pieces = weights.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
        match self.rule {
            Rule::Adam { weight_decay } => {
                let kept =
                    if decays { 1.0 - (f64::from(self.rate) * weight_decay) as f32 } else { 1.0 };
                let moments = first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE));
                pieces.zip(moments).for_each(|((w, g), (m, v))| {
                    adam(isa, (self.corrected.0, self.corrected.1, kept), w, (m, v), g);
                });
            }
            Rule::RmsProp { momentum } if momentum > 0.0 => {
                let moments = first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE));
                pieces.zip(moments).for_each(|((w, g), (m, v))| {
                    rms_prop_with_momentum(isa, (self.rate, momentum as f32), w, (m, v), g);
                });
            }
            Rule::RmsProp { .. } => pieces
                .zip(second.par_chunks_mut(PIECE))
                .for_each(|((w, g), v)| rms_prop(isa, self.rate, w, v, g)),
            Rule::Sgd { momentum, nesterov } if momentum > 0.0 => {
                pieces.zip(first.par_chunks_mut(PIECE)).for_each(|((w, g), m)| {
                    momentum_descent(isa, (self.rate, momentum as f32, nesterov), w, m, g);
                });
            }
            Rule::Sgd { .. } => pieces.for_each(|(w, g)| descent(isa, self.rate, w, g)),
        }
    }
}

on_each_isa! {
    /// w = kept · w − η · m̂ / (√v̂ + ε).
    fn adam(
        constants: (f32, f32, f32),
        weights: &mut [f32],
        moments: (&mut [f32], &mut [f32]),
        gradient: &[f32],
    ) {
        let (rate, scale2, kept) = constants;
        let moments = moments.0.iter_mut().zip(moments.1);
        for ((w, (m, v)), g) in weights.iter_mut().zip(moments).zip(gradient) {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *w = *w * kept - rate * *m / ((*v * scale2).sqrt() + EPSILON);
        }
    }
}

on_each_isa! {
    /// w −= η · g / √(v + ε).
    fn rms_prop(rate: f32, weights: &mut [f32], square: &mut [f32], gradient: &[f32]) {
        for ((w, v), g) in weights.iter_mut().zip(square).zip(gradient) {
            *v = RHO * *v + (1.0 - RHO) * g * g;
            *w -= rate * g / (*v + EPSILON).sqrt();
        }
    }
}

on_each_isa! {
    /// m = μ · m + η · g / √(v + ε); w −= m.
    fn rms_prop_with_momentum(
        constants: (f32, f32),
        weights: &mut [f32],
        moments: (&mut [f32], &mut [f32]),
        gradient: &[f32],
    ) {
        let (rate, momentum) = constants;
        let moments = moments.0.iter_mut().zip(moments.1);
        for ((w, (m, v)), g) in weights.iter_mut().zip(moments).zip(gradient) {
            *v = RHO * *v + (1.0 - RHO) * g * g;
            *m = momentum * *m + rate * g / (*v + EPSILON).sqrt();
            *w -= *m;
        }
    }
}

on_each_isa! {
    /// w −= η · g.
    fn descent(rate: f32, weights: &mut [f32], gradient: &[f32]) {
        for (w, g) in weights.iter_mut().zip(gradient) {
            *w -= rate * g;
        }
    }
}

on_each_isa! {
    /// m = μ · m − η · g; w += m, or after Nesterov w += μ · m − η · g.
    fn momentum_descent(
        constants: (f32, f32, bool),
        weights: &mut [f32],
        step: &mut [f32],
        gradient: &[f32],
    ) {
        let (rate, momentum, nesterov) = constants;
        for ((w, m), g) in weights.iter_mut().zip(step).zip(gradient) {
            *m = momentum * *m - rate * g;
            *w += if nesterov { momentum * *m - rate * g } else { *m };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Rule; 7] = [
        Rule::Adam { weight_decay: 0.0 },
        Rule::Adam { weight_decay: 0.1 },
        Rule::RmsProp { momentum: 0.0 },
        Rule::RmsProp { momentum: 0.5 },
        Rule::Sgd { momentum: 0.0, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: true },
    ];

    /// Keras' formulas for the same steps, in double precision.
    const KERAS: [[f64; 3]; 7] = [
        [0.990_000_1, 0.993_661_1, 0.995_028_0],
        [0.989_000_1, 0.991_672_1, 0.992_047_3],
        [0.968_377_3, 0.996_948_7, 0.989_624_2],
        [0.968_377_3, 0.981_137_3, 0.980_192_9],
        [0.995_000_0, 1.005_000_0, 1.002_500_0],
        [0.995_000_0, 1.000_500_0, 1.002_950_0],
        [0.990_500_0, 1.005_450_0, 1.005_155_0],
    ];

    /// The weight after each of three gradients, starting from 1, at a rate of 0.01.
    fn path(rule: Rule) -> [f32; 3] {
        let (mut weights, mut moments) = (vec![1.0f32], rule.moments(1));
        let gradients = [0.5, -1.0, 0.25];
        let mut number = 0;
        gradients.map(|gradient| {
            number += 1;
            Step::new(rule, number, 0.01).update(&mut weights, &mut moments, &[gradient], true);
            weights[0]
        })
    }

    #[test]
    fn three_steps_of_every_rule_are_keras() {
        for (rule, expected) in RULES.into_iter().zip(KERAS) {
            for (found, expected) in path(rule).into_iter().zip(expected) {
                let off = (f64::from(found) - expected).abs();
                assert!(off < 1e-6, "{rule:?}: {:?}", path(rule));
            }
        }
    }

    #[test]
    fn every_rule_finds_the_minimum_of_a_parabola() {
        for rule in RULES.into_iter().filter(|rule| *rule != RULES[1]) {
            let (mut weights, mut moments) = (vec![3.0f32], rule.moments(1));
            for number in 1..=3000 {
                let gradient = [2.0 * (weights[0] - 1.5)];
                let rate = 0.01 / (1.0 + number as f64 / 300.0);
                Step::new(rule, number, rate).update(&mut weights, &mut moments, &gradient, true);
            }
            assert!((weights[0] - 1.5).abs() < 1e-2, "{rule:?}: {weights:?}");
        }
    }

    #[test]
    fn weight_decay_spares_what_does_not_decay() {
        let (mut weights, rule) = (vec![1.0, 0.0], RULES[1]);
        let mut moments = rule.moments(2);
        Step::new(rule, 1, 0.01).update(&mut weights, &mut moments, &[0.0, 0.0], false);
        assert!(weights == [1.0, 0.0]);
    }
}
