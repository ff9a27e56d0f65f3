//! What a cleaning job would cost, before it is started.

use serde::Serialize;
use sqlx::{PgConnection, query, query_scalar};
use utoipa::ToSchema;

use super::job::NewJob;
use super::labeller::Terms;
use super::learning::{self, NETWORKS};
use crate::db::DatasetId;

/// What a job would do and cost.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Estimate {
    /// Images that it would judge.
    pub images: i64,
    /// Pictures, references among them, that the tagger has never labelled: so many calls.
    pub tagger_calls: i64,
    /// What those calls cost, in dollars.
    pub cost_usd: f64,
    /// How long the calls take at the pace that all workers share, in seconds.
    pub tagger_seconds: f64,
    /// Networks that it would train on the dataset itself.
    pub networks: usize,
    /// Whether the dataset has too few images or classes for that: the job would be refused.
    pub too_few_to_learn: bool,
    /// Whether the budget is enough; null without one.
    pub within_budget: Option<bool>,
    /// Where tags are to be compared, the classes with images and without a reference: the job would be refused.
    pub unreferenced_classes: Vec<String>,
}

/// Estimates a job. Pictures that the tagger cannot read, and a label model that changes, are not foreseen.
pub async fn estimate(
    connection: &mut PgConnection,
    new: &NewJob,
    terms: Terms,
) -> sqlx::Result<Estimate> {
    let unreferenced_classes = match new.tags {
        Some(_) => super::unreferenced_classes(&mut *connection, new.dataset).await?,
        None => Vec::new(),
    };
    let phrases = phrases(&mut *connection, new.dataset).await?;
    let tagger = new.tags.as_ref().map(|tags| tags.tagger.kept_as(&phrases));
    let counted = query!(
        r#"with own as (
               select sha256, class_id from images
               where dataset_id = $1 and state in ('accepted', 'flagged')
           ), wanted as (
               select sha256 from own
               union
               select r.sha256 from class_references r
               where exists (select from own where own.class_id = r.class_id)
           )
           select (select count(*) from own) as "images!",
               (select count(*) from wanted w
                where $2::text is not null and not exists (
                    select from picture_labels l
                    where l.sha256 = w.sha256 and l.tagger = $2)) as "calls!""#,
        new.dataset.0,
        tagger,
    )
    .fetch_one(&mut *connection)
    .await?;
    let too_few_to_learn =
        new.learns() && learning::material(connection, new.dataset).await?.wanting().is_some();
    let cost_usd = counted.calls as f64 * terms.price_usd;
    Ok(Estimate {
        images: counted.images,
        tagger_calls: counted.calls,
        cost_usd,
        tagger_seconds: counted.calls as f64 * terms.interval.as_secs_f64(),
        networks: if new.learns() { NETWORKS } else { 0 },
        too_few_to_learn,
        // The billionth forgives the product's rounding, as where a call is charged.
        within_budget: new.budget_usd.map(|budget| cost_usd <= budget + 1e-9),
        unreferenced_classes,
    })
}

/// What a job that began now would freeze.
async fn phrases(connection: &mut PgConnection, dataset: DatasetId) -> sqlx::Result<Vec<String>> {
    query_scalar!(
        r#"select phrase as "phrase!" from dataset_phrases where dataset_id = $1"#,
        dataset as DatasetId,
    )
    .fetch_all(connection)
    .await
}
