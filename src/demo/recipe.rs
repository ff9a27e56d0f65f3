//! The recipe that the demo trains: small pictures, and as many epochs as a budget of pictures allows.

use serde_json::{Value, json};

/// Pictures that a run may look at, over all epochs: well under a minute on two cores.
const BUDGET: usize = 16_000;

/// The original three-convolution network on 96×96 pixels, 12 to 30 epochs by the number of training pictures.
pub(super) fn for_pictures(train: usize) -> Value {
    json!({
        "conv": [32, 64, 128],
        "dense": [64],
        "dropout": [0.5],
        "image_size": 96,
        "epochs": (BUDGET / train.max(1)).clamp(12, 30),
        "batch_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "augment": {"shear_degrees": 5, "zoom": 0.1, "horizontal_flip": true},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pictures_get_fewer_epochs_within_bounds() {
        let epochs = |train| for_pictures(train)["epochs"].as_u64().unwrap();
        assert_eq!((epochs(100), epochs(1000), epochs(100_000)), (30, 16, 12));
    }
}
