//! The description of a network, its limits, and the layers and variables that follow from it.

use serde::{Deserialize, Serialize};

use crate::nn::conv::ConvShape;
use crate::nn::dense::DenseShape;
use crate::nn::init::Fan;

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
pub const MAX_BLOCKS: usize = 6;

/// Feature maps or units that one layer may have.
pub const MAX_UNITS: usize = 2048;

/// A network: blocks of convolution 3×3, `ReLU` and 2×2 max pooling, then fully connected layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Rows and columns of the input picture, which has three colours.
    pub image_size: usize,
    /// Feature maps of each convolution block.
    pub conv: Vec<usize>,
    /// Units of each hidden fully connected layer.
    pub dense: Vec<usize>,
    /// Rates: the last stands before the output layer, the one before it after the convolutions,
    /// further ones between convolution blocks from the deepest up.
    pub dropout: Vec<f64>,
    /// Classes of the output layer.
    pub classes: usize,
}

/// One step of a network.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// Convolution, `ReLU` and pooling.
    Conv(ConvShape),
    /// Dropout number `number`, counted from the input.
    Dropout {
        /// Probability of a zero.
        rate: f32,
        /// Which dropout layer of the network this is.
        number: u64,
    },
    /// A fully connected layer.
    Dense {
        /// Its sizes.
        shape: DenseShape,
        /// Whether a `ReLU` follows.
        relu: bool,
    },
}

/// The name, shape and connections of one variable.
#[derive(Debug, Clone)]
pub struct VariableSpec {
    /// For example `conv1.weight`.
    pub name: String,
    /// For example `[27, 32]`.
    pub shape: Vec<usize>,
    /// `None` for a bias, which starts at zero.
    pub fan: Option<Fan>,
}

