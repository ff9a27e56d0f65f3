//! What a task is: its lane, its row as handlers see it, and a new one.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::db::TaskId;

/// What a task mostly waits for; each lane has its own concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "task_lane", rename_all = "lowercase")]
pub enum Lane {
    /// Other people's servers.
    Net,
    /// The tagging service.
    Tag,
    /// This machine's processor, for seconds.
    Cpu,
    /// This machine's processor, for minutes to hours.
    Train,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 4] = [Self::Net, Self::Tag, Self::Cpu, Self::Train];

    /// The lane's name in SQL, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Tag => "tag",
            Self::Cpu => "cpu",
            Self::Train => "train",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a task stands; the last three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "task_state", rename_all = "lowercase")]
pub(super) enum TaskState {
    Available,
    Succeeded,
    Failed,
}

/// A task to enqueue.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Names the handler.
    pub kind: &'static str,
    /// The concurrency limit that the task counts against; the handler's.
    pub lane: Lane,
    /// The job, run or other noun that the task is about.
    pub subject: Uuid,
    /// What the handler needs beyond the subject.
    pub payload: Value,
    /// Smaller runs first within the lane.
    pub priority: i16,
    /// The attempt whose failure ends the task.
    pub max_attempts: i32,
    /// How long to wait before the first attempt.
    pub delay: Duration,
}

impl NewTask {
    /// A task with an empty payload, due at once, given up after 3 attempts.
    pub fn new(kind: &'static str, lane: Lane, subject: Uuid) -> Self {
        Self {
            kind,
            lane,
            subject,
            payload: Value::Object(serde_json::Map::new()),
            priority: 0,
            max_attempts: 3,
            delay: Duration::ZERO,
        }
    }

    /// The same task with `payload`.
    #[must_use]
    pub fn with_payload(self, payload: Value) -> Self {
        Self { payload, ..self }
    }
}

/// A task as its handler sees it.
#[derive(Debug, Clone)]
pub struct Task {
    /// The task.
    pub id: TaskId,
    /// Names the handler.
    pub kind: String,
    /// The job, run or other noun that the task is about.
    pub subject: Uuid,
    /// What the handler needs beyond the subject.
    pub payload: Value,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// The attempt whose failure ends the task.
    pub max_attempts: i32,
}

/// Why a task ended `failed`, for the noun's row and its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable machine name.
    pub code: String,
    /// The same in words.
    pub message: String,
}
