//! The training thread and the task that watches it: each epoch waits until it is recorded.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::features::Sets;
use crate::queue::Context;
use crate::training::{BatchProgress, EpochSummary, Observer, Outcome, Trainer, TrainingError};

/// A complete epoch; the next one begins when it is told to.
pub(super) struct EpochEnd {
    /// How it went, where it was evaluated.
    pub(super) summary: Option<EpochSummary>,
    pub(super) checkpoint: Bytes,
    next: oneshot::Sender<()>,
}

impl EpochEnd {
    /// Lets the next epoch begin. Dropped instead, the training ends here.
    pub(super) fn go_on(self) {
        self.next.send(()).ok();
    }
}

/// A training thread. Dropped, it stops behind the batch that it is in.
pub(super) struct Training {
    pub(super) epochs: mpsc::Receiver<EpochEnd>,
    seen: Arc<AtomicU64>,
    thread: JoinHandle<(Trainer, Result<Outcome, TrainingError>)>,
    _stop: DropGuard,
}

impl Training {
    /// Begins to train. `before` pictures were seen ahead of the first epoch.
    pub(super) fn start(context: &Context, mut trainer: Trainer, sets: Sets, before: u64) -> Self {
        let (ends, epochs) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let pictures = sets.0.len() as u64;
        let seen = Arc::new(AtomicU64::new(before + u64::from(trainer.epoch()) * pictures));
        let (stopped, counter) = (stop.clone(), Arc::clone(&seen));
        let mut watch = Watch { ends, stop: stopped, before, pictures, seen: counter };
        let thread = context.spawn_blocking(move || {
            let outcome = trainer.run(&sets.0, &sets.1, &mut watch);
            (trainer, outcome)
        });
        Self { epochs, seen, thread, _stop: stop.drop_guard() }
    }

    /// Pictures seen so far, over all epochs and ahead of them.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) async fn join(self) -> anyhow::Result<Result<(Trainer, Outcome), TrainingError>> {
        let (trainer, outcome) = self.thread.await.context("the training thread ended early")?;
        Ok(outcome.map(|outcome| (trainer, outcome)))
    }
}

struct Watch {
    ends: mpsc::Sender<EpochEnd>,
    stop: CancellationToken,
    /// Pictures that were seen ahead of the first epoch.
    before: u64,
    /// In an epoch.
    pictures: u64,
    seen: Arc<AtomicU64>,
}

impl Observer for Watch {
    fn batch(&mut self, progress: BatchProgress) -> ControlFlow<()> {
        let complete = u64::from(progress.epoch - 1) * self.pictures;
        let inside = self.pictures * progress.batch as u64 / progress.batches as u64;
        self.seen.store(self.before + complete + inside, Ordering::Relaxed);
        if self.stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, summary: Option<&EpochSummary>, trainer: &Trainer) -> ControlFlow<()> {
        let checkpoint = trainer.checkpoint().expect("an epoch has just ended").into();
        let (next, told) = oneshot::channel();
        let end = EpochEnd { summary: summary.cloned(), checkpoint, next };
        let recorded = self.ends.blocking_send(end).is_ok() && told.blocking_recv().is_ok();
        if recorded { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}
