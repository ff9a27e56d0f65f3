//! The convolutions of `MobileNetV4` (conv, small) in their order, without their numbers.

/// Feature maps of the last block, which are averaged.
pub(super) const POOLED: usize = 960;

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Negative results become zero.
    Relu,
    /// Nothing.
    Linear,
    /// The maps that were kept are added.
    AddToKept,
}

/// One convolution with a border of `size / 2` zeros, and what follows it. The batch normalisation
/// behind it is part of its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// timm's name, for example `blocks.2.0.pw_exp.conv`.
    pub name: String,
    /// timm's name of the batch normalisation behind it.
    pub(super) normalization: String,
    /// Maps that it takes.
    pub inputs: usize,
    /// Maps that it gives.
    pub outputs: usize,
    /// Rows and columns of a filter: 1, 3 or 5.
    pub size: usize,
    /// Pixels between two outputs, 1 or 2.
    pub stride: usize,
    /// Whether each map has one filter of its own.
    pub depthwise: bool,
    /// Whether its input is what [`End::AddToKept`] adds later.
    pub keeps: bool,
    /// What follows.
    pub end: End,
}

impl Convolution {
    /// The shape of its weights: filter positions × inputs (1 where each map has its own), outputs.
    pub fn weight_shape(&self) -> [usize; 2] {
        let inputs = if self.depthwise { 1 } else { self.inputs };
        [self.size * self.size * inputs, self.outputs]
    }

    /// The shape of its weights in `PyTorch`.
    pub(super) fn published_shape(&self) -> [usize; 4] {
        let inputs = if self.depthwise { 1 } else { self.inputs };
        [self.outputs, inputs, self.size, self.size]
    }
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

/// Stages 0 and 1: plain convolutions by (name, inputs, outputs, size); those of size 3 have stride 2.
const FIRST: [(&str, usize, usize, usize); 4] = [
    ("blocks.0.0", 32, 32, 3),
    ("blocks.0.1", 32, 32, 1),
    ("blocks.1.0", 32, 96, 3),
    ("blocks.1.1", 96, 64, 1),
];

/// Every convolution in its order: from the picture to the maps that are averaged, and last the one that
/// makes the features of these means.
pub fn convolutions() -> Vec<Convolution> {
    let mut all = vec![plain(("conv_stem", "bn1"), [3, 32], 3)];
    for (name, inputs, outputs, size) in FIRST {
        all.push(block(name, [inputs, outputs], size));
    }
    for (stage, blocks) in (2..).zip(STAGES) {
        for (number, block) in blocks.iter().enumerate() {
            all.extend(block.convolutions(&format!("blocks.{stage}.{number}")));
        }
    }
    all.push(block("blocks.4.0", [128, POOLED], 1));
    all.push(plain(("conv_head", "norm_head"), [POOLED, super::FEATURES], 1));
    all
}

fn block(name: &str, maps: [usize; 2], size: usize) -> Convolution {
    plain((&format!("{name}.conv"), &format!("{name}.bn1")), maps, size)
}

/// A convolution over all maps with a `ReLU`.
fn plain(
    (name, normalization): (&str, &str),
    [inputs, outputs]: [usize; 2],
    size: usize,
) -> Convolution {
    Convolution {
        name: name.to_owned(),
        normalization: normalization.to_owned(),
        inputs,
        outputs,
        size,
        stride: if size == 1 { 1 } else { 2 },
        depthwise: false,
        keeps: false,
        end: End::Relu,
    }
}

impl Inverted {
    fn convolutions(&self, name: &str) -> Vec<Convolution> {
        let part = |part: &str, [inputs, outputs]: [usize; 2]| {
            let names = (format!("{name}.{part}.conv"), format!("{name}.{part}.bn"));
            plain((&names.0, &names.1), [inputs, outputs], 1)
        };
        let depthwise = |name: &str, maps: usize, size: usize, stride: usize| Convolution {
            size,
            stride,
            depthwise: true,
            ..part(name, [maps, maps])
        };
        let mut all = Vec::new();
        if self.start > 0 {
            let start = depthwise("dw_start", self.inputs, self.start, 1);
            all.push(Convolution { end: End::Linear, ..start });
        }
        all.push(part("pw_exp", [self.inputs, self.expanded]));
        if self.middle > 0 {
            all.push(depthwise("dw_mid", self.expanded, self.middle, self.stride));
        }
        let residual = self.stride == 1 && self.inputs == self.outputs;
        let end = if residual { End::AddToKept } else { End::Linear };
        all.push(Convolution { end, ..part("pw_proj", [self.expanded, self.outputs]) });
        all[0].keeps = residual;
        all
    }
}
