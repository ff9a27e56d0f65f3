//! Where a query stands: the next offset, and a short mark of every hit that was seen.

use std::collections::HashSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Hit;

/// The first eight bytes of a digest: among 2,000 marks two agree by chance once in 10¹³ queries.
type Mark = [u8; 8];

/// Where a query stands. As JSON at most 22 KB, since Bing shows at most 1,000 results.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct Place {
    /// Offset of the next result, from 1.
    pub(super) first: u32,
    seen: HashSet<Mark>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    first: u32,
    /// Marks one after the other, in base64.
    seen: String,
}

impl Default for Place {
    fn default() -> Self {
        Self { first: 1, seen: HashSet::new() }
    }
}

impl Place {
    /// Whether neither the picture's URL nor its digest was seen before; both are from now on.
    pub(super) fn is_new(&mut self, hit: &Hit) -> bool {
        let mark = |text: &str| -> Mark {
            let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
            *digest.first_chunk().expect("8 of 32 bytes")
        };
        let new_url = self.seen.insert(mark(&hit.url));
        let new_digest =
            hit.engine_md5.as_ref().is_none_or(|md5| self.seen.insert(mark(&format!("md5:{md5}"))));
        new_url && new_digest
    }

    pub(super) fn moved_to(self, first: u32) -> Self {
        Self { first, ..self }
    }
}

impl From<Place> for Stored {
    fn from(place: Place) -> Self {
        let mut marks: Vec<Mark> = place.seen.into_iter().collect();
        marks.sort_unstable();
        Self { first: place.first, seen: BASE64.encode(marks.concat()) }
    }
}

impl TryFrom<Stored> for Place {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let bytes = BASE64.decode(stored.seen).map_err(|error| error.to_string())?;
        let (marks, rest) = bytes.as_chunks::<8>();
        if stored.first == 0 || !rest.is_empty() {
            return Err("not a place in a result list".into());
        }
        Ok(Self { first: stored.first, seen: marks.iter().copied().collect() })
    }
}
