//! What narrows a search, in words that no engine owns.

mod market;
mod size;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use market::Market;
pub use size::Size;

/// Narrows a search. A source ignores what it has no word for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Size of the picture: `small`, `medium`, `large`, `wallpaper` or `<width>x<height>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        value_type = Option<String>,
        pattern = "^(small|medium|large|wallpaper|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"
    )]
    pub size: Option<Size>,
    /// Its dominant colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    /// Photograph, drawing …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<PictureKind>,
    /// Licence that the source believes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<Licence>,
    /// Its shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// People in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<People>,
    /// How long ago it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// Language and country of the search; `en-US` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[a-z]{2}-[A-Z]{2}$")]
    pub market: Option<Market>,
    /// How much adult content is kept out.
    pub safe_search: SafeSearch,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$choice:meta])* $variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$choice])* $variant),+ }
    )+};
}

choices! {
    /// A dominant colour.
    Color {
        /// Any, but not black and white.
        Colored,
        /// Black and white.
        Monochrome,
        /// Red.
        Red,
        /// Orange.
        Orange,
        /// Yellow.
        Yellow,
        /// Green.
        Green,
        /// Teal.
        Teal,
        /// Blue.
        Blue,
        /// Purple.
        Purple,
        /// Pink.
        Pink,
        /// White.
        White,
        /// Gray.
        Gray,
        /// Black.
        Black,
        /// Brown.
        Brown,
    }
    /// What kind of picture.
    PictureKind {
        /// A photograph.
        Photo,
        /// A clip-art.
        Clipart,
        /// A line drawing.
        Line,
        /// With a transparent background.
        Transparent,
        /// A moving picture.
        Animated,
    }
    /// A licence, by what it allows.
    Licence {
        /// Any Creative Commons licence.
        CreativeCommons,
        /// Public domain.
        Public,
        /// Free to share and use.
        Share,
        /// The same, commercially.
        ShareCommercially,
        /// Free to modify, share and use.
        Modify,
        /// The same, commercially.
        ModifyCommercially,
    }
    /// A shape.
    Layout {
        /// About as wide as high.
        Square,
        /// Wider than high.
        Wide,
        /// Higher than wide.
        Tall,
    }
    /// People in the picture.
    People {
        /// Faces.
        Face,
        /// Head and shoulders.
        Portrait,
    }
    /// How long ago at most.
    Age {
        /// A day.
        Day,
        /// A week.
        Week,
        /// A month.
        Month,
        /// A year.
        Year,
    }
}

/// How much adult content is kept out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SafeSearch {
    /// Nothing is kept out.
    Off,
    /// Explicit pictures are.
    #[default]
    Moderate,
    /// Explicit pictures and text are.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_survive_json_and_refuse_what_they_do_not_know() {
        let text = r#"{"size":"1024x768","color":"teal","type":"photo","licence":"share","layout":"wide",
            "people":"face","age":"week","market":"de-DE","safe_search":"off"}"#;
        let filters: Filters = serde_json::from_str(text).unwrap();
        assert_eq!(filters.size, Some(Size::Exactly { width: 1024, height: 768 }));
        let again = serde_json::to_string(&filters).unwrap();
        assert_eq!(serde_json::from_str::<Filters>(&again).unwrap(), filters);
        assert_eq!(serde_json::from_str::<Filters>("{}").unwrap(), Filters::default());
        for bad in [
            r#"{"colour":"red"}"#,
            r#"{"size":"0x5"}"#,
            r#"{"size":"+1x+1"}"#,
            r#"{"size":"100000x1"}"#,
            r#"{"size":"big"}"#,
            r#"{"market":"en"}"#,
            r#"{"market":"en-US\r\nX: y"}"#,
            r#"{"safe_search":"none"}"#,
        ] {
            assert!(serde_json::from_str::<Filters>(bad).is_err(), "{bad}");
        }
    }
}
