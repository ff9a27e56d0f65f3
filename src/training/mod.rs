//! Recipe, trainer, augmentation, metrics, learning curve.
