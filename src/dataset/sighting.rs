//! Sightings: each time a dataset was given a picture, and under which class.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, query, query_as};
use utoipa::ToSchema;

use crate::db::{CandidateId, ClassId, ImageId};

/// One time that the dataset was given the picture.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Sighting {
    /// The search hit that gave it; null for an upload.
    pub candidate_id: Option<CandidateId>,
    /// The class it was given for.
    pub class: String,
    /// Name of the source; null for an upload.
    pub source: Option<String>,
    /// What was searched for.
    pub phrase: Option<String>,
    /// Where the picture lay.
    pub url: Option<String>,
    /// The page that showed it.
    pub page_url: Option<String>,
    /// Its title in the search results.
    pub title: Option<String>,
    /// Licence as the source states it.
    pub licence: Option<String>,
    /// File name of an upload.
    pub name: Option<String>,
    /// When it was given.
    pub seen_at: DateTime<Utc>,
}

/// Records a sighting; the same candidate is recorded once.
pub(super) async fn insert(
    executor: impl PgExecutor<'_>,
    image: ImageId,
    class: ClassId,
    candidate: Option<CandidateId>,
    name: Option<&str>,
) -> sqlx::Result<()> {
    query!(
        "insert into sightings (image_id, class_id, candidate_id, name) values ($1, $2, $3, $4)
         on conflict (candidate_id) do nothing",
        image as ImageId,
        class as ClassId,
        candidate as Option<CandidateId>,
        name,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// All sightings of an image, the first one first.
pub async fn list(executor: impl PgExecutor<'_>, image: ImageId) -> sqlx::Result<Vec<Sighting>> {
    query_as!(
        Sighting,
        r#"select s.candidate_id as "candidate_id: CandidateId", k.name as class,
               j.source as "source?", j.phrase, c.url as "url?", c.page_url, c.title, c.licence,
               s.name, s.seen_at
           from sightings s join classes k on k.id = s.class_id
           left join candidates c on c.id = s.candidate_id
           left join scrape_jobs j on j.id = c.job_id
           where s.image_id = $1 order by s.id"#,
        image as ImageId,
    )
    .fetch_all(executor)
    .await
}

/// Moves all sightings of a class to another one.
pub(super) async fn move_class(
    executor: impl PgExecutor<'_>,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    query!(
        "update sightings set class_id = $2 where class_id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(executor)
    .await?;
    Ok(())
}
