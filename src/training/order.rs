//! Orders of the list of training runs, and a run's place in them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use utoipa::ToSchema;

use super::TrainingRun;
use crate::db::{Named, TrainingRunId};

/// In which order runs are listed; those without a result come last in the orders by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// The highest accuracy on the held-out images first.
    TestAccuracy,
    /// The smallest gap first, whichever side is ahead.
    Gap,
}

impl Named for RunOrder {
    const ALL: &'static [Self] = &[Self::Newest, Self::Oldest, Self::TestAccuracy, Self::Gap];

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::TestAccuracy => "test_accuracy",
            Self::Gap => "gap",
        }
    }
}

/// Where a run stands in an order: what it is ordered by, then its id. Written as `0.93_<id>`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The accuracy or the gap; 0 in the orders by time.
    pub value: f64,
    /// The run.
    pub id: TrainingRunId,
}

impl TrainingRun {
    /// Its place in an order, as the statement of the list computes it.
    pub fn place(&self, order: RunOrder) -> Place {
        let value = match order {
            RunOrder::Newest | RunOrder::Oldest => 0.0,
            RunOrder::TestAccuracy => self.test_accuracy.unwrap_or(-1.0),
            RunOrder::Gap => self.gap.map_or(2.0, f64::abs),
        };
        Place { value, id: self.id }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.value, self.id)
    }
}

/// A text that is no place.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (value, id) = text.split_once('_').ok_or(NoPlace)?;
        let value = value.parse().map_err(|_| NoPlace)?;
        Ok(Self { value, id: id.parse().map_err(|_| NoPlace)? })
    }
}
