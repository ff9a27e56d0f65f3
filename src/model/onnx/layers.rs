//! What each node of a network is in ONNX, and where its numbers stand there.

use super::super::architecture::{Architecture, Layer, Node, VariableSpec};
use super::super::bundle::Bundle;
use super::graph::{Attribute, Graph};
use crate::nn::batch_norm::EPSILON;
use crate::nn::reversed;

/// The name of an input `[N, 3, s, s]`.
pub(super) const IMAGE: &str = "image";

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

    fn kernel(spec: VariableSpec, size: usize, inputs: usize) -> Self {
        Self::convolution(spec.name, size, [inputs, spec.shape[1]])
    }

    /// `[size · size · inputs, outputs]` here, `[outputs, inputs, size, size]` there.
    pub(super) fn convolution(name: String, size: usize, [inputs, outputs]: [usize; 2]) -> Self {
        let axes = Some([size * size, inputs, outputs]);
        Self { name, dims: vec![outputs, inputs, size, size], axes }
    }

    /// So many numbers, the same here and there.
    pub(super) fn vector(name: String, len: usize) -> Self {
        Self { name, dims: vec![len], axes: None }
    }

    /// Our numbers in ONNX's order.
    pub(super) fn export(&self, data: &[f32]) -> Vec<f32> {
        self.axes.map_or_else(|| data.to_vec(), |axes| reversed(data, axes))
    }

    /// ONNX's numbers in our order.
    pub(super) fn import(&self, data: &[f32]) -> Vec<f32> {
        self.axes.map_or_else(|| data.to_vec(), |[a, b, c]| reversed(data, [c, b, a]))
    }
}

/// The layout of each variable, in the order of [`Architecture::variables`].
pub(super) fn layouts(architecture: &Architecture) -> Vec<Layout> {
    let layout = |node: &Node, spec: VariableSpec| match &node.layer {
        _ if spec.shape.len() == 1 => Layout::same(spec),
        Layer::ConvPool(shape) => Layout::kernel(spec, 3, shape.input_maps),
        Layer::Convolution { shape, .. } => Layout::kernel(spec, shape.kernel, shape.input_maps),
        _ => Layout::same(spec),
    };
    let nodes = architecture.nodes();
    let layouts = nodes
        .iter()
        .flat_map(|node| node.variables().into_iter().map(move |spec| layout(node, spec)));
    layouts.collect()
}

/// The model's evaluation as a graph from `image` to `logits` and `probabilities`.
pub(super) fn graph(bundle: &Bundle) -> Graph {
    let network = &bundle.network;
    let architecture = network.architecture();
    let (classes, size) = (architecture.classes, architecture.image_size);
    let mut writer = Writer::default();
    for (variable, layout) in network.variables().iter().zip(layouts(architecture)) {
        writer.graph.initializer(&variable.name, &layout.dims, &layout.export(&variable.data));
    }
    let input = match &bundle.backbone {
        Some(backbone) => Value { name: writer.backbone(backbone), flat: true },
        None => Value { name: IMAGE.to_owned(), flat: false },
    };
    writer.values.push(input);
    for node in &architecture.nodes()[1..] {
        let value = writer.node(node);
        writer.values.push(value);
    }
    let mut graph = writer.graph;
    let last = writer.values.last().expect("every network has an output layer");
    graph.node("Identity", "logits", &[&last.name], &[]);
    graph.node("Softmax", "probabilities", &["logits"], &[]);
    graph.input(IMAGE, &[3, size, size]);
    graph.output("logits", &[classes]);
    graph.output("probabilities", &[classes]);
    graph
}

/// What a node gives.
#[derive(Debug, Clone)]
struct Value {
    name: String,
    /// Whether it is `[N, numbers]` rather than `[N, maps, rows, columns]`.
    flat: bool,
}

/// The graph so far, with the value that each node gives.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) graph: Graph,
    values: Vec<Value>,
}

