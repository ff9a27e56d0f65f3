//! The optimiser and the schedule of its learning rate, as a recipe names them.

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::model::architecture::FieldError;
use crate::nn::optimizer::Rule;

/// The optimisers by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam.
    #[default]
    Adam,
    /// Adam with decoupled weight decay of weight matrices and kernels.
    #[serde(rename = "adamw")]
    AdamW,
    /// `RMSprop`.
    RmsProp,
    /// Stochastic gradient descent.
    Sgd,
}

/// How weights are updated: a name, or an object with a name and settings. Keras' formulas and
/// defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Optimizer {
    /// Its name.
    pub kind: OptimizerKind,
    /// What a step keeps of the one before; `rmsprop` and `sgd` only, 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub momentum: Option<f64>,
    /// Nesterov's form of momentum; `sgd` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// Each step shrinks the weights by learning rate × this; `adamw` only, 0.004 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub weight_decay: Option<f64>,
}

impl Optimizer {
    /// The arithmetic.
    pub fn rule(&self) -> Rule {
        let momentum = self.momentum.unwrap_or(0.0);
        match self.kind {
            OptimizerKind::Adam => Rule::Adam { weight_decay: 0.0 },
            OptimizerKind::AdamW => Rule::Adam { weight_decay: self.weight_decay.unwrap_or(0.004) },
            OptimizerKind::RmsProp => Rule::RmsProp { momentum },
            OptimizerKind::Sgd => Rule::Sgd { momentum, nesterov: self.nesterov.unwrap_or(false) },
        }
    }

    pub(super) fn check(&self, errors: &mut Vec<FieldError>) {
        use OptimizerKind::{AdamW, RmsProp, Sgd};
        let mut setting = |name: &str, given: bool, kinds: &[OptimizerKind], rule: Option<&str>| {
            let message = match rule {
                _ if given && !kinds.contains(&self.kind) => "this optimizer has no such setting",
                Some(rule) => rule,
                None => return,
            };
            errors.push(FieldError::new(format!("optimizer.{name}"), message));
        };
        let outside = |value: Option<f64>, holds: fn(f64) -> bool| value.is_some_and(|v| !holds(v));
        let bad = outside(self.momentum, |v| (0.0..1.0).contains(&v))
            .then_some("must be at least 0 and less than 1");
        setting("momentum", self.momentum.is_some(), &[RmsProp, Sgd], bad);
        let still = self.nesterov == Some(true) && self.momentum.unwrap_or(0.0) <= 0.0;
        let bad = still.then_some("needs a momentum above 0");
        setting("nesterov", self.nesterov.is_some(), &[Sgd], bad);
        let bad = outside(self.weight_decay, |v| (0.0..=1.0).contains(&v))
            .then_some("must be between 0 and 1");
        setting("weight_decay", self.weight_decay.is_some(), &[AdamW], bad);
    }
}

/// The schedules by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// The same rate to the end.
    #[default]
    Constant,
    /// Half a cosine from the rate to zero (Loshchilov and Hutter 2017).
    Cosine,
    /// The rate is multiplied by `factor` every `every` epochs.
    Step,
}

/// How the learning rate changes: a name, or an object with a name and settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Schedule {
    /// Its name.
    pub kind: ScheduleKind,
    /// Epochs in which the rate grows from zero to `learning_rate`, batch by batch.
    #[schema(maximum = 10000)]
    pub warmup_epochs: u32,
    /// Epochs between two steps; `step` only, where it must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub every: Option<u32>,
    /// What a step multiplies by; `step` only, 0.1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    pub factor: Option<f64>,
}

/// How far a run is when a batch begins.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Epochs in all.
    pub epochs: u32,
    /// Epochs that are complete.
    pub epoch: u32,
    /// Batches of this epoch that are complete.
    pub batch: usize,
    /// Batches in each epoch.
    pub batches: usize,
}

