//! A model of the `tasks` table: what each step may do to a row, without SQL.

use uuid::Uuid;

use super::End;
use crate::db::TaskId;

/// A row, as far as the queue's promises speak of it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: TaskId,
    pub(super) state: String,
    pub(super) attempt: i32,
    pub(super) max_attempts: i32,
    pub(super) snoozes: i32,
    /// Whether it may be claimed now, once it is available.
    pub(super) due: bool,
    pub(super) token: Option<Uuid>,
    pub(super) expired: bool,
    pub(super) code: Option<String>,
}

impl Row {
    pub(super) fn new(id: TaskId, max_attempts: i32, due: bool) -> Self {
        let state = "available".into();
        let (attempt, snoozes, token, expired, code) = (0, 0, None, false, None);
        Self { id, state, attempt, max_attempts, snoozes, due, token, expired, code }
    }

    pub(super) fn claimable(&self) -> bool {
        self.state == "available" && self.due
    }

    pub(super) fn claim(&mut self, token: Uuid) {
        self.state = "running".into();
        self.attempt += 1;
        self.token = Some(token);
    }

    /// Whether `token` may write.
    pub(super) fn holds(&self, token: Uuid) -> bool {
        self.token == Some(token)
    }

    pub(super) fn beat(&mut self) {
        self.expired = false;
    }

    pub(super) fn settle(&mut self, end: End) {
        let (state, code) = match end {
            End::Succeed => ("succeeded", None),
            End::Fail => ("failed", Some("failed")),
            End::Retry => ("available", Some("retry")),
            End::Snooze => ("available", Some("snoozed")),
            End::GiveBack => ("available", None),
        };
        self.attempt -= i32::from(matches!(end, End::Snooze | End::GiveBack));
        self.snoozes += i32::from(matches!(end, End::Snooze));
        self.due = !matches!(end, End::Retry | End::Snooze);
        self.leave(state, code);
    }

    pub(super) fn cancel(&mut self) -> bool {
        let open = self.state == "available" || self.state == "running";
        if open {
            let code = self.code.take();
            self.leave("cancelled", code.as_deref());
        }
        open
    }

    pub(super) fn expire(&mut self) {
        self.expired = self.token.is_some();
    }

    /// What the reaper makes of it.
    pub(super) fn sweep(&mut self) {
        if self.expired && self.attempt < self.max_attempts {
            self.leave("available", Some("lease_expired"));
            self.due = true;
        } else if self.expired {
            self.leave("failed", Some("worker_died"));
        }
    }

    fn leave(&mut self, state: &str, code: Option<&str>) {
        self.state = state.into();
        (self.token, self.expired) = (None, false);
        self.code = code.map(Into::into);
    }
}
