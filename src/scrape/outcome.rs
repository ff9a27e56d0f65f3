//! The five ways in which a candidate can end.

use serde::{Deserialize, Serialize};

/// How a candidate ended; the code behind it ("`too_large`") says why.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "candidate_outcome", rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It became an image.
    Stored,
    /// Its bytes were an image of the dataset already.
    Duplicate,
    /// It is not wanted: a rule of ours says so, and asking again changes nothing.
    Rejected,
    /// It could not be had: the other side or the way to it failed.
    Failed,
    /// It was left alone on someone's wish.
    Skipped,
}
