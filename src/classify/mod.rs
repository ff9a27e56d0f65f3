//! A photo to an answer: decode, tensor, engine.

mod answer;
mod engine;
mod served;
mod slots;

pub use answer::{Answer, ClassProbability, ClassifyError, Timings};
pub use engine::{Classifier, Settings, Target};
pub use served::{MAX_PHOTO_BYTES, Served};
