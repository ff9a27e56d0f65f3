//! Settings of the `tags` check, and the references that a job has frozen.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::{ClassId, Sha256};
use crate::tag::TaggerName;

/// When an image shares tags with the references of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// One of the first k tags of a reference is among all labels of the image.
    AnyOfTopK,
    /// Tags weigh more the rarer and the more particular they are, and an image must share enough of the weight of
    /// its class's k heaviest ones.
    Specific,
}

/// Settings of the `tags` check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TagSettings {
    /// Which tagger gives the labels.
    #[garde(skip)]
    pub tagger: TaggerName,
    /// When an image shares tags with the references of its class.
    #[garde(skip)]
    pub rule: Rule,
    /// How many tags count: of each reference the surest ones, and for `specific` the heaviest ones of a class.
    #[garde(range(min = 1, max = 50))]
    #[schema(minimum = 1, maximum = 50, default = 4)]
    pub k: u32,
    /// Labels below this confidence, in percent, do not count, neither the references' nor the images'. Of `zero_shot`,
    /// whose phrases share a hundred percent, 5 leaves those that stand out.
    #[garde(range(min = 0.0, max = 100.0))]
    #[schema(minimum = 0, maximum = 100, default = 55)]
    pub min_confidence: f32,
    /// For `specific`: the share of the weight that an image must share, 0 to 1.
    #[garde(range(min = 0.0, max = 1.0))]
    #[schema(minimum = 0, maximum = 1, default = 0.25)]
    pub threshold: f32,
}

impl Default for TagSettings {
    fn default() -> Self {
        // The original rule: the first 4 tags, cut where the service itself cuts by default.
        Self {
            tagger: TaggerName::Rekognition,
            rule: Rule::AnyOfTopK,
            k: 4,
            min_confidence: 55.0,
            threshold: 0.25,
        }
    }
}

/// A reference of a class as a job found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceTags {
    /// The class that it stands for.
    pub class_id: ClassId,
    /// Name of the class.
    pub class: String,
    /// The picture.
    pub sha256: Sha256,
    /// The tagger's label model.
    pub model_version: String,
    /// Its first k tags.
    pub tags: Vec<String>,
}
