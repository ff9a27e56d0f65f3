//! Early stopping: when a run has waited long enough for a better epoch.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::architecture::FieldError;

/// What is to be said of figures of runs that could end early.
pub const CAVEAT: &str = "early stopping may have ended a run, or chosen its epoch, by the loss of the test pictures: \
                          its test accuracy is a little optimistic";

/// Ends a run that no longer gets better, as Keras does with the loss of the test pictures. What
/// the test pictures chose they no longer measure: the test accuracy of such a run is optimistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without a lower test loss after which the run ends, as far as they are evaluated: see
    /// `evaluate_every`.
    #[schema(minimum = 1, maximum = 10000)]
    pub patience: u32,
    /// What the loss must fall by to count as lower.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 100)]
    pub min_delta: f64,
    /// Whether the weights of the best epoch are kept rather than the last one's.
    #[serde(default = "restore")]
    pub restore_best: bool,
}

fn restore() -> bool {
    true
}

impl EarlyStopping {
    pub(super) fn check(&self, errors: &mut Vec<FieldError>) {
        if !(1..=10_000).contains(&self.patience) {
            let message = "must be between 1 and 10000";
            errors.push(FieldError::new("early_stopping.patience", message));
        }
        if !(0.0..=100.0).contains(&self.min_delta) {
            errors.push(FieldError::new("early_stopping.min_delta", "must be between 0 and 100"));
        }
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Best {
    /// From 1.
    pub(super) epoch: u32,
    /// Its test loss.
    pub(super) loss: f64,
    /// Its variables, where they are to be restored.
    pub(super) variables: Option<Vec<Vec<f32>>>,
}

impl Best {
    /// Whether a loss is lower by more than `min_delta`, as Keras compares.
    pub(super) fn beaten_by(&self, loss: f64, min_delta: f64) -> bool {
        loss < self.loss - min_delta
    }
}
