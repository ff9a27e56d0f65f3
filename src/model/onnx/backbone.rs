//! A pretrained network in ONNX: from the picture to its features.

use super::layers::{IMAGE, Layout, Window, Writer};
use crate::nn::backbone::{Backbone, Convolution, DEVIATION, End, MEAN, Numbers, convolutions};

/// The layout of each of its tensors, in the order of the bundle's.
pub(super) fn layouts() -> Vec<Layout> {
    convolutions().iter().flat_map(layouts_of).collect()
}

/// Of weight and bias.
fn layouts_of(convolution: &Convolution) -> [Layout; 2] {
    let Convolution { size, inputs, outputs, depthwise, .. } = *convolution;
    let name = node(convolution);
    let inputs = if depthwise { 1 } else { inputs };
    let weight = Layout::convolution(format!("{name}.weight"), size, [inputs, outputs]);
    [weight, Layout::vector(format!("{name}.bias"), outputs)]
}

fn node(convolution: &Convolution) -> String {
    format!("backbone.{}", convolution.name)
}

impl Writer {
    /// Adds the network; returns the name of its features `[N, 1280]`.
    pub(super) fn backbone(&mut self, backbone: &Backbone) -> String {
        let (mean, deviation) = ("backbone.mean", "backbone.deviation");
        self.graph.initializer(mean, &[1, 3, 1, 1], &MEAN);
        self.graph.initializer(deviation, &[1, 3, 1, 1], &DEVIATION);
        let centred = self.part("Sub", "backbone", &[IMAGE, mean], &[]);
        let mut value = self.part("Div", "backbone", &[&centred, deviation], &[]);
        let mut kept = String::new();
        let layers: Vec<_> = backbone.numbers().collect();
        for (at, (convolution, numbers)) in layers.iter().enumerate() {
            if at + 1 == layers.len() {
                // The last one works on the means of the maps.
                value = self.part("GlobalAveragePool", "backbone", &[&value], &[]);
            }
            if convolution.keeps {
                kept.clone_from(&value);
            }
            value = self.pretrained(convolution, numbers, &value);
            value = match convolution.end {
                End::Linear => value,
                End::Relu => self.part("Relu", &node(convolution), &[&value], &[]),
                End::AddToKept => self.part("Add", &node(convolution), &[&value, &kept], &[]),
            };
        }
        self.part("Flatten", "backbone", &[&value], &[])
    }

    fn pretrained(&mut self, convolution: &Convolution, numbers: &Numbers, input: &str) -> String {
        for (layout, data) in layouts_of(convolution).iter().zip([&numbers.weights, &numbers.bias])
        {
            self.graph.initializer(&layout.name, &layout.dims, &layout.export(data));
        }
        let name = node(convolution);
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let group = if convolution.depthwise { convolution.inputs } else { 1 };
        let window = Window {
            size: convolution.size,
            stride: convolution.stride,
            padding: convolution.size / 2,
            group,
        };
        self.part("Conv", &name, &[input, &weight, &bias], &window.attributes())
    }
}
