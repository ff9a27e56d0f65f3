//! Every statement on the `tasks` table; each write for a running task is fenced by its lease token.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::settlement::Settlement;
use super::task::{Failure, Lane, NewTask, Task, TaskState};
use crate::db::TaskId;

/// The right to write for one task, while the row has this token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) id: TaskId,
    pub(super) token: Uuid,
}

/// A task together with the right to write for it.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) task: Task,
    pub(super) lease: Lease,
}

/// What a worker may claim.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) lane: Lane,
    pub(super) kinds: &'a [String],
    pub(super) worker: &'a str,
    pub(super) lease: Duration,
    pub(super) limit: usize,
}

/// Puts a task into the queue. In the transaction of the row that the task is about, the task
/// exists if and only if that row does.
pub async fn enqueue(executor: impl PgExecutor<'_>, task: NewTask) -> sqlx::Result<TaskId> {
    sqlx::query_scalar!(
        r#"
        insert into tasks (kind, lane, subject, payload, priority, max_attempts, run_at)
        values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
        returning id as "id: TaskId"
        "#,
        task.kind,
        task.lane as Lane,
        task.subject,
        task.payload,
        task.priority,
        task.max_attempts,
        task.delay.as_secs_f64(),
    )
    .fetch_one(executor)
    .await
}

/// Cancels every unfinished task of `subject` and returns how many there were. Running ones lose
/// their lease: whatever their workers still try to write is refused, and they are told at commit.
///
/// Call this before touching the noun's own row: handlers lock the task first too
/// ([`Context::hold`](super::Context::hold)), and one order for all cannot deadlock.
pub async fn cancel(executor: impl PgExecutor<'_>, subject: Uuid) -> sqlx::Result<u64> {
    sqlx::query_scalar!(
        r#"
        with cancelled as (
            update tasks
            set state = 'cancelled', lease_token = null, lease_until = null, finished_at = now()
            where subject = $1 and state in ('available', 'running')
            returning subject
        )
        select count(pg_notify('task_cancelled', subject::text)) as "count!" from cancelled
        "#,
        subject,
    )
    .fetch_one(executor)
    .await
    .map(i64::unsigned_abs)
}

/// How many tasks of `subject` are waiting or running.
pub async fn unfinished(executor: impl PgExecutor<'_>, subject: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "count!" from tasks
        where subject = $1 and state in ('available', 'running')
        "#,
        subject,
    )
    .fetch_one(executor)
    .await
}

/// Leases up to `limit` due tasks; each begins its next attempt.
pub(super) async fn claim(
    executor: impl PgExecutor<'_>,
    claim: &Claim<'_>,
) -> sqlx::Result<Vec<Claimed>> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select id from tasks
            where state = 'available' and lane = $1 and run_at <= now() and kind = any($2)
            order by priority, run_at, id
            limit $3
            for update skip locked
        )
        update tasks
        set state = 'running',
            attempt = attempt + 1,
            lease_token = gen_random_uuid(),
            lease_until = now() + make_interval(secs => $4),
            worker = $5,
            started_at = coalesce(started_at, now())
        from due
        where tasks.id = due.id
        returning
            tasks.id as "id: TaskId", kind, subject, payload, attempt, max_attempts,
            lease_token as "token!"
        "#,
        claim.lane as Lane,
        claim.kinds,
        claim.limit as i64,
        claim.lease.as_secs_f64(),
        claim.worker,
    )
    .fetch_all(executor)
    .await?;
    let claimed = rows.into_iter().map(|row| Claimed {
        lease: Lease { id: row.id, token: row.token },
        task: Task {
            id: row.id,
            kind: row.kind,
            subject: row.subject,
            payload: row.payload,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
        },
    });
    Ok(claimed.collect())
}

