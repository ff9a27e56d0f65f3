//! Candidates: one search hit each, which ends in exactly one outcome.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use super::OutcomeKind;
use super::source::Hit;
use crate::db::{CandidateId, ImageId, ScrapeJobId, Sha256};

/// One search hit, with where it came from and how it ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Candidate {
    /// Sorts by time of discovery.
    pub id: CandidateId,
    /// Where the picture lies.
    pub url: String,
    /// The page that shows it.
    pub page_url: Option<String>,
    /// Its title in the search results.
    pub title: Option<String>,
    /// Place in the search results, from 1.
    pub rank: i32,
    /// The search engine's own small copy.
    pub thumbnail_url: Option<String>,
    /// Licence as the source states it, or the filter in force.
    pub licence: Option<String>,
    /// `stored`, `duplicate`, `rejected:<why>`, `failed:<why>` or `skipped:<why>`; null while open.
    pub outcome: Option<String>,
    /// The image that it became or repeated.
    pub image_id: Option<ImageId>,
    /// When it was found.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub settled_at: Option<DateTime<Utc>>,
}

/// How a candidate ended: a kind, the code behind it, and the image if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The kind.
    pub kind: OutcomeKind,
    /// The code behind `rejected`, `failed` and `skipped`.
    pub why: Option<String>,
    /// The image that it became or repeated.
    pub image: Option<ImageId>,
}

impl Outcome {
    /// An outcome without an image.
    pub fn new(kind: OutcomeKind, why: impl Into<String>) -> Self {
        Self { kind, why: Some(why.into()), image: None }
    }

    /// An outcome with an image.
    pub fn image(kind: OutcomeKind, image: ImageId) -> Self {
        Self { kind, why: None, image: Some(image) }
    }
}

/// Which candidates of a job to list, as `open`, `stored`, `rejected` or `rejected:too_large`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutcomeFilter {
    /// Without an outcome yet.
    Open,
    /// Ended in this way, for this reason if one is given.
    Ended(OutcomeKind, Option<String>),
}

/// Not the name of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOutcome;

impl fmt::Display for UnknownOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be open, stored, duplicate, rejected, failed or skipped, with :<why> or without",
        )
    }
}

impl FromStr for OutcomeFilter {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        let (kind, why) = match text.split_once(':') {
            Some((kind, why)) => (kind, Some(why.to_owned())),
            None => (text, None),
        };
        let kind = match kind {
            "open" if why.is_none() => return Ok(Self::Open),
            "stored" => OutcomeKind::Stored,
            "duplicate" => OutcomeKind::Duplicate,
            "rejected" => OutcomeKind::Rejected,
            "failed" => OutcomeKind::Failed,
            "skipped" => OutcomeKind::Skipped,
            _ => return Err(UnknownOutcome),
        };
        Ok(Self::Ended(kind, why))
    }
}

/// A candidate without an outcome.
#[derive(Debug, Clone)]
pub struct OpenCandidate {
    /// The candidate.
    pub id: CandidateId,
    /// Where the picture lies.
    pub url: String,
}

/// Records the hits that the job does not know yet, by URL and by the engine's digest: their ids.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    job: ScrapeJobId,
    hits: &[Hit],
) -> sqlx::Result<Vec<CandidateId>> {
    // Text in Postgres holds no NUL; a URL with one is nobody's picture.
    let hits: Vec<&Hit> = hits.iter().filter(|hit| !hit.url.contains('\0')).collect();
    let text = |field: fn(&Hit) -> &Option<String>| -> Vec<Option<String>> {
        let texts = hits.iter().map(|hit| field(hit).as_ref().map(|text| text.replace('\0', "")));
        texts.collect()
    };
    let urls: Vec<String> = hits.iter().map(|hit| hit.url.clone()).collect();
    let digests: Vec<Sha256> = hits.iter().map(|hit| Sha256::of(hit.url.as_bytes())).collect();
    let ranks: Vec<i32> = hits.iter().map(|hit| hit.rank).collect();
    query_scalar!(
        r#"insert into candidates
               (job_id, url, url_sha256, rank, page_url, title, thumbnail_url, licence, engine_md5)
           select $1, h.* from unnest($2::text[], $3::bytea[], $4::int[], $5::text[], $6::text[],
                                      $7::text[], $8::text[], $9::text[])
               as h (url, url_sha256, rank, page_url, title, thumbnail_url, licence, engine_md5)
           where h.engine_md5 is null or not exists (
               select from candidates c where c.job_id = $1 and c.engine_md5 = h.engine_md5)
           on conflict (job_id, url_sha256) do nothing
           returning id as "id: CandidateId""#,
        job as ScrapeJobId,
        &urls,
        &digests as &[Sha256],
        &ranks,
        &text(|hit| &hit.page_url) as &[Option<String>],
        &text(|hit| &hit.title) as &[Option<String>],
        &text(|hit| &hit.thumbnail_url) as &[Option<String>],
        &text(|hit| &hit.licence) as &[Option<String>],
        &text(|hit| &hit.engine_md5) as &[Option<String>],
    )
    .fetch_all(executor)
    .await
}