impl Architecture {
    /// Checks every limit, so that no description can ask for unbounded memory.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut refuse = |field: String, message: String| {
            errors.push(FieldError { field, message });
        };
        if !(8..=512).contains(&self.image_size) {
            refuse("image_size".into(), "must be between 8 and 512".into());
        }
        if self.conv.is_empty() || self.conv.len() > MAX_BLOCKS {
            refuse("conv".into(), format!("must have 1 to {MAX_BLOCKS} blocks"));
        }
        if self.dense.len() > 4 {
            refuse("dense".into(), "must have at most 4 layers".into());
        }
        for (field, units) in [("conv", &self.conv), ("dense", &self.dense)] {
            for (at, units) in units.iter().enumerate() {
                if !(1..=MAX_UNITS).contains(units) {
                    refuse(format!("{field}[{at}]"), format!("must be between 1 and {MAX_UNITS}"));
                }
            }
        }
        for (at, rate) in self.dropout.iter().enumerate() {
            if !(0.0..1.0).contains(rate) {
                refuse(format!("dropout[{at}]"), "must be at least 0 and less than 1".into());
            }
        }
        if self.dropout.len() > self.dropout_places() {
            let places = self.dropout_places();
            refuse("dropout".into(), format!("this network has room for {places} layers"));
        }
        if !(2..=10_000).contains(&self.classes) {
            refuse("classes".into(), "must be between 2 and 10000".into());
        }
        if errors.is_empty() {
            errors.extend(self.check_sizes().err());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The places that dropout can stand: before the output, after the convolutions (the same
    /// place when there is no hidden layer), between convolution blocks.
    fn dropout_places(&self) -> usize {
        self.conv.len() + usize::from(!self.dense.is_empty())
    }

    fn check_sizes(&self) -> Result<(), FieldError> {
        let mut size = self.image_size;
        for block in 1..=self.conv.len() {
            if size < 4 {
                let message = format!("too small for {} convolution blocks", self.conv.len());
                return Err(FieldError::new("image_size", message));
            }
            size = self.size_after(block);
        }
        let parameters: usize =
            self.variables().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
        if parameters > MAX_PARAMETERS {
            let message = format!("{parameters} parameters, more than {MAX_PARAMETERS}");
            return Err(FieldError::new("conv", message));
        }
        Ok(())
    }

    /// Rows of the map after `blocks` blocks.
    fn size_after(&self, blocks: usize) -> usize {
        (0..blocks).fold(self.image_size, |size, _| size.saturating_sub(2) / 2)
    }

    /// Numbers in one input picture `[image_size, image_size, 3]`.
    pub fn input_len(&self) -> usize {
        self.image_size * self.image_size * 3
    }

    /// The layers from input to logits.
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut maps = 3;
        for (block, next) in self.conv.iter().enumerate() {
            let size = self.size_after(block);
            let shape =
                ConvShape { height: size, width: size, input_maps: maps, output_maps: *next };
            layers.push(Layer::Conv(shape));
            maps = *next;
            let blocks_below = self.conv.len() - 1 - block;
            // Without a hidden layer the last rate already stands after the convolutions.
            let from_the_end = blocks_below + usize::from(!self.dense.is_empty());
            self.push_dropout(&mut layers, from_the_end);
        }
        let mut inputs = self.size_after(self.conv.len()).pow(2) * maps;
        for (at, outputs) in self.dense.iter().enumerate() {
            let shape = DenseShape { inputs, outputs: *outputs };
            layers.push(Layer::Dense { shape, relu: true });
            inputs = *outputs;
            if at + 1 == self.dense.len() {
                self.push_dropout(&mut layers, 0);
            }
        }
        let shape = DenseShape { inputs, outputs: self.classes };
        layers.push(Layer::Dense { shape, relu: false });
        layers
    }

    fn push_dropout(&self, layers: &mut Vec<Layer>, from_the_end: usize) {
        let Some(at) = self.dropout.len().checked_sub(from_the_end + 1) else {
            return;
        };
        let rate = self.dropout[at] as f32;
        layers.push(Layer::Dropout { rate, number: at as u64 });
    }

    /// The variables in layer order: weight and bias of each convolution and dense layer.
    pub fn variables(&self) -> Vec<VariableSpec> {
        let (mut specs, mut convs, mut denses) = (Vec::new(), 0, 0);
        for layer in self.layers() {
            let (name, rows, columns, fan) = match layer {
                Layer::Dropout { .. } => continue,
                Layer::Conv(shape) => {
                    convs += 1;
                    let (inputs, outputs) = (9 * shape.input_maps, 9 * shape.output_maps);
                    let fan = Fan { inputs, outputs };
                    (format!("conv{convs}"), inputs, shape.output_maps, fan)
                }
                Layer::Dense { shape: DenseShape { inputs, outputs }, relu } => {
                    denses += 1;
                    let name = if relu { format!("dense{denses}") } else { "output".to_owned() };
                    (name, inputs, outputs, Fan { inputs, outputs })
                }
            };
            let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
            specs.push(VariableSpec { name: weight, shape: vec![rows, columns], fan: Some(fan) });
            specs.push(VariableSpec { name: bias, shape: vec![columns], fan: None });
        }
        specs
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
        }
    }

    fn kinds(architecture: &Architecture) -> String {
        let kind = |layer: &Layer| match layer {
            Layer::Conv(_) => "c".to_owned(),
            Layer::Dropout { rate, .. } => format!("({rate})"),
            Layer::Dense { .. } => "d".to_owned(),
        };
        architecture.layers().iter().map(kind).collect()
    }

    #[test]
    fn dropout_rates_fill_the_places_from_the_output_back() {
        let with = |dropout: &[f64], dense: &[usize]| {
            let conv = vec![4, 4, 4];
            let (dropout, dense) = (dropout.to_vec(), dense.to_vec());
            kinds(&Architecture { image_size: 40, conv, dense, dropout, classes: 2 })
        };
        assert_eq!(with(&[], &[8]), "cccdd");
        assert_eq!(with(&[0.5], &[8]), "cccd(0.5)d");
        assert_eq!(with(&[0.25, 0.5], &[8]), "ccc(0.25)d(0.5)d");
        assert_eq!(with(&[0.1, 0.2, 0.3, 0.4], &[8]), "c(0.1)c(0.2)c(0.3)d(0.4)d");
        assert_eq!(with(&[0.2, 0.5], &[]), "cc(0.2)c(0.5)d");
        assert_eq!(with(&[0.5], &[8, 9]), "cccdd(0.5)d");
    }

    #[test]
    fn the_original_network_has_the_expected_variables() {
        let conv = vec![32, 64, 128];
        let (dense, dropout) = (vec![64], vec![0.5]);
        let original = Architecture { image_size: 150, conv, dense, dropout, classes: 5 };
        assert_eq!(original.check(), Ok(()));
        let shapes: Vec<_> =
            original.variables().into_iter().map(|spec| (spec.name, spec.shape)).collect();
        assert_eq!(shapes[0], ("conv1.weight".into(), vec![27, 32]));
        assert_eq!(shapes[5], ("conv3.bias".into(), vec![128]));
        assert_eq!(shapes[6], ("dense1.weight".into(), vec![17 * 17 * 128, 64]));
        assert_eq!(shapes[8], ("output.weight".into(), vec![64, 5]));
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
        assert_eq!(refused(|a| a.conv = vec![8; 7]), ["conv"]);
        assert_eq!(refused(|a| a.dropout[0] = 1.0), ["dropout[0]"]);
        assert_eq!(refused(|a| a.dropout[0] = f64::NAN), ["dropout[0]"]);
        assert_eq!(refused(|a| a.dropout = vec![0.1; 4]), ["dropout"]);
        assert_eq!(refused(|a| a.classes = 1), ["classes"]);
        assert_eq!(refused(|a| a.dense = vec![3000]), ["dense[0]"]);
        let huge = |a: &mut Architecture| {
            (a.image_size, a.conv, a.dense) = (512, vec![2048], vec![2048]);
        };
        assert_eq!(refused(huge), ["conv"]);
    }
}
