//! Settings of the `tags` check, and the references that a job has frozen.

use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};
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
#[serde(deny_unknown_fields, from = "GivenSettings")]
pub struct TagSettings {
    /// Which tagger gives the labels.
    #[garde(skip)]
    #[schema(required = false, default = "rekognition")]
    pub tagger: TaggerName,
    /// When an image shares tags with the references of its class.
    #[garde(skip)]
    #[schema(required = false, default = "any_of_top_k")]
    pub rule: Rule,
    /// How many tags count: of each reference the surest ones, and for `specific` the heaviest ones of a class.
    #[garde(range(min = 1, max = 50))]
    #[schema(required = false, minimum = 1, maximum = 50, default = 4)]
    pub k: u32,
    /// Labels below this confidence, in percent, do not count, neither the references' nor the images'. When left out, 55,
    /// and of `zero_shot`, whose phrases share a hundred percent, 5.
    #[garde(range(min = 0.0, max = 100.0))]
    #[schema(required = false, minimum = 0, maximum = 100)]
    pub min_confidence: f32,
    /// For `specific`: the share of the weight that an image must share, 0 to 1.
    #[garde(range(min = 0.0, max = 1.0))]
    #[schema(required = false, minimum = 0, maximum = 1, default = 0.25)]
    pub threshold: f32,
}

/// Settings as they are written: what is not there is the usual.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenSettings {
    tagger: TaggerName,
    rule: Rule,
    k: u32,
    /// The tagger's usual one where it is not written; null is none.
    #[serde(deserialize_with = "written")]
    min_confidence: Option<f32>,
    threshold: f32,
}

fn written<'de, D: Deserializer<'de>>(value: D) -> Result<Option<f32>, D::Error> {
    f32::deserialize(value).map(Some)
}

impl Default for GivenSettings {
    fn default() -> Self {
        // The original rule: the first 4 tags.
        Self {
            tagger: TaggerName::Rekognition,
            rule: Rule::AnyOfTopK,
            k: 4,
            min_confidence: None,
            threshold: 0.25,
        }
    }
}

impl From<GivenSettings> for TagSettings {
    fn from(given: GivenSettings) -> Self {
        let GivenSettings { tagger, rule, k, min_confidence, threshold } = given;
        let usual = match tagger {
            // Where Rekognition itself cuts by default.
            TaggerName::Rekognition | TaggerName::Local => 55.0,
            TaggerName::ZeroShot => 5.0,
        };
        Self { tagger, rule, k, min_confidence: min_confidence.unwrap_or(usual), threshold }
    }
}

impl Default for TagSettings {
    fn default() -> Self {
        GivenSettings::default().into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_the_usual_of_the_tagger() {
        let settings = |json: &str| serde_json::from_str::<TagSettings>(json);
        assert_eq!(settings("{}").unwrap(), TagSettings::default());
        let zero_shot = TagSettings {
            tagger: TaggerName::ZeroShot,
            k: 1,
            min_confidence: 5.0,
            ..TagSettings::default()
        };
        assert_eq!(settings(r#"{"tagger": "zero_shot", "k": 1}"#).unwrap(), zero_shot);
        let own = TagSettings { min_confidence: 30.0, ..zero_shot };
        assert_eq!(settings(&serde_json::to_string(&own).unwrap()).unwrap(), own);
        for wrong in [r#"{"kk": 1}"#, r#"{"k": null}"#, r#"{"min_confidence": null}"#] {
            assert!(settings(wrong).is_err(), "{wrong}");
        }
    }
}
