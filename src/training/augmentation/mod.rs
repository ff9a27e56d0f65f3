//! Random changes of training pictures: Keras' `ImageDataGenerator`, random crops and mixup.

mod change;
mod crop;
mod mixup;
mod settings;
mod sheet;
mod written;

pub use change::Change;
pub use crop::Window;
pub use mixup::{Mixup, mix};
pub use settings::{Augment, Fill};
pub use sheet::{Sample, Sheet};
pub use written::WrittenAugment;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;
