//! `blurry`, `dark`, `light`, `low_information`, `grayscale`: scores of the full-size pixels, as `CleanVision` defines
//! them ([`Scores`] says where not).

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene, scored};
use crate::picture::{self, Limits, Scores};

pub(super) struct Quality {
    name: &'static str,
    about: &'static str,
    threshold: f64,
    score: fn(&Scores) -> f32,
}

pub(super) const BLURRY: Quality = of("blurry", "out of focus", 0.29, |scores| scores.blurry);
pub(super) const DARK: Quality = of("dark", "nearly black", 0.32, |scores| scores.dark);
pub(super) const LIGHT: Quality = of("light", "nearly white", 0.05, |scores| scores.light);
pub(super) const LOW_INFORMATION: Quality =
    of("low_information", "almost nothing to see", 0.3, |scores| scores.low_information);
/// Four levels between the channels are no more than a JPEG adds to a grey picture.
pub(super) const GRAYSCALE: Quality =
    of("grayscale", "without colour", 0.25, |scores| scores.grayscale);

const fn of(
    name: &'static str,
    about: &'static str,
    threshold: f64,
    score: fn(&Scores) -> f32,
) -> Quality {
    Quality { name, about, threshold, score }
}

impl Check for Quality {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn threshold(&self) -> Option<f64> {
        Some(self.threshold)
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let scores = match picture::find_scores(scene.pool, scene.image.sha256).await? {
                Some(scores) => scores,
                None => match measure(scene).await? {
                    Ok(scores) => scores,
                    Err(unscannable) => return Ok(unscannable),
                },
            };
            // By way of decimals, so that 0.29 of the stored single precision is 0.29.
            let score = f64::from((self.score)(&scores));
            let score = (score * 1e6).round() / 1e6;
            Ok(scored::finding(self.name, score, scene.threshold(self), json!({})))
        })
    }
}

/// The scores of a picture that arrived without them, by its original; they are kept for the next time.
async fn measure(scene: &Scene<'_>) -> Result<Result<Scores, Finding>, Halt> {
    let Some(bytes) = scene.original.bytes().await? else {
        let reason = "the blob store does not have the bytes any more";
        return Ok(Err(Finding::unscannable("missing", reason)));
    };
    let work =
        move || picture::decode(&bytes, &Limits::default()).map(|pixels| Scores::of(&pixels));
    let measured = tokio::task::spawn_blocking(work).await;
    match measured.map_err(|error| Halt::Passing(error.into()))? {
        Ok(scores) => {
            picture::set_scores(scene.pool, scene.image.sha256, &scores).await?;
            Ok(Ok(scores))
        }
        Err(why) => Ok(Err(Finding::unscannable(why.code(), why.to_string()))),
    }
}
