//! Labels of pictures: from the store, else from the tagger, within the shared pace and the job's budget.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sqlx::PgPool;
use tokio::sync::Mutex as Turn;
use tokio_util::sync::CancellationToken;

use super::halt::Halt;
use super::ledger::{self, CallOutcome, Opened};
use super::original::Original;
use super::refusal;
use crate::db::{CleaningJobId, Sha256, TaggerCallId};
use crate::queue::pace;
use crate::tag::{Form, Labels, TagError, Tagger, store};

/// Pauses before a call that failed for a passing reason is made again within the task.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];
/// Times that the label model may change under one comparison.
const ROUNDS: usize = 4;

/// What a tagger call costs.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Time between two calls, over all workers, once the pace has been taken up; none for a tagger on each worker's own machine.
    pub interval: Duration,
    /// Dollars a call.
    pub price_usd: f64,
}

/// Gives the labels of pictures for one attempt of one task of a job.
#[derive(Debug)]
pub struct Labeller<'a> {
    pool: &'a PgPool,
    tagger: Tagger,
    /// The name under which the tagger's answers are kept.
    kept_as: String,
    job: CleaningJobId,
    terms: Terms,
    stop: CancellationToken,
    halted: AtomicBool,
    turns: Mutex<HashMap<Sha256, Arc<Turn<()>>>>,
}

/// Why there are no labels.
#[derive(Debug)]
pub enum Unlabelled {
    /// This picture will never get labels.
    Unscannable {
        /// The picture.
        sha256: Sha256,
        /// Why, as the verdict carries it.
        code: String,
    },
    /// No more pictures can be labelled now.
    Halted(Halt),
}

impl From<Halt> for Unlabelled {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<sqlx::Error> for Unlabelled {
    fn from(error: sqlx::Error) -> Self {
        Self::Halted(error.into())
    }
}

impl From<anyhow::Error> for Unlabelled {
    fn from(error: anyhow::Error) -> Self {
        Self::Halted(error.into())
    }
}

impl<'a> Labeller<'a> {
    /// A labeller for a job; `stop` ends its waiting.
    pub fn new(
        pool: &'a PgPool,
        tagger: Tagger,
        job: CleaningJobId,
        terms: Terms,
        stop: CancellationToken,
    ) -> Self {
        let (halted, turns) = (AtomicBool::new(false), Mutex::default());
        let kept_as = tagger.kept_as();
        Self { pool, tagger, kept_as, job, terms, stop, halted, turns }
    }

    /// From now on no call is made: what was answered is kept, and the rest waits for the next attempt.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    /// Whether no more calls will be made.
    pub fn is_halted(&self) -> bool {
        self.stop.is_cancelled() || self.halted.load(Ordering::Acquire)
    }

    /// Those of the pictures that the tagger has never labelled.
    pub async fn unlabelled(&self, pictures: &[Sha256]) -> sqlx::Result<Vec<Sha256>> {
        store::unlabelled(self.pool, &self.kept_as, pictures).await
    }

