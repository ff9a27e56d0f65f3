//! The recipe that the demo trains: small pictures, and as many epochs as a budget of pictures allows.

use serde_json::{Value, json};

/// Pictures that a run may look at, over all epochs, for each class: more classes take longer to tell apart. Two
/// classes take about two minutes on two cores.
const BUDGET: usize = 8_000;

/// The original three-convolution network on 96×96 pixels, 12 to 45 epochs by the number of training pictures.
pub(super) fn for_pictures(train: usize, classes: usize) -> Value {
    json!({
        "conv": [32, 64, 128],
        "dense": [64],
        "dropout": [0.5],
        "image_size": 96,
        "epochs": epochs(train, classes),
        "batch_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "augment": {"shear_degrees": 5, "zoom": 0.1, "horizontal_flip": true},
    })
}

fn epochs(train: usize, classes: usize) -> usize {
    (BUDGET * classes / train.max(1)).clamp(12, if classes > 2 { 45 } else { 30 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pictures_get_fewer_epochs_within_bounds() {
        assert_eq!((epochs(100, 2), epochs(1000, 2), epochs(100_000, 2)), (30, 16, 12));
        assert_eq!(epochs(1057, 6), 45);
    }
}
