//! The `tasks` table against a small model, over random sequences of what workers, users and time do to it.
//!
//! 200 sequences; the environment variable `PROPTEST_CASES` asks for another number of them.

mod model;

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::PgPool;
use uuid::Uuid;

use self::model::Row;
use super::settlement::Settlement;
use super::store::{self, Claim, Lease};
use super::task::TaskState;
use super::{Failure, Lane, NewTask};
use crate::db::TaskId;
use crate::db::throwaway::database;

const SEQUENCES: u32 = 200;
const KIND: &str = "kind";
/// Longer than any test.
const LATER: Duration = Duration::from_hours(1);

#[derive(Debug, Clone)]
enum Action {
    Enqueue {
        attempts: i32,
        later: bool,
    },
    Claim(usize),
    /// By any lease that was ever given, as those below.
    Beat(Index),
    Hold(Index),
    Settle(Index, End),
    Cancel(Index),
    /// The lease runs out.
    Expire(Index),
    /// Its time to be claimed has come.
    ComeDue(Index),
    Sweep,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Succeed,
    Fail,
    Retry,
    Snooze,
    GiveBack,
}

fn action() -> impl Strategy<Value = Action> {
    let pick = any::<Index>;
    let end = prop_oneof![
        Just(End::Succeed),
        Just(End::Fail),
        Just(End::Retry),
        Just(End::Snooze),
        Just(End::GiveBack)
    ];
    prop_oneof![
        3 => (1..=3, any::<bool>()).prop_map(|(attempts, later)| Action::Enqueue { attempts, later }),
        5 => (1..=3_usize).prop_map(Action::Claim),
        2 => pick().prop_map(Action::Beat),
        2 => pick().prop_map(Action::Hold),
        5 => (pick(), end).prop_map(|(lease, end)| Action::Settle(lease, end)),
        1 => pick().prop_map(Action::Cancel),
        3 => pick().prop_map(Action::Expire),
        3 => pick().prop_map(Action::ComeDue),
        3 => Just(Action::Sweep),
    ]
}

