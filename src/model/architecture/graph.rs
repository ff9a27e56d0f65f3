//! From the description of a network to its list of nodes.

use super::{Architecture, Extent, Family, Layer, Node};
use crate::nn::conv::ConvShape;
use crate::nn::convolution::ConvolutionShape;
use crate::nn::dense::DenseShape;

impl Architecture {
    /// The nodes from picture to logits; the description must have passed its check.
    pub fn nodes(&self) -> Vec<Node> {
        let mut graph = Graph::new(self.input());
        match self.family {
            Family::Plain => self.plain_blocks(&mut graph),
            Family::Residual => self.residual_blocks(&mut graph),
            Family::MobilenetV4Small => {
                self.dropout_after(&mut graph, self.dense.len());
            }
        }
        for (at, units) in self.dense.iter().enumerate() {
            graph.dense(format!("dense{}", at + 1), *units, true);
            self.dropout_after(&mut graph, self.dense.len() - 1 - at);
        }
        graph.dense("output".to_owned(), self.classes, false);
        graph.nodes
    }

    fn plain_blocks(&self, graph: &mut Graph) {
        for (block, maps) in self.conv.iter().enumerate() {
            let (number, kernel) = (block + 1, self.kernel_of(block));
            if kernel == 3 && !self.batch_norm {
                graph.conv_pool(format!("conv{number}"), *maps);
            } else {
                let size = Kernel { maps: *maps, size: kernel, stride: 1, padding: 0 };
                graph.convolution(format!("conv{number}"), size, !self.batch_norm);
                if self.batch_norm {
                    graph.batch_norm(format!("norm{number}"), true);
                } else {
                    graph.same_size(format!("relu{number}"), Layer::Relu);
                }
                graph.max_pool(format!("pool{number}"));
            }
            self.dropout_after(graph, self.places_above(block));
        }
    }

    fn residual_blocks(&self, graph: &mut Graph) {
        let stem = Kernel { maps: self.conv[0], size: 3, stride: 2, padding: 1 };
        graph.convolution("stem".to_owned(), stem, false);
        graph.batch_norm("stem_norm".to_owned(), true);
        graph.max_pool("stem_pool".to_owned());
        for (block, maps) in self.conv.iter().enumerate() {
            let stride = if block == 0 { 1 } else { 2 };
            graph.residual(block + 1, *maps, stride);
            if block + 1 == self.conv.len() {
                let maps = graph.extent().maps;
                graph.push("average".to_owned(), Layer::GlobalAveragePool, Extent::vector(maps));
            }
            self.dropout_after(graph, self.places_above(block));
        }
    }

    /// Dropout places between this block's and the output layer's.
    fn places_above(&self, block: usize) -> usize {
        // Without a hidden layer the last rate already stands after the convolutions.
        self.conv.len() - 1 - block + self.dense.len()
    }

    fn dropout_after(&self, graph: &mut Graph, places_above: usize) {
        let Some(at) = self.dropout.len().checked_sub(places_above + 1) else {
            return;
        };
        let layer = Layer::Dropout { rate: self.dropout[at] as f32, number: at as u64 };
        graph.same_size(format!("dropout{}", at + 1), layer);
    }
}

/// What a convolution adds to its input's sizes.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    maps: usize,
    size: usize,
    stride: usize,
    padding: usize,
}

/// A list of nodes that grows at its end.
struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    fn new(output: Extent) -> Self {
        let picture =
            Node { name: "picture".to_owned(), layer: Layer::Picture, inputs: vec![], output };
        Self { nodes: vec![picture] }
    }

    /// The size of the last node's result.
    fn extent(&self) -> Extent {
        self.nodes[self.last()].output
    }

    fn last(&self) -> usize {
        self.nodes.len() - 1
    }

    fn push(&mut self, name: String, layer: Layer, output: Extent) {
        self.nodes.push(Node { name, layer, inputs: vec![self.last()], output });
    }

    fn same_size(&mut self, name: String, layer: Layer) {
        self.push(name, layer, self.extent());
    }

    fn conv_pool(&mut self, name: String, output_maps: usize) {
        let Extent { height, width, maps: input_maps } = self.extent();
        let shape = ConvShape { height, width, input_maps, output_maps };
        let (height, width) = (shape.pooled_height(), shape.pooled_width());
        self.push(name, Layer::ConvPool(shape), Extent { height, width, maps: output_maps });
    }

    fn convolution(&mut self, name: String, size: Kernel, bias: bool) {
        self.convolution_of(self.last(), name, size, bias);
    }

    fn convolution_of(&mut self, from: usize, name: String, size: Kernel, bias: bool) {
        let Extent { height, width, maps: input_maps } = self.nodes[from].output;
        let Kernel { maps: output_maps, size: kernel, stride, padding } = size;
        let shape =
            ConvolutionShape { height, width, input_maps, output_maps, kernel, stride, padding };
        let (height, width) = (shape.output_height(), shape.output_width());
        let output = Extent { height, width, maps: output_maps };
        let layer = Layer::Convolution { shape, bias };
        self.nodes.push(Node { name, layer, inputs: vec![from], output });
    }

    fn batch_norm(&mut self, name: String, relu: bool) {
        self.same_size(name, Layer::BatchNorm { relu });
    }

    fn max_pool(&mut self, name: String) {
        let Extent { height, width, maps } = self.extent();
        self.push(name, Layer::MaxPool, Extent { height: height / 2, width: width / 2, maps });
    }

    /// Two 3×3 convolutions around which the input passes, through a 1×1 convolution where the
    /// sizes differ.
    fn residual(&mut self, number: usize, maps: usize, stride: usize) {
        let name = |part: &str| format!("block{number}_{part}");
        let (entry, from) = (self.last(), self.extent());
        let three = Kernel { maps, size: 3, stride, padding: 1 };
        self.convolution(name("conv1"), three, false);
        self.batch_norm(name("norm1"), true);
        self.convolution(name("conv2"), Kernel { stride: 1, ..three }, false);
        self.batch_norm(name("norm2"), false);
        let (main, output) = (self.last(), self.extent());
        let mut shortcut = entry;
        if output != from {
            let one = Kernel { maps, size: 1, stride, padding: 0 };
            self.convolution_of(entry, name("shortcut"), one, false);
            self.batch_norm(name("shortcut_norm"), false);
            shortcut = self.last();
        }
        let (layer, inputs) = (Layer::AddRelu, vec![main, shortcut]);
        self.nodes.push(Node { name: name("sum"), layer, inputs, output });
    }

    fn dense(&mut self, name: String, outputs: usize, relu: bool) {
        let shape = DenseShape { inputs: self.extent().len(), outputs };
        self.push(name, Layer::Dense { shape, relu }, Extent::vector(outputs));
    }
}
