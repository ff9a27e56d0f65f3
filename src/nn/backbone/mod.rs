//! A pretrained network whose features a small head can learn from: `MobileNetV4` (conv, small).
//!
//! The network is that of Qin et al. 2024 (<https://arxiv.org/abs/2404.10518>) in the form that timm
//! trains as `mobilenetv4_conv_small` (3.8 million weights, 0.19 G multiplications at 224×224). It only
//! evaluates: batch normalisation is folded into the convolutions when the weights are read, and
//! nothing here has a backward pass.

mod architecture;
mod classifier;
mod depthwise;
mod forward;
mod kernel;
mod product;
#[cfg(test)]
pub(crate) mod tests;
mod weights;

use rayon::prelude::*;

pub use architecture::{Convolution, End, convolutions};
pub use classifier::{CLASSES, Classifier};
use forward::Scratch;
use kernel::Kernel;
use product::Patches;
pub use weights::{TensorError, read, read_classifier};

/// Numbers in the features of one picture.
pub const FEATURES: usize = 1280;

/// A picture's rows and columns are a multiple of this.
pub const STRIDE: usize = 32;

/// Rows and columns of the pictures that the published weights were trained on.
pub const SIZE: usize = 224;

/// Mean of the training pictures' colours in 0..1 (timm's `IMAGENET_DEFAULT_MEAN`).
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Deviation of the training pictures' colours (timm's `IMAGENET_DEFAULT_STD`).
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// A convolution with its numbers.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    convolution: Convolution,
    kernel: Kernel,
}

/// `MobileNetV4` (conv, small) with frozen weights, up to its features.
#[derive(Debug, Clone, PartialEq)]
pub struct Backbone {
    layers: Vec<Layer>,
    /// Makes the features of the averaged maps.
    head: Layer,
}

/// The numbers of one convolution, its batch normalisation folded in.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// As [`Convolution::weight_shape`] says: filter positions first, outputs last.
    pub weights: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
}

impl Backbone {
    /// The network with the tensors that `tensor(name, shape)` gives: timm's names, the shapes of
    /// `PyTorch` (a convolution's weights are `[outputs, inputs, rows, columns]`).
    ///
    /// # Errors
    /// The first error of `tensor`.
    pub fn new<E>(
        mut tensor: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        Self::with_kernels(|convolution| Kernel::folded(&mut tensor, convolution))
    }

    /// The network with the numbers that [`Self::numbers`] gave: the same bits.
    ///
    /// # Errors
    /// The first error of `numbers`.
    pub fn with_numbers<E>(
        mut numbers: impl FnMut(&Convolution) -> Result<Numbers, E>,
    ) -> Result<Self, E> {
        Self::with_kernels(|convolution| {
            let Numbers { weights, bias } = numbers(convolution)?;
            Ok(Kernel { weights, bias })
        })
    }

    fn with_kernels<E>(
        mut kernel: impl FnMut(&Convolution) -> Result<Kernel, E>,
    ) -> Result<Self, E> {
        let layer = |convolution: Convolution| {
            let kernel = kernel(&convolution)?;
            let kernel = if convolution.depthwise { kernel } else { kernel.packed() };
            Ok(Layer { convolution, kernel })
        };
        let mut layers = convolutions().into_iter().map(layer).collect::<Result<Vec<_>, E>>()?;
        let head = layers.pop().expect("the network has convolutions");
        Ok(Self { layers, head })
    }

    /// Every convolution with its numbers, in the order of [`convolutions`].
    pub fn numbers(&self) -> impl Iterator<Item = (&Convolution, Numbers)> {
        self.layers.iter().chain([&self.head]).map(|Layer { convolution, kernel }| {
            let weights =
                if convolution.depthwise { kernel.weights.clone() } else { kernel.unpacked() };
            (convolution, Numbers { weights, bias: kernel.bias.clone() })
        })
    }

    /// Features `[count, 1280]`; `fill(i, picture)` writes picture `i` as `[size, size, 3]` in 0..1.
    /// A picture's features do not depend on the others.
    ///
    /// # Panics
    /// When `size` is no multiple of 32.
    pub fn features(
        &self,
        size: usize,
        count: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Vec<f32> {
        assert!(size > 0 && size.is_multiple_of(STRIDE), "size must be a multiple of 32");
        let mut pooled = vec![0.0; count * architecture::POOLED];
        pooled.par_chunks_mut(architecture::POOLED).enumerate().for_each_init(
            Scratch::default,
            |scratch, (index, pooled)| {
                fill(index, scratch.picture(size));
                normalize(scratch.picture(size));
                scratch.run(&self.layers, size, pooled);
            },
        );
        let mut features = vec![0.0; count * FEATURES];
        let tiles = pooled.par_chunks(product::TILE * architecture::POOLED);
        tiles.zip(features.par_chunks_mut(product::TILE * FEATURES)).for_each(
            |(pooled, features)| {
                let (step, len) = (architecture::POOLED, architecture::POOLED);
                let patches = Patches { data: pooled, rows: 1, step, len };
                product::multiply(&self.head.kernel, patches, features, End::Relu);
            },
        );
        features
    }
}

/// Colours as the published weights expect them: (x − mean) / deviation.
fn normalize(picture: &mut [f32]) {
    for pixel in picture.as_chunks_mut::<3>().0 {
        for (value, (mean, deviation)) in pixel.iter_mut().zip(MEAN.into_iter().zip(DEVIATION)) {
            *value = (*value - mean) / deviation;
        }
    }
}
