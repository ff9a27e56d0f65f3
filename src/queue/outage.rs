//! Remembers when the database was last away, so that the reaper gives live workers time to renew.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What this process knows of the database's availability.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    ended: Option<Instant>,
}

impl Outage {
    /// The database answered.
    pub(super) fn answered(&self) {
        let mut state = self.0.lock().expect("no holder panics");
        if let Some(since) = state.since.take() {
            state.ended = Some(Instant::now());
            tracing::info!(seconds = since.elapsed().as_secs_f64(), "the queue's database is back");
        }
    }

    /// The database did not answer; only the first failure of an outage is logged.
    pub(super) fn failed(&self, error: &dyn Display) {
        let mut state = self.0.lock().expect("no holder panics");
        if state.since.is_none() {
            state.since = Some(Instant::now());
            tracing::warn!(%error, "the queue's database does not answer");
        }
    }

    /// This process did not run for a while (it was paused, or the machine slept): others may
    /// have been paused with it.
    pub(super) fn paused(&self) {
        self.0.lock().expect("no holder panics").ended = Some(Instant::now());
    }

    /// Whether one lasts, as far as this process knows.
    pub(super) fn lasts(&self) -> bool {
        self.0.lock().expect("no holder panics").since.is_some()
    }

    /// Whether none lasts and the last one ended longer than `period` ago.
    pub(super) fn over_for(&self, period: Duration) -> bool {
        let state = self.0.lock().expect("no holder panics");
        state.since.is_none() && state.ended.is_none_or(|ended| ended.elapsed() > period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_not_over_while_it_lasts_nor_right_after() {
        let outage = Outage::default();
        assert!(outage.over_for(Duration::ZERO));
        outage.failed(&"refused");
        assert!(outage.lasts() && !outage.over_for(Duration::ZERO));
        outage.answered();
        assert!(!outage.lasts() && !outage.over_for(Duration::from_mins(1)));
        assert!(outage.over_for(Duration::ZERO));
    }
}
