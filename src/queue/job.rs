//! What jobs and runs of every noun have in common: a status, a progress, an error.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "job_status", rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Ended as asked.
    Succeeded,
    /// Ended by an error; `retry` goes on where it stopped.
    Failed,
    /// Ended by the user; `retry` goes on where it stopped.
    Cancelled,
}

impl JobStatus {
    /// Whether the job has ended, however it ended.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// Units of work that are done.
    pub done: i64,
    /// Units in all, as far as known.
    pub total: i64,
}

/// What ended a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobError {
    /// Stable machine-readable code.
    pub code: String,
    /// The same in words.
    pub message: String,
}

impl JobError {
    /// The error of a row, which has both columns or none.
    pub fn of(code: Option<String>, message: Option<String>) -> Option<Self> {
        code.map(|code| Self { code, message: message.unwrap_or_default() })
    }
}