/// Renews the lease and writes progress; `false` when the lease is lost or the task cancelled.
pub(super) async fn beat(
    executor: impl PgExecutor<'_>,
    lease: Lease,
    period: Duration,
    progress: Option<(i64, i64)>,
) -> sqlx::Result<bool> {
    let (done, total) = progress.unzip();
    let renewed = sqlx::query!(
        r#"
        update tasks
        set lease_until = now() + make_interval(secs => $3),
            done = coalesce($4, done),
            total = coalesce($5, total)
        where id = $1 and lease_token = $2 and state = 'running'
        "#,
        lease.id as TaskId,
        lease.token,
        period.as_secs_f64(),
        done,
        total,
    )
    .execute(executor)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Locks the task for the rest of the transaction, so that nobody cancels or takes it meanwhile;
/// `false` when that has happened already.
pub(super) async fn hold(connection: &mut PgConnection, lease: Lease) -> sqlx::Result<bool> {
    let held = sqlx::query_scalar!(
        r#"
        select true as "held!" from tasks
        where id = $1 and lease_token = $2 and state = 'running'
        for share
        "#,
        lease.id as TaskId,
        lease.token,
    )
    .fetch_optional(connection)
    .await?;
    Ok(held.is_some())
}

/// Ends the lease as `settlement` says; `false` when it is lost and nothing was written.
pub(super) async fn settle(
    executor: impl PgExecutor<'_>,
    lease: Lease,
    settlement: &Settlement,
) -> sqlx::Result<bool> {
    let (done, total) = settlement.progress.unzip();
    let settled = sqlx::query_scalar!(
        r#"
        with settled as (
            update tasks
            set state = $3::task_state,
                lease_token = null,
                lease_until = null,
                attempt = attempt - $4::bool::int,
                snoozes = snoozes + $5::bool::int,
                run_at = now() + make_interval(secs => $6::float8 * (1 + $7 * (random() - 0.5))),
                finished_at = case when $3::task_state <> 'available' then now() end,
                error_code = $8,
                error = $9,
                done = coalesce($10, done),
                total = coalesce($11, total)
            where id = $1 and lease_token = $2 and state = 'running'
            returning state, lane
        ),
        told as (
            select pg_notify('task_available', lane::text) from settled
            where state = 'available' and $6::float8 = 0
        )
        select (select count(*) from settled) = 1 and (select count(*) from told) >= 0 as "settled!"
        "#,
        lease.id as TaskId,
        lease.token,
        settlement.state as TaskState,
        settlement.free,
        settlement.snoozed,
        settlement.delay.as_secs_f64(),
        settlement.spread,
        settlement.failure.as_ref().map(|failure| failure.code.as_str()),
        settlement.failure.as_ref().map(|failure| failure.message.as_str()),
        done,
        total,
    )
    .fetch_one(executor)
    .await?;
    Ok(settled)
}

/// Whether this transaction may sweep: it is the only one (until its end), and the server has run
/// for longer than a lease, so that live workers had the time to renew theirs after a restart. A
/// worker that is paused in its sweep loses the transaction, or nobody could sweep meanwhile.
pub(super) async fn may_sweep(
    connection: &mut PgConnection,
    lease: Duration,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select pg_postmaster_start_time() < now() - make_interval(secs => $1)
            and set_config('idle_in_transaction_session_timeout', $2, true) is not null
            and pg_try_advisory_xact_lock(hashtextextended('shipshape.tasks.sweep', 0)) as "may!"
        "#,
        lease.as_secs_f64(),
        format!("{}ms", lease.as_millis()),
    )
    .fetch_one(connection)
    .await
}

/// Makes the tasks whose lease expired available again while they have attempts left. Those that
/// died more than once return one by one, `apart` from each other: whichever of them brings its
/// worker down should not take the others with it again.
pub(super) async fn rescue(
    connection: &mut PgConnection,
    apart: Duration,
) -> sqlx::Result<Vec<(TaskId, String)>> {
    let rescued = sqlx::query!(
        r#"
        with expired as materialized (
            select id from tasks
            where state = 'running' and lease_until < now() and attempt < max_attempts
            for update skip locked
        ),
        turns as (
            select id, row_number() over (partition by attempt > 1 order by id) as turn from expired
            join tasks using (id)
        ),
        rescued as (
            update tasks
            set state = 'available', lease_token = null, lease_until = null,
                run_at = now()
                    + make_interval(secs => (attempt > 1)::int * (turn - 1) * $1::float8),
                error_code = 'lease_expired',
                error = 'the worker ' || coalesce(worker, '?') || ' stopped renewing its lease'
            from turns
            where tasks.id = turns.id
            returning tasks.id, kind, lane
        )
        select id as "id: TaskId", kind, pg_notify('task_available', lane::text)::text as told
        from rescued
        "#,
        apart.as_secs_f64(),
    )
    .fetch_all(connection)
    .await?;
    Ok(rescued.into_iter().map(|row| (row.id, row.kind)).collect())
}

/// Ends `failed` the next task after `after` (by id) whose lease expired in its last attempt and
/// whose kind is one of `kinds`; its noun is settled by the caller in the same transaction.
pub(super) async fn fail_exhausted(
    connection: &mut PgConnection,
    kinds: &[String],
    after: TaskId,
    failure: &Failure,
) -> sqlx::Result<Option<Task>> {
    sqlx::query_as!(
        Task,
        r#"
        with expired as materialized (
            select id from tasks
            where state = 'running' and lease_until < now() and attempt >= max_attempts
                and kind = any($1) and id > $2
            order by id
            limit 1
            for update skip locked
        )
        update tasks
        set state = 'failed', lease_token = null, lease_until = null, finished_at = now(),
            error_code = $3, error = $4
        from expired
        where tasks.id = expired.id
        returning tasks.id as "id: TaskId", kind, subject, payload, attempt, max_attempts
        "#,
        kinds,
        after as TaskId,
        failure.code,
        failure.message,
    )
    .fetch_optional(connection)
    .await
}

/// Ends `failed` the tasks that have been due for `patience` and are of none of `kinds`: no worker
/// of any version took them.
pub(super) async fn fail_unknown(
    connection: &mut PgConnection,
    kinds: &[String],
    patience: Duration,
) -> sqlx::Result<Vec<(TaskId, String)>> {
    let failed = sqlx::query!(
        r#"
        update tasks
        set state = 'failed', lease_token = null, lease_until = null, finished_at = now(),
            error_code = 'unknown_kind', error = 'no worker knows tasks of the kind ' || kind
        where kind <> all($1)
            and case state
                when 'available' then run_at
                when 'running' then lease_until
            end < now() - make_interval(secs => $2)
        returning id as "id: TaskId", kind
        "#,
        kinds,
        patience.as_secs_f64(),
    )
    .fetch_all(connection)
    .await?;
    Ok(failed.into_iter().map(|row| (row.id, row.kind)).collect())
}

/// Deletes up to a thousand tasks that finished longer than `retention` ago.
pub(super) async fn delete_finished(
    connection: &mut PgConnection,
    retention: Duration,
) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        r#"
        delete from tasks
        where id in (
            select id from tasks
            where finished_at < now() - make_interval(secs => $1)
            order by finished_at
            limit 1000
        )
        "#,
        retention.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}