    /// The labels of the pictures, all given by one label model: the latest that all of them have, and if there is
    /// none, those that lack the latest model's labels are labelled anew.
    pub async fn labels(&self, pictures: &[&Original<'_>]) -> Result<Vec<Labels>, Unlabelled> {
        let addresses: Vec<Sha256> = pictures.iter().map(|picture| picture.sha256).collect();
        for _ in 0..ROUNDS {
            let known = store::find(self.pool, &self.kept_as, &addresses).await?;
            if let Some(labels) = in_common(&addresses, &known) {
                return Ok(labels);
            }
            let latest = known.first().map(|(_, labels)| labels.model_version.as_str());
            for picture in pictures {
                let answers: Vec<&str> = known
                    .iter()
                    .filter(|(sha256, _)| *sha256 == picture.sha256)
                    .map(|(_, labels)| labels.model_version.as_str())
                    .collect();
                if latest.is_none_or(|latest| !answers.contains(&latest)) {
                    self.label(picture, answers.len()).await?;
                }
            }
        }
        Err(anyhow::anyhow!("the tagger changed its label model again and again").into())
    }

    /// Asks the tagger, unless a neighbour has just asked it for the same picture.
    async fn label(&self, picture: &Original<'_>, known: usize) -> Result<(), Unlabelled> {
        let sha256 = picture.sha256;
        let turn = self.turns.lock().expect("no holder panics").entry(sha256).or_default().clone();
        let _turn = turn.lock().await;
        if store::find(self.pool, &self.kept_as, &[sha256]).await?.len() > known {
            return Ok(());
        }
        if let Some(code) = refusal::find(self.pool, self.job, sha256).await? {
            return Err(Unlabelled::Unscannable { sha256, code });
        }
        let Some(bytes) = picture.bytes().await? else {
            return Err(Unlabelled::Unscannable { sha256, code: "missing".into() });
        };
        let (call, labels) = self.call(sha256, bytes).await?;
        let mut transaction = self.pool.begin().await?;
        store::insert(&mut *transaction, &self.kept_as, sha256, &labels).await?;
        ledger::close(&mut *transaction, call, CallOutcome::Answered).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Asks the tagger until it answers; the call that it answered is still open.
    async fn call(
        &self,
        sha256: Sha256,
        bytes: Bytes,
    ) -> Result<(TaggerCallId, Labels), Unlabelled> {
        let (mut pauses, mut form) = (PAUSES.iter(), Form::Stored);
        loop {
            let error = match self.ask(sha256, bytes.clone(), form).await? {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match (error, pauses.next()) {
                // Another call: it waits for its turn and is paid for.
                (TagError::Unreadable, _) => form = Form::Reencoded,
                (TagError::Unscannable { code }, _) => {
                    refusal::insert(self.pool, self.job, sha256, code).await?;
                    return Err(Unlabelled::Unscannable { sha256, code: code.into() });
                }
                (TagError::Throttled, _) => {
                    pace::slow_down(self.pool, self.tagger.name()).await?;
                    return Err(Halt::Throttled.into());
                }
                (TagError::AccessDenied { message }, _) => return Err(Halt::Denied(message).into()),
                (TagError::NoCredentials, _) => return Err(Halt::NoCredentials.into()),
                (TagError::Weights { code, message }, _) => {
                    return Err(Halt::NoWeights(code, message).into());
                }
                (TagError::Refused { message }, _) => {
                    return Err(Halt::Refused(format!("{message} (asked for {sha256})")).into());
                }
                (TagError::Unanswered(_) | TagError::Unavailable(_), Some(pause)) => {
                    self.wait(*pause).await?;
                }
                (error @ (TagError::Unanswered(_) | TagError::Unavailable(_)), None) => {
                    return Err(anyhow::Error::new(error).into());
                }
            }
        }
    }

    /// Makes one call, charged and written down before; a picture that cannot travel makes none.
    async fn ask(
        &self,
        sha256: Sha256,
        bytes: Bytes,
        form: Form,
    ) -> Result<Result<(TaggerCallId, Labels), TagError>, Halt> {
        let picture = match self.tagger.prepare(bytes, form).await {
            Ok(picture) => picture,
            Err(error) => return Ok(Err(error)),
        };
        self.slot().await?;
        let (name, price) = (self.tagger.name(), self.terms.price_usd);
        let call = match ledger::open(self.pool, self.job, sha256, name, price).await? {
            Opened::Call(call) => call,
            Opened::OverBudget => return Err(Halt::Budget),
            Opened::Ended => return Err(Halt::Stopped),
        };
        metrics::counter!("tagger_calls_total", "tagger" => name).increment(1);
        match self.tagger.labels(picture).await {
            Ok(labels) => Ok(Ok((call, labels))),
            Err(error) => {
                ledger::close(self.pool, call, outcome(&error)).await?;
                Ok(Err(error))
            }
        }
    }

    /// Waits for its turn in the pace that all workers share.
    async fn slot(&self) -> Result<(), Halt> {
        self.wait(Duration::ZERO).await?;
        if !self.terms.interval.is_zero() {
            let slot =
                pace::reserve_ramped(self.pool, self.tagger.name(), self.terms.interval).await?;
            self.wait(slot).await?;
        }
        Ok(())
    }

    async fn wait(&self, time: Duration) -> Result<(), Halt> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Halt::Stopped),
            () = tokio::time::sleep(time) => {}
        }
        if self.halted.load(Ordering::Acquire) {
            return Err(Halt::Stopped);
        }
        Ok(())
    }
}

/// What the ledger calls a failure.
fn outcome(error: &TagError) -> CallOutcome {
    match error {
        TagError::Unreadable | TagError::Unscannable { .. } => CallOutcome::Unreadable,
        TagError::Throttled => CallOutcome::Throttled,
        TagError::Unanswered(_) => CallOutcome::Unanswered,
        _ => CallOutcome::Failed,
    }
}

/// The labels of all pictures by the latest model that has labelled every one of them; `known` is the latest first.
fn in_common(pictures: &[Sha256], known: &[(Sha256, Labels)]) -> Option<Vec<Labels>> {
    let by = |picture: Sha256, version: &str| {
        known.iter().find(|(sha256, labels)| *sha256 == picture && labels.model_version == version)
    };
    known.iter().find_map(|(_, candidate)| {
        let labels = |&picture: &Sha256| {
            by(picture, &candidate.model_version).map(|(_, labels)| labels.clone())
        };
        pictures.iter().map(labels).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(picture: &[u8], version: &str) -> (Sha256, Labels) {
        (Sha256::of(picture), Labels::new(version, Vec::new()))
    }

    #[test]
    fn labels_of_two_models_are_never_compared() {
        let both = [Sha256::of(b"a"), Sha256::of(b"b")];
        assert!(in_common(&both, &[answer(b"a", "4.0"), answer(b"b", "3.0")]).is_none());
        let known = [answer(b"a", "4.0"), answer(b"b", "3.0"), answer(b"a", "3.0")];
        let versions: Vec<String> =
            in_common(&both, &known).unwrap().into_iter().map(|l| l.model_version).collect();
        assert_eq!(versions, ["3.0", "3.0"]);
    }

    #[test]
    fn the_latest_model_in_common_counts() {
        let known = [answer(b"a", "4.0"), answer(b"a", "3.0")];
        assert_eq!(in_common(&[Sha256::of(b"a")], &known).unwrap()[0].model_version, "4.0");
    }
}
