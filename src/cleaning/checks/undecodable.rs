//! `undecodable`: the stored bytes are read again, compared with their address and decoded.

use futures::future::BoxFuture;
use serde_json::json;

use super::{Check, Finding, Halt, Scene};
use crate::db::Sha256;
use crate::picture::{self, Limits};

pub(super) struct Undecodable;

impl Check for Undecodable {
    fn name(&self) -> &'static str {
        "undecodable"
    }

    fn about(&self) -> &'static str {
        "bytes that no longer are a whole picture, or have changed"
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let Some(bytes) = scene.original.bytes().await? else {
                let reason = "the blob store does not have the bytes any more";
                return Ok(Finding::unscannable("missing", reason));
            };
            let address = scene.image.sha256;
            let finding = tokio::task::spawn_blocking(move || of(&bytes, address)).await;
            finding.map_err(|error| Halt::Passing(error.into()))
        })
    }
}

fn of(bytes: &[u8], address: Sha256) -> Finding {
    let found = Sha256::of(bytes);
    if found != address {
        let evidence = json!({ "code": "digest_mismatch", "sha256": found });
        return Finding::flagged("the stored bytes are not the ones that were stored", evidence);
    }
    match picture::decode(bytes, &Limits::default()) {
        Ok(pixels) => {
            let evidence = json!({ "width": pixels.width(), "height": pixels.height() });
            Finding::passed("every pixel can be decoded", evidence)
        }
        Err(why) => Finding::flagged(why.to_string(), json!({ "code": why.code() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn changed_bytes_and_broken_ones_are_flagged() {
        let pixels = picture::RgbImage::from_pixel(40, 40, image::Rgb([9, 90, 200]));
        let good = picture::encode_jpeg(&pixels, 85);
        assert_eq!(of(&good, Sha256::of(&good)).outcome, Outcome::Passed);
        let changed = of(&good, Sha256::of(b"other"));
        assert_eq!(changed.evidence["code"], "digest_mismatch");
        let cut = &good[..good.len() / 2];
        assert_eq!(of(cut, Sha256::of(cut)).outcome, Outcome::Flagged);
    }
}
