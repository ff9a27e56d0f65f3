//! The description of a network, its limits, and the layers and variables that follow from it.

mod graph;
mod layer;
mod variables;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::nn::backbone;
pub use layer::{Extent, Layer, Node};
pub use variables::{Role, VariableSpec};

/// One field that breaks a rule: its path in the request, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// For example `conv[2]`.
    pub field: String,
    /// A sentence for a person.
    pub message: String,
}

impl FieldError {
    /// An error of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Weights and biases that a network may have in all (a quarter of a gigabyte).
pub const MAX_PARAMETERS: usize = 64_000_000;

/// Convolution blocks that a network may have.
pub const MAX_BLOCKS: usize = 8;

/// Feature maps or units that one layer may have.
pub const MAX_UNITS: usize = 2048;

/// How the blocks of a network are built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Each block is a convolution without padding, batch normalisation where asked for, `ReLU` and
    /// 2×2 max pooling; the maps are flattened.
    #[default]
    Plain,
    /// A 3×3 convolution with stride 2 and 2×2 max pooling, then one residual block of two 3×3
    /// convolutions with batch normalisation per entry (He et al. 2015), each after the first at
    /// half the size; the maps are averaged.
    Residual,
    /// No blocks: the fully connected layers learn from the features of a frozen, pretrained network,
    /// see [`crate::nn::backbone`].
    MobilenetV4Small,
}

impl Family {
    /// Whether the network takes the features of a frozen, pretrained one instead of pictures.
    pub fn is_over_pretrained(self) -> bool {
        self == Self::MobilenetV4Small
    }
}

/// A network: convolution blocks, then fully connected layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Rows and columns of the input picture, which has three colours.
    pub image_size: usize,
    /// How the blocks are built.
    #[serde(default)]
    pub family: Family,
    /// Feature maps of each convolution block.
    pub conv: Vec<usize>,
    /// Rows and columns of each block's kernel, 3 or 5; empty for 3 everywhere.
    #[serde(default)]
    pub kernel: Vec<usize>,
    /// Whether a batch normalisation stands between each convolution and its `ReLU`.
    #[serde(default)]
    pub batch_norm: bool,
    /// Units of each hidden fully connected layer.
    pub dense: Vec<usize>,
    /// Rates: the last stands before the output layer, further ones before each hidden layer from the
    /// last up, then between convolution blocks from the deepest up.
    pub dropout: Vec<f64>,
    /// Classes of the output layer.
    pub classes: usize,
}

impl Default for Architecture {
    /// The original study's larger network, for two classes.
    fn default() -> Self {
        Self {
            image_size: 150,
            family: Family::Plain,
            conv: vec![32, 64, 128],
            kernel: Vec::new(),
            batch_norm: false,
            dense: vec![64],
            dropout: vec![0.5],
            classes: 2,
        }
    }
}

