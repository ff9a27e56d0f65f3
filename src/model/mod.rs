//! Network, bundle, ONNX file, import, pretrained weights, registry and activation.

pub mod architecture;
pub mod bundle;
mod evaluation;
pub mod gradient;
pub mod import;
pub mod inference;
pub mod network;
pub mod onnx;
pub mod pretrained;
mod registry;
pub mod weights_file;

pub use architecture::{Architecture, FieldError};
pub use bundle::{Bundle, BundleError, Metadata};
pub use inference::Inference;
pub use network::{Network, Variable};
pub use registry::{
    Form, Listing, Model, ModelFilter, NewModel, Source, activate, active, find, has_dataset,
    insert, is_published, list, listing,
};