#[test]
fn the_table_does_what_the_model_does() {
    let cases = std::env::var_os("PROPTEST_CASES").map_or(SEQUENCES, |_| Config::default().cases);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(database());
    let sequences = prop::collection::vec(action(), 1..30);
    let outcome = TestRunner::new(config).run(&sequences, |actions| {
        runtime.block_on(async {
            let mut world = World::new(&database.pool).await?;
            for action in actions {
                world.act(&action).await?;
                world.compare(&action).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(database.pool.close());
}

/// The table, and what it should be.
struct World<'a> {
    pool: &'a PgPool,
    /// In the order of their ids.
    rows: Vec<Row>,
    /// All that were ever given.
    leases: Vec<Lease>,
}

impl<'a> World<'a> {
    async fn new(pool: &'a PgPool) -> Result<Self, TestCaseError> {
        sqlx::query("truncate tasks").execute(pool).await.map_err(broken)?;
        Ok(Self { pool, rows: Vec::new(), leases: Vec::new() })
    }

    async fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        match action {
            Action::Enqueue { attempts, later } => self.enqueue(*attempts, *later).await,
            Action::Claim(limit) => self.claim(*limit).await,
            Action::Beat(at) | Action::Hold(at) | Action::Settle(at, _) => {
                let Some(lease) = pick(&self.leases, *at).copied() else { return Ok(()) };
                self.write(action, lease).await
            }
            Action::Cancel(at) | Action::Expire(at) | Action::ComeDue(at) => {
                let Some(id) = pick(&self.rows, *at).map(|row| row.id) else { return Ok(()) };
                self.happen(action, id).await
            }
            Action::Sweep => self.sweep().await,
        }
    }

    async fn enqueue(&mut self, attempts: i32, later: bool) -> Result<(), TestCaseError> {
        let delay = if later { LATER } else { Duration::ZERO };
        let task = NewTask::new(KIND, Lane::Net, Uuid::now_v7());
        let task = NewTask { max_attempts: attempts, delay, ..task };
        let id = store::enqueue(self.pool, task).await.map_err(broken)?;
        self.rows.push(Row::new(id, attempts, !later));
        Ok(())
    }

    /// Which of the due tasks come first is not the model's; that they are due and as many as asked for is.
    async fn claim(&mut self, limit: usize) -> Result<(), TestCaseError> {
        let kinds = [KIND.to_owned()];
        let claim = Claim { lane: Lane::Net, kinds: &kinds, worker: "model", lease: LATER, limit };
        let claimed = store::claim(self.pool, &claim).await.map_err(broken)?;
        let due = self.rows.iter().filter(|row| row.claimable()).count();
        prop_assert_eq!(claimed.len(), due.min(limit));
        for one in claimed {
            let row = self.row(one.lease.id);
            prop_assert!(row.claimable(), "{:?} was claimed", row);
            row.claim(one.lease.token);
            prop_assert_eq!(one.task.attempt, row.attempt);
            self.leases.push(one.lease);
        }
        Ok(())
    }

    /// What a worker writes under a lease of its, which may be long over.
    async fn write(&mut self, action: &Action, lease: Lease) -> Result<(), TestCaseError> {
        let row = self.row(lease.id);
        let allowed = row.holds(lease.token);
        // As the worker does: there is nothing to try again with after the last attempt.
        let action = match action {
            Action::Settle(at, End::Retry) if row.attempt >= row.max_attempts => {
                &Action::Settle(*at, End::Fail)
            }
            action => action,
        };
        let written = match action {
            Action::Beat(_) => store::beat(self.pool, lease, LATER, None).await,
            Action::Settle(_, end) => store::settle(self.pool, lease, &settlement(*end)).await,
            _ => {
                let mut transaction = self.pool.begin().await.map_err(broken)?;
                let held = store::hold(&mut transaction, lease).await;
                // A dropped transaction ends later, and a sweep would pass by the row that it locks.
                transaction.rollback().await.map_err(broken)?;
                held
            }
        };
        prop_assert_eq!(written.map_err(broken)?, allowed);
        match (allowed, action) {
            (true, Action::Beat(_)) => self.row(lease.id).beat(),
            (true, Action::Settle(_, end)) => self.row(lease.id).settle(*end),
            _ => {}
        }
        Ok(())
    }

    /// What a user, or time, does to a task.
    async fn happen(&mut self, action: &Action, id: TaskId) -> Result<(), TestCaseError> {
        let run = async |statement: &'static str| {
            sqlx::query(statement).bind(id).execute(self.pool).await.map_err(broken)
        };
        match action {
            Action::Expire(_) => {
                run("update tasks set lease_until = now() - interval '1 s'
                     where id = $1 and state = 'running'")
                .await?;
                self.row(id).expire();
            }
            Action::ComeDue(_) => {
                run("update tasks set run_at = now() where id = $1").await?;
                self.row(id).due = true;
            }
            _ => {
                let subject = sqlx::query_scalar("select subject from tasks where id = $1");
                let subject = subject.bind(id).fetch_one(self.pool).await.map_err(broken)?;
                let cancelled = store::cancel(self.pool, subject).await.map_err(broken)?;
                prop_assert_eq!(cancelled, u64::from(self.row(id).cancel()));
            }
        }
        Ok(())
    }

    async fn sweep(&mut self) -> Result<(), TestCaseError> {
        let failure = failure("worker_died");
        let mut connection = self.pool.acquire().await.map_err(broken)?;
        store::rescue(&mut connection, Duration::ZERO).await.map_err(broken)?;
        let (kinds, mut after) = ([KIND.to_owned()], TaskId(Uuid::nil()));
        while let Some(task) =
            store::fail_exhausted(&mut connection, &kinds, after, &failure).await.map_err(broken)?
        {
            after = task.id;
        }
        self.rows.iter_mut().for_each(Row::sweep);
        Ok(())
    }

    fn row(&mut self, id: TaskId) -> &mut Row {
        self.rows.iter_mut().find(|row| row.id == id).expect("only these are in the table")
    }

    async fn compare(&self, after: &Action) -> Result<(), TestCaseError> {
        let table: Vec<Row> = sqlx::query_as(
            "select id, state::text, attempt, max_attempts, snoozes,
                 run_at <= clock_timestamp() as due, lease_token as token,
                 coalesce(lease_until < clock_timestamp(), false) as expired, error_code as code
             from tasks order by id",
        )
        .fetch_all(self.pool)
        .await
        .map_err(broken)?;
        prop_assert_eq!(&table, &self.rows, "after {:?}", after);
        Ok(())
    }
}

fn settlement(end: End) -> Settlement {
    let again = Settlement { free: true, ..Settlement::to(TaskState::Available) };
    match end {
        End::Succeed => Settlement::to(TaskState::Succeeded),
        End::Fail => {
            Settlement { failure: Some(failure("failed")), ..Settlement::to(TaskState::Failed) }
        }
        End::Retry => Settlement {
            failure: Some(failure("retry")),
            delay: LATER,
            ..Settlement::to(TaskState::Available)
        },
        End::Snooze => {
            Settlement { failure: Some(failure("snoozed")), snoozed: true, delay: LATER, ..again }
        }
        End::GiveBack => again,
    }
}

fn failure(code: &str) -> Failure {
    Failure { code: code.into(), message: code.into() }
}

fn pick<T>(all: &[T], at: Index) -> Option<&T> {
    (!all.is_empty()).then(|| &all[at.index(all.len())])
}

fn broken(error: sqlx::Error) -> TestCaseError {
    TestCaseError::fail(format!("the database refused: {:#}", anyhow::Error::new(error)))
}