impl Architecture {
    /// Checks every limit, so that no description can ask for unbounded memory.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut require = |holds: bool, field: &str, message: &str| {
            if !holds {
                errors.push(FieldError::new(field, message));
            }
        };
        require((8..=512).contains(&self.image_size), "image_size", "must be between 8 and 512");
        if self.family.is_over_pretrained() {
            require(self.conv.is_empty(), "conv", "must be empty: the blocks are pretrained");
            require(!self.batch_norm, "batch_norm", "must be false: the blocks are pretrained");
            let whole = self.image_size.is_multiple_of(backbone::STRIDE);
            let message = format!("must be a multiple of {} for this network", backbone::STRIDE);
            require(whole, "image_size", &message);
        } else {
            let blocks = (1..=MAX_BLOCKS).contains(&self.conv.len());
            require(blocks, "conv", &format!("must have 1 to {MAX_BLOCKS} blocks"));
        }
        require(self.dense.len() <= 4, "dense", "must have at most 4 layers");
        let one_each = self.kernel.is_empty() || self.kernel.len() == self.conv.len();
        require(one_each, "kernel", "must have one number for each block");
        if self.family == Family::Residual {
            let three = self.kernel.iter().all(|kernel| *kernel == 3);
            require(three, "kernel", "a residual network has 3×3 kernels");
            require(self.batch_norm, "batch_norm", "a residual network needs it");
        }
        let places = self.dropout_places();
        let room = format!("this network has room for {places} layers");
        require(self.dropout.len() <= places, "dropout", &room);
        require((2..=10_000).contains(&self.classes), "classes", "must be between 2 and 10000");
        self.check_entries(&mut errors);
        if errors.is_empty() {
            errors.extend(self.check_sizes().err());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn check_entries(&self, errors: &mut Vec<FieldError>) {
        for (field, units) in [("conv", &self.conv), ("dense", &self.dense)] {
            for (at, units) in units.iter().enumerate() {
                if !(1..=MAX_UNITS).contains(units) {
                    let message = format!("must be between 1 and {MAX_UNITS}");
                    errors.push(FieldError::new(format!("{field}[{at}]"), message));
                }
            }
        }
        for (at, rate) in self.dropout.iter().enumerate() {
            if !(0.0..1.0).contains(rate) {
                let message = "must be at least 0 and less than 1";
                errors.push(FieldError::new(format!("dropout[{at}]"), message));
            }
        }
        for (at, kernel) in self.kernel.iter().enumerate() {
            if ![3, 5].contains(kernel) {
                errors.push(FieldError::new(format!("kernel[{at}]"), "must be 3 or 5"));
            }
        }
    }

    /// The places that dropout can stand: before the output, before each hidden layer, and between
    /// convolution blocks.
    fn dropout_places(&self) -> usize {
        self.conv.len().max(1) + self.dense.len()
    }

    fn check_sizes(&self) -> Result<(), FieldError> {
        if !self.fits() {
            let message = format!("too small for {} convolution blocks", self.conv.len());
            return Err(FieldError::new("image_size", message));
        }
        let parameters: usize = self.variables().iter().map(VariableSpec::len).sum();
        if parameters > MAX_PARAMETERS {
            let message = format!("{parameters} parameters, more than {MAX_PARAMETERS}");
            return Err(FieldError::new("conv", message));
        }
        Ok(())
    }

    /// Whether every block has at least one pixel to work on.
    fn fits(&self) -> bool {
        let mut size = self.image_size;
        for block in 0..self.conv.len() {
            let least = match self.family {
                Family::Plain => self.kernel_of(block) + 1,
                Family::Residual | Family::MobilenetV4Small => 2,
            };
            if size < least {
                return false;
            }
            size = match self.family {
                Family::Plain => (size + 1 - self.kernel_of(block)) / 2,
                // The stem and its pool quarter the picture before the first block.
                Family::Residual if block == 0 => size.div_ceil(2) / 2,
                Family::Residual | Family::MobilenetV4Small => size.div_ceil(2),
            };
        }
        size > 0
    }

    /// Rows and columns of a block's kernel.
    fn kernel_of(&self, block: usize) -> usize {
        self.kernel.get(block).copied().unwrap_or(3)
    }

    /// What the network takes: a picture `[image_size, image_size, 3]`, or a vector of features.
    pub fn input(&self) -> Extent {
        match self.family {
            Family::MobilenetV4Small => Extent::vector(backbone::FEATURES),
            Family::Plain | Family::Residual => Extent::square(self.image_size, 3),
        }
    }

    /// Numbers in one input.
    pub fn input_len(&self) -> usize {
        self.input().len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A network small enough for unit tests.
    pub(crate) fn tiny() -> Architecture {
        Architecture {
            image_size: 12,
            conv: vec![4, 5],
            dense: vec![6],
            dropout: vec![0.2, 0.5],
            classes: 3,
            ..Architecture::default()
        }
    }

    /// A residual network small enough for unit tests.
    pub(crate) fn tiny_residual() -> Architecture {
        Architecture {
            image_size: 16,
            family: Family::Residual,
            conv: vec![4, 6],
            batch_norm: true,
            dense: vec![],
            dropout: vec![0.2],
            classes: 3,
            ..Architecture::default()
        }
    }

    /// The layers over a pretrained network.
    pub(crate) fn tiny_head() -> Architecture {
        Architecture {
            image_size: 32,
            family: Family::MobilenetV4Small,
            conv: vec![],
            dense: vec![5],
            dropout: vec![0.2, 0.5],
            classes: 3,
            ..Architecture::default()
        }
    }

    fn kinds(architecture: &Architecture) -> String {
        let kind = |node: &Node| match node.layer {
            Layer::Picture => String::new(),
            Layer::ConvPool(_) => "c".to_owned(),
            Layer::Dropout { rate, .. } => format!("({rate})"),
            Layer::Dense { .. } => "d".to_owned(),
            _ => format!(" {}", node.name),
        };
        architecture.nodes().iter().map(kind).collect()
    }

    #[test]
    fn dropout_rates_fill_the_places_from_the_output_back() {
        let with = |dropout: &[f64], dense: &[usize]| {
            let conv = vec![4, 4, 4];
            let (dropout, dense) = (dropout.to_vec(), dense.to_vec());
            let rest = Architecture::default();
            kinds(&Architecture { image_size: 40, conv, dense, dropout, ..rest })
        };
        assert_eq!(with(&[], &[8]), "cccdd");
        assert_eq!(with(&[0.5], &[8]), "cccd(0.5)d");
        assert_eq!(with(&[0.25, 0.5], &[8]), "ccc(0.25)d(0.5)d");
        assert_eq!(with(&[0.1, 0.2, 0.3, 0.4], &[8]), "c(0.1)c(0.2)c(0.3)d(0.4)d");
        assert_eq!(with(&[0.2, 0.5], &[]), "cc(0.2)c(0.5)d");
        assert_eq!(with(&[0.5], &[8, 9]), "cccdd(0.5)d");
        assert_eq!(with(&[0.1, 0.3, 0.5], &[8, 9]), "ccc(0.1)d(0.3)d(0.5)d");
        assert_eq!(with(&[0.1, 0.2, 0.3, 0.5], &[8, 9]), "cc(0.1)c(0.2)d(0.3)d(0.5)d");
        assert_eq!(kinds(&tiny_head()), "(0.2)d(0.5)d");
    }

    #[test]
    fn the_original_network_has_the_expected_variables() {
        let original = Architecture { classes: 5, ..Architecture::default() };
        assert_eq!(original.check(), Ok(()));
        let shapes: Vec<_> =
            original.variables().into_iter().map(|spec| (spec.name, spec.shape)).collect();
        assert_eq!(shapes[0], ("conv1.weight".into(), vec![27, 32]));
        assert_eq!(shapes[5], ("conv3.bias".into(), vec![128]));
        assert_eq!(shapes[6], ("dense1.weight".into(), vec![17 * 17 * 128, 64]));
        assert_eq!(shapes[8], ("output.weight".into(), vec![64, 5]));
    }

    #[test]
    fn kernels_and_batch_norm_unfold_a_block_and_a_residual_network_has_shortcuts() {
        let wide = Architecture { kernel: vec![5, 3], dropout: vec![], ..tiny() };
        assert_eq!(kinds(&wide), " conv1 relu1 pool1cdd");
        let normed = Architecture { conv: vec![4], batch_norm: true, ..tiny() };
        assert_eq!(kinds(&normed), " conv1 norm1 pool1(0.2)d(0.5)d");
        let names: Vec<_> = normed.variables().into_iter().map(|spec| spec.name).collect();
        assert_eq!(names[..3], ["conv1.weight", "norm1.scale", "norm1.bias"]);
        let residual = tiny_residual();
        assert_eq!(residual.check(), Ok(()));
        let nodes = residual.nodes();
        let sum = nodes.iter().rfind(|node| node.layer == Layer::AddRelu).unwrap();
        let from: Vec<_> = sum.inputs.iter().map(|at| nodes[*at].name.as_str()).collect();
        assert_eq!(from, ["block2_norm2", "block2_shortcut_norm"]);
        assert_eq!(sum.output, Extent { height: 2, width: 2, maps: 6 });
    }

    #[test]
    fn every_limit_names_its_field() {
        let refused = |change: fn(&mut Architecture)| {
            let mut architecture = tiny();
            change(&mut architecture);
            let errors = architecture.check().unwrap_err();
            errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(refused(|a| a.image_size = 9), ["image_size"]);
        assert_eq!(refused(|a| a.conv[1] = 0), ["conv[1]"]);
        assert_eq!(refused(|a| a.conv = vec![8; 9]), ["conv"]);
        assert_eq!(refused(|a| a.dropout[0] = 1.0), ["dropout[0]"]);
        assert_eq!(refused(|a| a.dropout[0] = f64::NAN), ["dropout[0]"]);
        assert_eq!(refused(|a| a.dropout = vec![0.1; 4]), ["dropout"]);
        assert_eq!(refused(|a| a.classes = 1), ["classes"]);
        assert_eq!(refused(|a| a.dense = vec![3000]), ["dense[0]"]);
        assert_eq!(refused(|a| a.kernel = vec![3, 4]), ["kernel[1]"]);
        assert_eq!(refused(|a| a.kernel = vec![3]), ["kernel"]);
        assert_eq!(refused(|a| a.kernel = vec![5, 5]), ["image_size"]);
        assert_eq!(refused(|a| a.family = Family::Residual), ["batch_norm"]);
        let huge = |a: &mut Architecture| {
            (a.image_size, a.conv, a.dense) = (512, vec![2048], vec![2048]);
        };
        assert_eq!(refused(huge), ["conv"]);
    }
}
