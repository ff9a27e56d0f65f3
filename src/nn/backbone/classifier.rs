//! The published network whole: the backbone under the layer that names `ImageNet`'s thousand classes.

use super::{Backbone, FEATURES};
use crate::nn::dense::{self, DenseShape};
use crate::nn::reversed;

/// Classes of ImageNet-1k, the classifier's outputs.
pub const CLASSES: usize = 1000;

/// `MobileNetV4` (conv, small) with its `ImageNet` classifier, frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    backbone: Backbone,
    /// `[FEATURES, CLASSES]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Classifier {
    /// The network with the tensors that `tensor(name, shape)` gives, as [`Backbone::new`] and with timm's
    /// `classifier.weight` and `classifier.bias`.
    ///
    /// # Errors
    /// The first error of `tensor`.
    pub fn new<E>(
        mut tensor: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let backbone = Backbone::new(&mut tensor)?;
        let weights = tensor("classifier.weight", &[CLASSES, FEATURES])?;
        let bias = tensor("classifier.bias", &[CLASSES])?;
        Ok(Self { backbone, weights: reversed(&weights, [CLASSES, 1, FEATURES]), bias })
    }

    /// Logits `[count, CLASSES]` of pictures that `fill` writes as for [`Backbone::features`].
    ///
    /// # Panics
    /// When `size` is no multiple of 32.
    pub fn logits(
        &self,
        size: usize,
        count: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Vec<f32> {
        self.head(&self.backbone.features(size, count, fill))
    }

    /// Logits of features `[count, FEATURES]`.
    fn head(&self, features: &[f32]) -> Vec<f32> {
        let shape = DenseShape { inputs: FEATURES, outputs: CLASSES };
        let mut logits = vec![0.0; features.len() / FEATURES * CLASSES];
        dense::evaluate(shape, features, (&self.weights, &self.bias), &mut logits, false);
        logits
    }
}
