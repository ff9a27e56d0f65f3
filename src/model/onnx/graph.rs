//! An ONNX graph under construction: nodes, initializers, and the model around them.
//!
//! Field numbers are those of `onnx.proto` (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>),
//! which cannot change; each is named where it is used.

use super::wire::Message;

/// The intermediate representation of ONNX 1.12; every runtime since 2022 reads it.
const IR_VERSION: u64 = 8;

/// The operator set of ONNX 1.12.
const OPSET: u64 = 17;

/// `TensorProto.DataType.FLOAT`.
pub(super) const FLOAT: u64 = 1;

/// One attribute of a node.
#[derive(Debug, Clone)]
pub(super) enum Attribute<'a> {
    /// An integer.
    Int(&'a str, u64),
    /// A list of integers.
    Ints(&'a str, Vec<usize>),
    /// A float.
    Float(&'a str, f32),
}

impl Attribute<'_> {
    /// An `AttributeProto`: name = 1, f = 2, i = 3, ints = 8, type = 20 (FLOAT 1, INT 2, INTS 7).
    fn message(&self) -> Message {
        let named = |name: &str| Message::default().bytes(1, name);
        match self {
            Self::Float(name, value) => named(name).float(2, *value).int(20, 1),
            Self::Int(name, value) => named(name).int(3, *value).int(20, 2),
            Self::Ints(name, values) => {
                let ints = values.iter().fold(named(name), |m, value| m.int(8, *value as u64));
                ints.int(20, 7)
            }
        }
    }
}

/// A chain of nodes that grows at its end.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
}

impl Graph {
    /// Adds a `NodeProto` (input = 1, output = 2, name = 3, `op_type` = 4, attribute = 5) that is
    /// named as its output; returns that name.
    pub(super) fn node(
        &mut self,
        operator: &str,
        output: &str,
        inputs: &[&str],
        attributes: &[Attribute<'_>],
    ) -> String {
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
        let node = node.bytes(2, output).bytes(3, output).bytes(4, operator);
        let attributes: Vec<_> = attributes.iter().map(Attribute::message).collect();
        self.nodes.push(node.messages(5, &attributes));
        output.to_owned()
    }

    /// Adds a `TensorProto` (dims = 1, `data_type` = 2, name = 8, `raw_data` = 9) of numbers.
    pub(super) fn initializer(&mut self, name: &str, dims: &[usize], data: &[f32]) {
        let raw: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensor = dims.iter().fold(Message::default(), |tensor, dim| tensor.int(1, *dim as u64));
        self.initializers.push(tensor.int(2, FLOAT).bytes(8, name).bytes(9, raw));
    }

    /// Declares an input of any number of examples of this shape.
    pub(super) fn input(&mut self, name: &str, dims: &[usize]) {
        self.inputs.push(value_info(name, dims));
    }

    /// Declares an output of any number of examples of this shape.
    pub(super) fn output(&mut self, name: &str, dims: &[usize]) {
        self.outputs.push(value_info(name, dims));
    }

    /// The `ModelProto`: `ir_version` = 1, `producer_name` = 2, graph = 7, `opset_import` = 8
    /// (version = 2), `metadata_props` = 14 (key = 1, value = 2); its `GraphProto`: node = 1,
    /// name = 2, initializer = 5, input = 11, output = 12.
    pub(super) fn into_model(self, properties: &[(&str, String)]) -> Vec<u8> {
        let graph = Message::default()
            .messages(1, &self.nodes)
            .bytes(2, "classifier")
            .messages(5, &self.initializers)
            .messages(11, &self.inputs)
            .messages(12, &self.outputs);
        let properties: Vec<_> = properties
            .iter()
            .map(|(key, value)| Message::default().bytes(1, key).bytes(2, value))
            .collect();
        Message::default()
            .int(1, IR_VERSION)
            .bytes(2, "shipshape")
            .message(7, &graph)
            .message(8, &Message::default().int(2, OPSET))
            .messages(14, &properties)
            .into_bytes()
    }
}

/// A `ValueInfoProto`: name = 1, type = 2; `TypeProto`: `tensor_type` = 1; its `Tensor`:
/// `elem_type` = 1, shape = 2; `TensorShapeProto`: dim = 1; its `Dimension`: `dim_value` = 1,
/// `dim_param` = 2.
fn value_info(name: &str, dims: &[usize]) -> Message {
    let batch = Message::default().bytes(2, "N");
    let shape = dims.iter().fold(Message::default().message(1, &batch), |shape, dim| {
        shape.message(1, &Message::default().int(1, *dim as u64))
    });
    let tensor = Message::default().int(1, FLOAT).message(2, &shape);
    Message::default().bytes(1, name).message(2, &Message::default().message(1, &tensor))
}
