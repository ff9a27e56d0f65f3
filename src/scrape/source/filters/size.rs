//! A size by name or in pixels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A size: `small`, `medium`, `large`, `wallpaper`, or exactly `<width>x<height>` pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Size {
    /// Small.
    Small,
    /// Medium.
    Medium,
    /// Large.
    Large,
    /// Very large.
    Wallpaper,
    /// Exactly so many pixels.
    Exactly {
        /// Pixels, 1 to 99,999.
        width: u32,
        /// Pixels, 1 to 99,999.
        height: u32,
    },
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be small, medium, large, wallpaper or <width>x<height>";
        let side = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
            let side =
                text.parse::<u32>().ok().filter(|side| digits && (1..=99_999).contains(side));
            side.ok_or(EXPECTED)
        };
        match text {
            "small" => Ok(Self::Small),
            "medium" => Ok(Self::Medium),
            "large" => Ok(Self::Large),
            "wallpaper" => Ok(Self::Wallpaper),
            _ => {
                let (width, height) = text.split_once('x').ok_or(EXPECTED)?;
                Ok(Self::Exactly { width: side(width)?, height: side(height)? })
            }
        }
    }
}

impl TryFrom<String> for Size {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("small"),
            Self::Medium => f.write_str("medium"),
            Self::Large => f.write_str("large"),
            Self::Wallpaper => f.write_str("wallpaper"),
            Self::Exactly { width, height } => write!(f, "{width}x{height}"),
        }
    }
}
