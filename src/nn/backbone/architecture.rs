//! The blocks of `MobileNetV4` (conv, small) and the steps that they come down to.

use super::kernel::Kernel;

/// Feature maps of the last block, which are averaged.
pub(super) const POOLED: usize = 960;

/// One operation on the maps of a picture `[side, side, maps]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Convolution 3×3 with stride 2 and a border of one zero, then `ReLU`.
    Strided(Kernel),
    /// One filter for each map, `size` × `size`, with a border of `size / 2` zeros.
    Depthwise {
        /// The filters.
        kernel: Kernel,
        /// Rows and columns of a filter, 3 or 5.
        size: usize,
        /// Pixels between two outputs, 1 or 2.
        stride: usize,
        /// Whether a `ReLU` follows.
        relu: bool,
    },
    /// Convolution 1×1.
    Pointwise {
        /// The weights.
        kernel: Kernel,
        /// What follows.
        end: End,
    },
    /// Remembers the maps for [`End::AddToKept`].
    Keep,
}

/// What follows a convolution 1×1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Negative results become zero.
    Relu,
    /// Nothing.
    Linear,
    /// The maps that [`Step::Keep`] remembered are added.
    AddToKept,
}

/// A universal inverted bottleneck: depthwise, expansion, depthwise, projection.
#[derive(Debug, Clone, Copy)]
struct Inverted {
    inputs: usize,
    expanded: usize,
    outputs: usize,
    /// Filter size before the expansion; 0 for none.
    start: usize,
    /// Filter size after the expansion, with the stride; 0 for none.
    middle: usize,
    stride: usize,
}

/// `uir_r*_a{start}_k{middle}_s{stride}_e*_c{outputs}` in timm's notation.
const fn inverted(
    [inputs, expanded, outputs]: [usize; 3],
    [start, middle]: [usize; 2],
    stride: usize,
) -> Inverted {
    Inverted { inputs, expanded, outputs, start, middle, stride }
}

/// Stages 2 and 3.
const STAGES: [&[Inverted]; 2] = [
    &[
        inverted([64, 192, 96], [5, 5], 2),
        inverted([96, 192, 96], [0, 3], 1),
        inverted([96, 192, 96], [0, 3], 1),
        inverted([96, 192, 96], [0, 3], 1),
        inverted([96, 192, 96], [0, 3], 1),
        inverted([96, 384, 96], [3, 0], 1),
    ],
    &[
        inverted([96, 576, 128], [3, 3], 2),
        inverted([128, 512, 128], [5, 5], 1),
        inverted([128, 512, 128], [0, 5], 1),
        inverted([128, 384, 128], [0, 5], 1),
        inverted([128, 512, 128], [0, 3], 1),
        inverted([128, 512, 128], [0, 3], 1),
    ],
];

/// Stages 0, 1 and 4: plain convolutions by (name, inputs, outputs, size); those of size 3 have
/// stride 2.
const FIRST: [(&str, usize, usize, usize); 4] = [
    ("blocks.0.0", 32, 32, 3),
    ("blocks.0.1", 32, 32, 1),
    ("blocks.1.0", 32, 96, 3),
    ("blocks.1.1", 96, 64, 1),
];

/// Every step from the picture to the maps that are averaged, with its numbers.
pub(super) fn steps<E>(
    tensor: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
) -> Result<Vec<Step>, E> {
    let stem = Kernel::folded(tensor, "conv_stem", "bn1", [32, 3, 3, 3])?;
    let mut steps = vec![Step::Strided(stem.packed())];
    for (name, inputs, outputs, size) in FIRST {
        let kernel = convolution(tensor, name, [outputs, inputs, size, size])?;
        steps.push(match size {
            1 => Step::Pointwise { kernel, end: End::Relu },
            _ => Step::Strided(kernel),
        });
    }
    for (stage, blocks) in (2..).zip(STAGES) {
        for (number, block) in blocks.iter().enumerate() {
            steps.extend(block.steps(tensor, &format!("blocks.{stage}.{number}"))?);
        }
    }
    let kernel = convolution(tensor, "blocks.4.0", [POOLED, 128, 1, 1])?;
    steps.push(Step::Pointwise { kernel, end: End::Relu });
    Ok(steps)
}

fn convolution<E>(
    tensor: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    name: &str,
    shape: [usize; 4],
) -> Result<Kernel, E> {
    let kernel = Kernel::folded(tensor, &format!("{name}.conv"), &format!("{name}.bn1"), shape);
    kernel.map(Kernel::packed)
}

impl Inverted {
    fn steps<E>(
        &self,
        tensor: &mut impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
        name: &str,
    ) -> Result<Vec<Step>, E> {
        let mut folded = |part: &str, shape| {
            let (convolution, normalization) =
                (format!("{name}.{part}.conv"), format!("{name}.{part}.bn"));
            Kernel::folded(tensor, &convolution, &normalization, shape)
        };
        let mut steps = Vec::new();
        let residual = self.stride == 1 && self.inputs == self.outputs;
        if residual {
            steps.push(Step::Keep);
        }
        if self.start > 0 {
            let kernel = folded("dw_start", [self.inputs, 1, self.start, self.start])?;
            steps.push(Step::Depthwise { kernel, size: self.start, stride: 1, relu: false });
        }
        let kernel = folded("pw_exp", [self.expanded, self.inputs, 1, 1])?.packed();
        steps.push(Step::Pointwise { kernel, end: End::Relu });
        if self.middle > 0 {
            let kernel = folded("dw_mid", [self.expanded, 1, self.middle, self.middle])?;
            let (size, stride) = (self.middle, self.stride);
            steps.push(Step::Depthwise { kernel, size, stride, relu: true });
        }
        let kernel = folded("pw_proj", [self.outputs, self.expanded, 1, 1])?.packed();
        let end = if residual { End::AddToKept } else { End::Linear };
        steps.push(Step::Pointwise { kernel, end });
        Ok(steps)
    }
}
