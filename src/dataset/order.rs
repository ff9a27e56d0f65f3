//! Orders of the list of datasets, and what a page of it begins behind.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::db::{DatasetId, Named};

/// In which order datasets are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatasetOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By name.
    Name,
}

impl Named for DatasetOrder {
    const ALL: &'static [Self] = &[Self::Newest, Self::Oldest, Self::Name];

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Name => "name",
        }
    }
}

/// What a page begins behind; nothing on the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetCursor {
    /// In the orders by time.
    Id(Option<DatasetId>),
    /// In the order by name.
    Name(Option<String>),
}

impl DatasetCursor {
    pub(super) fn id(&self) -> Option<DatasetId> {
        if let Self::Id(id) = self { *id } else { None }
    }

    pub(super) fn name(&self) -> Option<&str> {
        if let Self::Name(name) = self { name.as_deref() } else { None }
    }
}
