//! What each layer of a network is in ONNX, and where its numbers stand there.

use super::super::architecture::{Architecture, Layer, VariableSpec};
use super::super::network::Network;
use super::graph::{Attribute, Graph};
use crate::nn::reversed;

/// The name of the input `[N, 3, s, s]`.
const INPUT: &str = "image";

/// How a variable of ours stands in the ONNX initializer of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The variable's name.
    pub(super) name: String,
    /// The initializer's shape.
    pub(super) dims: Vec<usize>,
    /// Our three axes where their order is reversed: kernel positions, input maps, output maps.
    axes: Option<[usize; 3]>,
}

impl Layout {
    fn same(spec: VariableSpec) -> Self {
        Self { name: spec.name, dims: spec.shape, axes: None }
    }

    /// `[size · size · inputs, outputs]` here, `[outputs, inputs, size, size]` there.
    fn kernel(spec: VariableSpec, size: usize, inputs: usize) -> Self {
        let outputs = spec.shape[1];
        let axes = Some([size * size, inputs, outputs]);
        Self { name: spec.name, dims: vec![outputs, inputs, size, size], axes }
    }

    /// Our numbers in ONNX's order.
    fn export(&self, data: &[f32]) -> Vec<f32> {
        self.axes.map_or_else(|| data.to_vec(), |axes| reversed(data, axes))
    }

    /// ONNX's numbers in our order.
    pub(super) fn import(&self, data: &[f32]) -> Vec<f32> {
        self.axes.map_or_else(|| data.to_vec(), |[a, b, c]| reversed(data, [c, b, a]))
    }
}

/// The layout of each variable, in the order of [`Architecture::variables`].
pub(super) fn layouts(architecture: &Architecture) -> Vec<Layout> {
    let mut specs = architecture.variables().into_iter();
    let mut layouts = Vec::new();
    for layer in architecture.layers() {
        if matches!(layer, Layer::Dropout { .. }) {
            continue;
        }
        let pair = specs.next().zip(specs.next());
        let (weight, bias) = pair.expect("such a layer has weight and bias");
        layouts.push(match layer {
            Layer::Conv(shape) => Layout::kernel(weight, 3, shape.input_maps),
            _ => Layout::same(weight),
        });
        layouts.push(Layout::same(bias));
    }
    layouts
}

/// The network's evaluation as a graph from `image` to `logits` and `probabilities`.
pub(super) fn graph(network: &Network) -> Graph {
    let mut graph = Graph::default();
    let size = network.architecture().image_size;
    let classes = network.architecture().classes;
    graph.input(INPUT, &[3, size, size]);
    for (variable, layout) in network.variables().iter().zip(layouts(network.architecture())) {
        graph.initializer(&variable.name, &layout.dims, &layout.export(&variable.data));
    }
    let mut names = network.variables().iter().map(|variable| variable.name.as_str());
    let mut value = INPUT.to_owned();
    let mut flat = false;
    for layer in &network.layers {
        if matches!(layer, Layer::Dropout { .. }) {
            continue;
        }
        let kernel = names.next().zip(names.next()).expect("weight and bias of every layer");
        value = match layer {
            Layer::Dense { relu, .. } => {
                if !flat {
                    value = flatten(&mut graph, &value);
                    flat = true;
                }
                dense(&mut graph, &value, kernel, *relu)
            }
            _ => convolution(&mut graph, &value, kernel),
        };
    }
    graph.node("Softmax", "probabilities", &[&value], &[]);
    graph.output("logits", &[classes]);
    graph.output("probabilities", &[classes]);
    graph
}

/// Convolution 3×3 without padding, `ReLU`, 2×2 max pooling (opset 17: Conv-11, Relu-14,
/// MaxPool-12, whose default drops a last odd row and column as we do).
fn convolution(graph: &mut Graph, value: &str, (weight, bias): (&str, &str)) -> String {
    let name = weight.trim_end_matches(".weight");
    let part = |part: &str| format!("{name}.{part}");
    let kernel = [Attribute::Ints("kernel_shape", &[3, 3])];
    let maps = graph.node("Conv", &part("conv"), &[value, weight, bias], &kernel);
    let maps = graph.node("Relu", &part("relu"), &[&maps], &[]);
    let window = [Attribute::Ints("kernel_shape", &[2, 2]), Attribute::Ints("strides", &[2, 2])];
    graph.node("MaxPool", &part("pool"), &[&maps], &window)
}

/// Flattens in our order, maps last, so that the weights of the next layer keep theirs.
fn flatten(graph: &mut Graph, value: &str) -> String {
    let maps_last = [Attribute::Ints("perm", &[0, 2, 3, 1])];
    let turned = graph.node("Transpose", "maps_last", &[value], &maps_last);
    graph.node("Flatten", "flat", &[&turned], &[Attribute::Int("axis", 1)])
}

/// A fully connected layer (Gemm-13); the one without `ReLU` gives the logits.
fn dense(graph: &mut Graph, value: &str, (weight, bias): (&str, &str), relu: bool) -> String {
    let name = weight.trim_end_matches(".weight");
    let inputs = [value, weight, bias];
    if !relu {
        return graph.node("Gemm", "logits", &inputs, &[]);
    }
    let sums = graph.node("Gemm", &format!("{name}.sums"), &inputs, &[]);
    graph.node("Relu", &format!("{name}.relu"), &[&sums], &[])
}
