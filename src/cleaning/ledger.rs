//! The ledger: each tagger call of a job, written down and charged before it is made.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, PgPool, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::db::{CleaningJobId, Sha256, TaggerCallId};

/// What came of a tagger call. `open`: it is under way, or what made it ended before its answer was recorded. `answered`: it
/// gave labels, which are kept. `unanswered`: no answer came in time, or none that can be read. `unreadable`: the tagger
/// cannot read the picture in this form. `throttled`: the tagger wants fewer calls. `failed`: the tagger was not reached,
/// or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "call_outcome", rename_all = "snake_case")]
pub enum CallOutcome {
    /// It may have been paid for, and is charged.
    Open,
    /// It is charged.
    Answered,
    /// It may have been paid for, and is charged.
    Unanswered,
    /// It costs nothing.
    Unreadable,
    /// It costs nothing.
    Throttled,
    /// It costs nothing.
    Failed,
}

/// A tagger call of a cleaning job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TaggerCall {
    /// Sorts by time.
    pub id: TaggerCallId,
    /// The picture.
    pub sha256: Sha256,
    /// Name of the tagger.
    pub tagger: String,
    /// What came of it.
    pub outcome: CallOutcome,
    /// What it counts for in the job's cost, in dollars: its price where it was paid for or may have been.
    pub cost_usd: f64,
    /// When it was charged, right before it was made.
    pub created_at: DateTime<Utc>,
    /// When it ended; null while it is open.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Which calls to list.
#[derive(Debug, Default)]
pub struct CallFilter {
    /// Only calls with this outcome.
    pub outcome: Option<CallOutcome>,
    /// Behind this one.
    pub after: Option<TaggerCallId>,
}

/// Calls of the job, newest first.
pub async fn calls(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    filter: &CallFilter,
    limit: i64,
) -> sqlx::Result<Vec<TaggerCall>> {
    query_as!(
        TaggerCall,
        r#"select id as "id: TaggerCallId", sha256 as "sha256: Sha256", tagger,
               outcome as "outcome: CallOutcome",
               case when charged then price_usd else 0 end as "cost_usd!", created_at, ended_at
           from tagger_calls
           where job_id = $1 and ($2::call_outcome is null or outcome = $2)
             and ($3::uuid is null or id < $3)
           order by id desc limit $4"#,
        job as CleaningJobId,
        filter.outcome as Option<CallOutcome>,
        filter.after as Option<TaggerCallId>,
        limit,
    )
    .fetch_all(executor)
    .await
}

/// What comes of the wish to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// The call is written down and charged.
    Call(TaggerCallId),
    /// It would cost more than the job's budget.
    OverBudget,
    /// The job has ended meanwhile: another task of it failed, or a person cancelled it.
    Ended,
}

/// Opens a call of a running job, and takes its price out of the job's budget.
pub(super) async fn open(
    pool: &PgPool,
    job: CleaningJobId,
    picture: Sha256,
    tagger: &str,
    price_usd: f64,
) -> sqlx::Result<Opened> {
    // Rounded to the billionth, so that the sum does not drift.
    let call = query_scalar!(
        r#"with charged as (
               update cleaning_jobs
               set tagger_calls = tagger_calls + 1,
                   cost_usd = round((cost_usd + $4::float8)::numeric, 9)
               where id = $1 and status = 'running'
                 and (budget_usd is null or cost_usd + $4::float8 <= budget_usd + 1e-9)
               returning id
           )
           insert into tagger_calls (job_id, sha256, tagger, price_usd)
           select id, $2, $3, $4 from charged
           returning id as "id: TaggerCallId""#,
        job as CleaningJobId,
        picture as Sha256,
        tagger,
        price_usd,
    )
    .fetch_optional(pool)
    .await?;
    if let Some(call) = call {
        return Ok(Opened::Call(call));
    }
    let runs = query_scalar!(
        r#"select exists (
               select from cleaning_jobs where id = $1 and status = 'running') as "runs!""#,
        job as CleaningJobId,
    );
    let runs = runs.fetch_one(pool).await?;
    Ok(if runs { Opened::OverBudget } else { Opened::Ended })
}

/// Records what came of an open call; the job gets its price back where it was surely not paid for.
pub(super) async fn close(
    executor: impl PgExecutor<'_>,
    call: TaggerCallId,
    outcome: CallOutcome,
) -> sqlx::Result<()> {
    query!(
        "with closed as (
             update tagger_calls set outcome = $2, ended_at = now()
             where id = $1 and outcome = 'open' returning job_id, price_usd, charged
         )
         update cleaning_jobs job
         set tagger_calls = tagger_calls - 1,
             cost_usd = round((cost_usd - price_usd)::numeric, 9)
         from closed
         where job.id = closed.job_id and not charged",
        call as TaggerCallId,
        outcome as CallOutcome,
    )
    .execute(executor)
    .await?;
    Ok(())
}