impl Writer {
    /// Adds what `node` comes down to (opset 17: Conv-11, BatchNormalization-15, Relu-14, Add-14, Gemm-13,
    /// MaxPool-12, whose default drops a last odd row and column as we do).
    fn node(&mut self, node: &Node) -> Value {
        let inputs: Vec<Value> = node.inputs.iter().map(|at| self.values[*at].clone()).collect();
        let input = inputs.first().map_or("", |value| value.name.as_str());
        let variables = node.variables();
        let operands: Vec<&str> =
            [input].into_iter().chain(variables.iter().map(|spec| spec.name.as_str())).collect();
        let name = match &node.layer {
            Layer::Picture => unreachable!("the first node, which stands for the input"),
            Layer::Dropout { .. } => return inputs[0].clone(),
            Layer::ConvPool(_) => {
                let maps = self.convolution(node, &operands, Window::default());
                let maps = self.relu(&node.name, maps, true);
                self.max_pool(&node.name, &maps)
            }
            Layer::Convolution { shape, .. } => {
                let window = Window {
                    size: shape.kernel,
                    stride: shape.stride,
                    padding: shape.padding,
                    group: 1,
                };
                self.convolution(node, &operands, window)
            }
            Layer::BatchNorm { relu } => {
                let epsilon = [Attribute::Float("epsilon", EPSILON)];
                let maps = self.part("BatchNormalization", &node.name, &operands, &epsilon);
                self.relu(&node.name, maps, *relu)
            }
            Layer::Relu => self.relu(&node.name, input.to_owned(), true),
            Layer::AddRelu => {
                let sum = self.part("Add", &node.name, &[input, &inputs[1].name], &[]);
                self.relu(&node.name, sum, true)
            }
            Layer::MaxPool => self.max_pool(&node.name, input),
            Layer::GlobalAveragePool => {
                let means = self.part("GlobalAveragePool", &node.name, &[input], &[]);
                self.part("Flatten", &node.name, &[&means], &[])
            }
            Layer::Dense { relu, .. } => {
                let x =
                    if inputs[0].flat { input.to_owned() } else { self.flatten(&node.name, input) };
                let operands = [&[x.as_str()], &operands[1..]].concat();
                let sums = self.part("Gemm", &node.name, &operands, &[]);
                self.relu(&node.name, sums, *relu)
            }
        };
        let flat = match &node.layer {
            Layer::Dense { .. } | Layer::GlobalAveragePool => true,
            _ => inputs.first().is_some_and(|value| value.flat),
        };
        Value { name, flat }
    }

    /// Adds an operator whose output is named after the node and itself.
    pub(super) fn part(
        &mut self,
        operator: &str,
        node: &str,
        inputs: &[&str],
        attributes: &[Attribute<'_>],
    ) -> String {
        self.graph.node(operator, &format!("{node}.{operator}"), inputs, attributes)
    }

    fn convolution(&mut self, node: &Node, operands: &[&str], window: Window) -> String {
        self.part("Conv", &node.name, operands, &window.attributes())
    }

    fn relu(&mut self, node: &str, value: String, wanted: bool) -> String {
        if wanted { self.part("Relu", node, &[&value], &[]) } else { value }
    }

    fn max_pool(&mut self, node: &str, value: &str) -> String {
        let window =
            [Attribute::Ints("kernel_shape", vec![2, 2]), Attribute::Ints("strides", vec![2, 2])];
        self.part("MaxPool", node, &[value], &window)
    }

    /// Flattens in our order, maps last, so that the weights of the next layer keep theirs.
    fn flatten(&mut self, node: &str, value: &str) -> String {
        let maps_last = [Attribute::Ints("perm", vec![0, 2, 3, 1])];
        let turned = self.part("Transpose", node, &[value], &maps_last);
        self.part("Flatten", node, &[&turned], &[])
    }
}

/// The sizes of an ONNX convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) group: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: 3, stride: 1, padding: 0, group: 1 }
    }
}

impl Window {
    pub(super) fn attributes(self) -> [Attribute<'static>; 4] {
        let Self { size, stride, padding, group } = self;
        [
            Attribute::Ints("kernel_shape", vec![size; 2]),
            Attribute::Ints("strides", vec![stride; 2]),
            Attribute::Ints("pads", vec![padding; 4]),
            Attribute::Int("group", group as u64),
        ]
    }
}
