//! Language and country of a search.

use serde::{Deserialize, Serialize};

/// A language and a country, as in `en-US`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Market(String);

impl Market {
    /// As in `en-US`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As in `en`.
    pub fn language(&self) -> &str {
        &self.0[..2]
    }
}

impl Default for Market {
    fn default() -> Self {
        Self("en-US".into())
    }
}

impl TryFrom<String> for Market {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = match text.as_bytes() {
            [a, b, b'-', c, d] => {
                [a, b].iter().all(|byte| byte.is_ascii_lowercase())
                    && [c, d].iter().all(|byte| byte.is_ascii_uppercase())
            }
            _ => false,
        };
        if fits { Ok(Self(text)) } else { Err("must be a language and a country, as in en-US") }
    }
}

impl From<Market> for String {
    fn from(market: Market) -> Self {
        market.0
    }
}
