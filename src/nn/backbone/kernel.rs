//! Weights and bias of one layer, in the order that the kernels read, with batch normalisation
//! folded in.

use super::architecture::Convolution;
use crate::nn::reversed;

/// Keeps the quotient of a batch normalisation finite (timm's default).
const EPSILON: f32 = 1e-5;

/// Outputs whose weights are packed together.
pub(super) const PANEL: usize = 32;

/// The numbers of one convolution or fully connected layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kernel {
    /// `[rows · columns · inputs, outputs]`; packed `[outputs / 32, rows · columns · inputs, 32]`.
    pub(super) weights: Vec<f32>,
    /// `[outputs]`.
    pub(super) bias: Vec<f32>,
}

impl Kernel {
    /// A convolution without bias and the batch normalisation after it, as one convolution:
    /// γ · (w∗x − μ) / √(σ² + ε) + β = (γ / √(σ² + ε) · w) ∗ x + (β − γ · μ / √(σ² + ε)).
    pub(super) fn folded<E>(
        tensor: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
        convolution: &Convolution,
    ) -> Result<Self, E> {
        let shape = convolution.published_shape();
        let [outputs, inputs, rows, columns] = shape;
        let weights = tensor(&format!("{}.weight", convolution.name), &shape)?;
        let mut weights = reversed(&weights, [outputs, inputs, rows * columns]);
        let normalization = &convolution.normalization;
        let mut part = |name: &str| tensor(&format!("{normalization}.{name}"), &[outputs]);
        let (gamma, mut bias) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let scales: Vec<f32> =
            gamma.iter().zip(&variance).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
        for row in weights.chunks_exact_mut(outputs) {
            for (weight, scale) in row.iter_mut().zip(&scales) {
                *weight *= scale;
            }
        }
        for (bias, (mean, scale)) in bias.iter_mut().zip(mean.iter().zip(&scales)) {
            *bias -= mean * scale;
        }
        Ok(Self { weights, bias })
    }

    /// The same numbers in the order in which [`super::product`] reads them.
    ///
    /// # Panics
    /// When the number of outputs is no multiple of 32.
    pub(super) fn packed(self) -> Self {
        let outputs = self.bias.len();
        assert!(outputs.is_multiple_of(PANEL), "outputs");
        let panels = (0..outputs).step_by(PANEL).flat_map(|panel| {
            self.weights.chunks_exact(outputs).flat_map(move |row| &row[panel..panel + PANEL])
        });
        Self { weights: panels.copied().collect(), bias: self.bias }
    }

    /// What [`Self::packed`] was made of.
    pub(super) fn unpacked(&self) -> Vec<f32> {
        let rows = self.weights.len() / self.bias.len();
        let panels = || self.weights.chunks_exact(rows * PANEL);
        let row = |at: usize| panels().flat_map(move |panel| &panel[at * PANEL..][..PANEL]);
        (0..rows).flat_map(row).copied().collect()
    }
}
