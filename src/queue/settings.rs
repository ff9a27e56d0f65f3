//! How a worker runs: concurrency per lane and the periods of leases, polling and sweeping.

use std::time::Duration;

use super::Lane;

/// How a worker runs. All workers on one database should agree on `lease`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many tasks of each lane run at once; a lane that is not listed is left to others.
    pub lanes: Vec<(Lane, usize)>,
    /// How long a claimed task stays this worker's without a heartbeat.
    pub lease: Duration,
    /// How often leases are renewed and progress is written.
    pub heartbeat: Duration,
    /// How often expired leases and old tasks are looked for.
    pub sweep: Duration,
    /// How often due tasks are looked for when no notification comes.
    pub poll: Duration,
    /// How long running tasks may take to checkpoint after a stop or to notice a lost lease.
    pub drain: Duration,
    /// How long an attempt may give no sign of life before it is cancelled, to be tried again:
    /// longer than the longest that any handler may be busy without one.
    pub silence: Duration,
    /// How long work may go on after its attempt has ended before it is reported as stuck.
    pub stuck: Duration,
    /// How long stuck work may go on before the worker ends, for a supervisor to start a new
    /// process.
    pub grace: Duration,
    /// The delay before a second attempt; it doubles with each further one, up to 5 minutes.
    pub backoff: Duration,
    /// How long finished tasks are kept.
    pub retention: Duration,
    /// How long a task of a kind that this worker does not know may be due before it ends
    /// `failed`; long enough for a rolling upgrade to bring the version that knows it.
    pub unknown_kind: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            lanes: vec![(Lane::Net, 16), (Lane::Tag, 4), (Lane::Cpu, cores), (Lane::Train, 1)],
            lease: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            sweep: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            silence: Duration::from_hours(1),
            stuck: Duration::from_secs(10),
            grace: Duration::from_mins(10),
            backoff: Duration::from_secs(2),
            retention: Duration::from_hours(168),
            unknown_kind: Duration::from_hours(1),
        }
    }
}

impl Settings {
    /// How long a worker that cannot reach the database goes on with its tasks and tries to renew
    /// or settle them. Longer than a lease: the reaper waits after an outage for live workers, and
    /// the fence holds in any case.
    pub(super) fn patience(&self) -> Duration {
        self.lease * 8
    }

    /// The mean delay after the failure of attempt number `attempt`, which counts from 1.
    pub(super) fn backoff_after(&self, attempt: i32) -> Duration {
        let doublings = attempt.saturating_sub(1).clamp(0, 16).unsigned_abs();
        (self.backoff * 2_u32.pow(doublings)).min(Duration::from_mins(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_five_minutes() {
        let settings = Settings::default();
        let seconds = |attempt| settings.backoff_after(attempt).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(40)], [2, 4, 8, 300]);
    }
}
