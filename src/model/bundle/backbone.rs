//! A pretrained network inside a model's file: its convolutions as tensors, batch normalisation folded in.

use std::convert::Infallible;

use crate::model::network::Variable;
use crate::nn::backbone::{Backbone, Numbers, convolutions};

/// The names and shapes of its tensors, in the order in which [`from_data`] takes them.
pub(in crate::model) fn specs() -> Vec<(String, Vec<usize>)> {
    let specs = convolutions().into_iter().flat_map(|convolution| {
        let name = &convolution.name;
        let weight = (format!("backbone.{name}.weight"), convolution.weight_shape().to_vec());
        [weight, (format!("backbone.{name}.bias"), vec![convolution.outputs])]
    });
    specs.collect()
}

/// Its tensors, in the order of [`specs`].
pub(super) fn variables(backbone: &Backbone) -> Vec<Variable> {
    let data = backbone.numbers().flat_map(|(_, Numbers { weights, bias })| [weights, bias]);
    let variables = specs().into_iter().zip(data);
    variables.map(|((name, shape), data)| Variable { name, shape, data }).collect()
}

/// The network of these tensors, which have the order and shapes of [`specs`].
pub(super) fn from_data(data: Vec<Vec<f32>>) -> Backbone {
    let mut data = data.into_iter();
    let mut next = || data.next().expect("a tensor for each of the specs");
    let made =
        Backbone::with_numbers(|_| Ok::<_, Infallible>(Numbers { weights: next(), bias: next() }));
    made.unwrap_or_else(|never| match never {})
}