impl Schedule {
    /// What the learning rate is multiplied by for the next batch.
    pub fn factor(&self, at: Progress) -> f64 {
        let done = f64::from(at.epoch) + at.batch as f64 / at.batches as f64;
        let warmup = f64::from(self.warmup_epochs);
        if done < warmup {
            return (done + 1.0 / at.batches as f64) / warmup;
        }
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cosine => {
                let part = (done - warmup) / (f64::from(at.epochs) - warmup);
                (std::f64::consts::PI * part).cos().midpoint(1.0)
            }
            ScheduleKind::Step => {
                let steps = at.epoch / self.every.unwrap_or(u32::MAX);
                self.factor.unwrap_or(0.1).powf(f64::from(steps))
            }
        }
    }

    pub(super) fn check(&self, epochs: u32, errors: &mut Vec<FieldError>) {
        let mut require = |holds: bool, field: &str, message: &str| {
            if !holds {
                errors.push(FieldError::new(format!("schedule.{field}"), message));
            }
        };
        let shorter = self.warmup_epochs == 0 || self.warmup_epochs < epochs;
        require(shorter, "warmup_epochs", "must be less than epochs");
        if self.kind == ScheduleKind::Step {
            let every = self.every.is_some_and(|every| (1..=10_000).contains(&every));
            require(every, "every", "must be given, between 1 and 10000");
            let factor = self.factor.is_none_or(|factor| factor > 0.0 && factor < 1.0);
            require(factor, "factor", "must be above 0 and less than 1");
        } else {
            require(self.every.is_none(), "every", "only the step schedule has it");
            require(self.factor.is_none(), "factor", "only the step schedule has it");
        }
    }
}

/// Reads `"name"` as `{"kind": "name"}`; inside an object an error keeps the path to its field.
macro_rules! named_or_set {
    ($type:ident, $kind:ident, $expecting:literal, { $($field:ident: $field_type:ty),* $(,)? }) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Settings {
                    kind: $kind,
                    $(#[serde(default)] $field: $field_type,)*
                }

                struct NamedOrSet;

                impl<'de> Visitor<'de> for NamedOrSet {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: de::Error>(self, name: &str) -> Result<$type, E> {
                        let name = de::value::StrDeserializer::new(name);
                        Ok($type { kind: $kind::deserialize(name)?, ..$type::default() })
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$type, A::Error> {
                        let settings = Settings::deserialize(MapAccessDeserializer::new(map))?;
                        Ok($type { kind: settings.kind, $($field: settings.$field),* })
                    }
                }

                deserializer.deserialize_any(NamedOrSet)
            }
        }
    };
}

named_or_set!(Optimizer, OptimizerKind, "an optimizer's name or an object with its `kind`", {
    momentum: Option<f64>,
    nesterov: Option<bool>,
    weight_decay: Option<f64>,
});

named_or_set!(Schedule, ScheduleKind, "a schedule's name or an object with its `kind`", {
    warmup_epochs: u32,
    every: Option<u32>,
    factor: Option<f64>,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_and_an_object_mean_the_same() {
        for (name, object) in
            [("\"adam\"", r#"{"kind": "adam"}"#), ("\"sgd\"", r#"{"kind": "sgd"}"#)]
        {
            let read = |text: &str| serde_json::from_str::<Optimizer>(text).unwrap();
            assert_eq!(read(name), read(object));
        }
        let sgd = r#"{"kind":"sgd","momentum":0.9,"nesterov":true}"#;
        let read: Optimizer = serde_json::from_str(sgd).unwrap();
        assert_eq!(read.rule(), Rule::Sgd { momentum: 0.9, nesterov: true });
        assert_eq!(serde_json::to_string(&read).unwrap(), sgd);
        for wrong in ["\"ftrl\"", "{}", r#"{"kind": "sgd", "beta": 1}"#, "3"] {
            assert!(serde_json::from_str::<Optimizer>(wrong).is_err(), "{wrong}");
        }
    }

    fn rates(schedule: &Schedule) -> Vec<f64> {
        let at = |epoch| Progress { epochs: 6, epoch, batch: 0, batches: 2 };
        (0..6).map(|epoch| (schedule.factor(at(epoch)) * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn schedules_warm_up_and_fall() {
        let warm = |kind| Schedule { kind, warmup_epochs: 2, ..Schedule::default() };
        assert_eq!(rates(&warm(ScheduleKind::Constant)), [0.25, 0.75, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(rates(&warm(ScheduleKind::Cosine)), [0.25, 0.75, 1.0, 0.854, 0.5, 0.146]);
        let kind = ScheduleKind::Step;
        let step = Schedule { kind, every: Some(2), factor: Some(0.5), ..Schedule::default() };
        assert_eq!(rates(&step), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    }
}
