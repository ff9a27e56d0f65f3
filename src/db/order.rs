//! Named orders of lists: what a client may ask for in `sort`.

use serde::Deserialize;
use utoipa::ToSchema;

/// An order that has a name; the statement of its list knows it by that name.
pub trait Named: Copy + 'static {
    /// All orders of the list.
    const ALL: &'static [Self];

    /// The name in `sort`.
    fn name(self) -> &'static str;
}

/// By time of creation, which ids sort by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

impl Named for Order {
    const ALL: &'static [Self] = &[Self::Newest, Self::Oldest];

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }
}
