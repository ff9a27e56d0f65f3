//! Adam (Kingma and Ba 2015), fused and in place, with moments that can be stored and restored.

use rayon::prelude::*;

/// Numbers that one piece of work covers.
const PIECE: usize = 1 << 16;

/// Decay of the first moment (Keras' default).
const BETA1: f32 = 0.9;

/// Decay of the second moment (Keras' default).
const BETA2: f32 = 0.999;

/// Keeps the quotient finite (Keras' default).
const EPSILON: f32 = 1e-7;

/// The two running moments of one variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Mean of the gradient.
    pub first: Vec<f32>,
    /// Mean of the squared gradient.
    pub second: Vec<f32>,
}

impl Moments {
    /// The zero moments of a variable of `len` numbers.
    pub fn zeros(len: usize) -> Self {
        Self { first: vec![0.0; len], second: vec![0.0; len] }
    }
}

/// One optimiser step's constants.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    rate: f32,
    scale2: f32,
}

impl Adam {
    /// The constants of step number `step`, counted from 1.
    pub fn at(step: u64, learning_rate: f64) -> Self {
        let power = step as f64;
        let correction1 = 1.0 - f64::from(BETA1).powf(power);
        let correction2 = 1.0 - f64::from(BETA2).powf(power);
        Self { rate: (learning_rate / correction1) as f32, scale2: (1.0 / correction2) as f32 }
    }

    /// Updates one variable and its moments: w −= η · m̂ / (√v̂ + ε).
    pub fn update(self, weights: &mut [f32], moments: &mut Moments, gradient: &[f32]) {
        weights
            .par_chunks_mut(PIECE)
            .zip(moments.first.par_chunks_mut(PIECE))
            .zip(moments.second.par_chunks_mut(PIECE))
            .zip(gradient.par_chunks(PIECE))
            .for_each(|(((w, m), v), g)| self.update_piece(w, (m, v), g));
    }

    fn update_piece(
        self,
        weights: &mut [f32],
        moments: (&mut [f32], &mut [f32]),
        gradient: &[f32],
    ) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "calls a body compiled for AVX2")]
            // SAFETY: the feature was detected on the line above.
            return unsafe { update_avx2(self, weights, moments, gradient) };
        }
        update_body(self, weights, moments, gradient);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn update_avx2(
    adam: Adam,
    weights: &mut [f32],
    moments: (&mut [f32], &mut [f32]),
    gradient: &[f32],
) {
    update_body(adam, weights, moments, gradient);
}

#[expect(clippy::inline_always, reason = "takes on its caller's instruction set")]
#[inline(always)]
fn update_body(
    adam: Adam,
    weights: &mut [f32],
    moments: (&mut [f32], &mut [f32]),
    gradient: &[f32],
) {
    let moments = moments.0.iter_mut().zip(moments.1);
    for ((w, (m, v)), g) in weights.iter_mut().zip(moments).zip(gradient) {
        *m = BETA1 * *m + (1.0 - BETA1) * g;
        *v = BETA2 * *v + (1.0 - BETA2) * g * g;
        *w -= adam.rate * *m / ((*v * adam.scale2).sqrt() + EPSILON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_moves_each_weight_by_the_learning_rate() {
        let (mut weights, mut moments) = (vec![1.0, 1.0, 1.0], Moments::zeros(3));
        Adam::at(1, 0.01).update(&mut weights, &mut moments, &[5.0, -0.2, 0.0]);
        for (weight, expected) in weights.iter().zip([0.99, 1.01, 1.0]) {
            assert!((weight - expected).abs() < 1e-6, "{weights:?}");
        }
    }

    #[test]
    fn it_finds_the_minimum_of_a_parabola() {
        let (mut weights, mut moments) = (vec![3.0f32], Moments::zeros(1));
        for step in 1..=2000 {
            let gradient = [2.0 * (weights[0] - 1.5)];
            Adam::at(step, 0.01).update(&mut weights, &mut moments, &gradient);
        }
        assert!((weights[0] - 1.5).abs() < 1e-3, "{weights:?}");
    }
}
