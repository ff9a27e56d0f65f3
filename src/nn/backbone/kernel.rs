//! Weights and bias of one layer, in the order that the kernels read, with batch normalisation
//! folded in.

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
    ///
    /// `shape` is `[outputs, inputs, rows, columns]`; of a depthwise convolution `inputs` is 1.
    pub(super) fn folded<E>(
        tensor: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
        convolution: &str,
        normalization: &str,
        shape: [usize; 4],
    ) -> Result<Self, E> {
        let [outputs, inputs, rows, columns] = shape;
        let weights = tensor(&format!("{convolution}.weight"), &shape)?;
        let mut weights = reversed(&weights, [outputs, inputs, rows * columns]);
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

    /// A fully connected layer; `shape` is `[outputs, inputs]`.
    pub(super) fn linear<E>(
        tensor: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
        name: &str,
        shape: [usize; 2],
    ) -> Result<Self, E> {
        let weights = tensor(&format!("{name}.weight"), &shape)?;
        let bias = tensor(&format!("{name}.bias"), &shape[..1])?;
        Ok(Self { weights: reversed(&weights, [shape[0], 1, shape[1]]), bias })
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
}