/// Up to `limit` candidates of a job, in the order of discovery.
pub async fn list(
    executor: impl PgExecutor<'_>,
    job: ScrapeJobId,
    filter: Option<&OutcomeFilter>,
    after: Option<CandidateId>,
    limit: i64,
) -> sqlx::Result<Vec<Candidate>> {
    let (kind, why) = match filter {
        Some(OutcomeFilter::Ended(kind, why)) => (Some(*kind), why.as_deref()),
        _ => (None, None),
    };
    query_as!(
        Candidate,
        r#"select id as "id: CandidateId", url, page_url, title, rank, thumbnail_url, licence,
               outcome::text || coalesce(':' || why, '') as outcome,
               image_id as "image_id: ImageId", created_at, settled_at
           from candidates
           where job_id = $1 and ($2::uuid is null or id > $2)
             and (not $3 or outcome is null)
             and ($4::candidate_outcome is null or outcome = $4) and ($5::text is null or why = $5)
           order by id limit $6"#,
        job as ScrapeJobId,
        after as Option<CandidateId>,
        filter == Some(&OutcomeFilter::Open),
        kind as Option<OutcomeKind>,
        why,
        limit,
    )
    .fetch_all(executor)
    .await
}

/// Those of the candidates that have no outcome yet.
pub async fn list_open(
    executor: impl PgExecutor<'_>,
    ids: &[CandidateId],
) -> sqlx::Result<Vec<OpenCandidate>> {
    query_as!(
        OpenCandidate,
        r#"select id as "id: CandidateId", url from candidates
           where id = any($1) and outcome is null order by id"#,
        ids as &[CandidateId],
    )
    .fetch_all(executor)
    .await
}

/// Ids of a job's candidates without an outcome.
pub async fn list_open_of(
    executor: impl PgExecutor<'_>,
    job: ScrapeJobId,
) -> sqlx::Result<Vec<CandidateId>> {
    query_scalar!(
        r#"select id as "id: CandidateId" from candidates
           where job_id = $1 and outcome is null order by id"#,
        job as ScrapeJobId,
    )
    .fetch_all(executor)
    .await
}

/// How many of a job's candidates have no outcome yet.
pub async fn count_open(executor: impl PgExecutor<'_>, job: ScrapeJobId) -> sqlx::Result<i64> {
    query_scalar!(
        r#"select count(*) as "count!" from candidates where job_id = $1 and outcome is null"#,
        job as ScrapeJobId,
    )
    .fetch_one(executor)
    .await
}

/// Whether the candidate has no outcome yet.
pub async fn is_open(executor: impl PgExecutor<'_>, id: CandidateId) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from candidates where id = $1 and outcome is null) as "open!""#,
        id as CandidateId,
    )
    .fetch_one(executor)
    .await
}

/// Gives a candidate its outcome; false when it has one already.
pub async fn settle(
    executor: impl PgExecutor<'_>,
    id: CandidateId,
    outcome: &Outcome,
) -> sqlx::Result<bool> {
    let settled = query!(
        "update candidates set outcome = $2, why = $3, image_id = $4, settled_at = now()
         where id = $1 and outcome is null",
        id as CandidateId,
        outcome.kind as OutcomeKind,
        outcome.why.as_deref(),
        outcome.image as Option<ImageId>,
    )
    .execute(executor)
    .await?;
    Ok(settled.rows_affected() == 1)
}

/// Gives all open ones of these candidates the same outcome.
pub async fn settle_all(
    executor: impl PgExecutor<'_>,
    ids: &[CandidateId],
    outcome: &Outcome,
) -> sqlx::Result<u64> {
    let settled = query!(
        "update candidates set outcome = $2, why = $3, settled_at = now()
         where id = any($1) and outcome is null",
        ids as &[CandidateId],
        outcome.kind as OutcomeKind,
        outcome.why.as_deref(),
    )
    .execute(executor)
    .await?;
    Ok(settled.rows_affected())
}

/// Ends all open candidates of a job as `skipped:<why>`.
pub async fn skip_open(
    executor: impl PgExecutor<'_>,
    job: ScrapeJobId,
    why: &str,
) -> sqlx::Result<u64> {
    let skipped = query!(
        "update candidates set outcome = 'skipped', why = $2, settled_at = now()
         where job_id = $1 and outcome is null",
        job as ScrapeJobId,
        why,
    )
    .execute(executor)
    .await?;
    Ok(skipped.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_filter_is_a_kind_with_or_without_a_reason() {
        let parse = str::parse::<OutcomeFilter>;
        assert_eq!(parse("open"), Ok(OutcomeFilter::Open));
        assert_eq!(parse("stored"), Ok(OutcomeFilter::Ended(OutcomeKind::Stored, None)));
        let why = Some("http_404".to_owned());
        assert_eq!(parse("failed:http_404"), Ok(OutcomeFilter::Ended(OutcomeKind::Failed, why)));
        assert!(parse("open:x").is_err() && parse("").is_err() && parse("Stored").is_err());
    }
}
