//! The registry: models that runs published, and which of them answer.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use crate::db::{DatasetId, ModelId, Named as _, Order, Sha256, SnapshotId, TrainingRunId};

/// A published model; immutable.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Model {
    /// Sorts by time of publication.
    pub id: ModelId,
    /// The dataset whose classes it tells apart.
    pub dataset_id: DatasetId,
    /// What it was trained on; null for an imported one.
    pub snapshot_id: Option<SnapshotId>,
    /// The run that made it; null for an imported one.
    pub training_run_id: Option<TrainingRunId>,
    /// The form of the file that it was imported from; null for one that a run made.
    pub imported_from: Option<Form>,
    /// Class names in the order of the network's outputs.
    pub classes: Vec<String>,
    /// SHA-256 of its file. Two runs of one recipe on one snapshot with one seed give the same file.
    pub sha256: Sha256,
    /// Length of its file.
    pub bytes: i64,
    /// SHA-256 of the published weights of the pretrained network inside its file; null where there is none.
    pub backbone_sha256: Option<Sha256>,
    /// Accuracy on the images it was trained on, 0 to 1; null for an imported one.
    pub train_accuracy: Option<f64>,
    /// Accuracy on the held-out images, 0 to 1; null for an imported one.
    pub test_accuracy: Option<f64>,
    /// A picture is called unfamiliar when the probability of its class is below this: the least sure hundredth of
    /// the pictures that the model was measured on lie below.
    pub unfamiliar_below: f32,
    /// Whether it answers for its dataset.
    pub active: bool,
    /// Whether it answers when the client names neither dataset nor model: it was activated last of all.
    pub default: bool,
    /// When it was published.
    pub created_at: DateTime<Utc>,
}

/// The forms in which a model comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelForm)]
#[sqlx(type_name = "model_form", rename_all = "snake_case")]
pub enum Form {
    /// The service's own file.
    Bundle,
    /// What the service exported for other programs.
    Onnx,
}

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The run that made it.
    Run(TrainingRunId),
    /// A file in this form.
    Import(Form),
}

impl Source {
    fn run(self) -> Option<TrainingRunId> {
        if let Self::Run(run) = self { Some(run) } else { None }
    }

    fn form(self) -> Option<Form> {
        if let Self::Import(form) = self { Some(form) } else { None }
    }
}

/// A model to publish.
#[derive(Debug, Clone)]
pub struct NewModel {
    /// The dataset whose classes it tells apart.
    pub dataset: DatasetId,
    /// Where it comes from.
    pub source: Source,
    /// Class names in the order of the network's outputs.
    pub classes: Vec<String>,
    /// Address of its file, which is stored already.
    pub sha256: Sha256,
    /// Length of its file.
    pub bytes: i64,
    /// See [`Model::unfamiliar_below`].
    pub unfamiliar_below: f32,
    /// See [`Model::backbone_sha256`].
    pub backbone: Option<Sha256>,
}

/// Publishes a model, in the transaction that ends its run.
pub async fn insert(executor: impl PgExecutor<'_>, new: &NewModel) -> sqlx::Result<ModelId> {
    query_scalar!(
        r#"insert into models (dataset_id, training_run_id, imported_from, classes, sha256, bytes,
               unfamiliar_below, backbone_sha256)
           values ($1, $2, $3, $4, $5, $6, $7, $8) returning id as "id: ModelId""#,
        new.dataset as DatasetId,
        new.source.run() as Option<TrainingRunId>,
        new.source.form() as Option<Form>,
        &new.classes,
        new.sha256 as Sha256,
        new.bytes,
        new.unfamiliar_below,
        new.backbone as Option<Sha256>,
    )
    .fetch_one(executor)
    .await
}

/// Which models to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelFilter {
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// Behind this one.
    pub after: Option<ModelId>,
    /// In this order.
    pub sort: Order,
    /// This one alone.
    pub only: Option<ModelId>,
}

/// Up to `limit` models in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: ModelFilter,
    limit: i64,
) -> sqlx::Result<Vec<Model>> {
    query_as!(
        Model,
        r#"with chosen as not materialized (
               select id from models
               where ($1::uuid is null or dataset_id = $1) and ($3::uuid is null or id = $3)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $5::text = 'newest' and ($2::uuid is null or id < $2) order by id desc limit $4)
               union all
               (select id, row_number() over (order by id) from chosen
                where $5 = 'oldest' and ($2::uuid is null or id > $2) order by id limit $4))
           select m.id as "id: ModelId", m.dataset_id as "dataset_id: DatasetId",
               r.snapshot_id as "snapshot_id?: SnapshotId",
               m.training_run_id as "training_run_id: TrainingRunId",
               m.imported_from as "imported_from: Form", m.classes,
               m.sha256 as "sha256: Sha256", m.bytes,
               m.backbone_sha256 as "backbone_sha256: Sha256",
               r.train_accuracy as "train_accuracy?", r.test_accuracy as "test_accuracy?",
               m.unfamiliar_below, m.created_at,
               coalesce(m.id = (select a.model_id from activations a where a.dataset_id = m.dataset_id
                                order by a.id desc limit 1), false) as "active!",
               coalesce(m.id = (select a.model_id from activations a order by a.id desc limit 1),
                        false) as "default!"
           from page join models m using (id) left join training_runs r on r.id = m.training_run_id
           order by place"#,
        filter.dataset as Option<DatasetId>,
        filter.after as Option<ModelId>,
        filter.only as Option<ModelId>,
        limit,
        filter.sort.name(),
    )
    .fetch_all(executor)
    .await
}

/// The model, if there is one.
pub async fn find(executor: impl PgExecutor<'_>, id: ModelId) -> sqlx::Result<Option<Model>> {
    let filter = ModelFilter { only: Some(id), ..ModelFilter::default() };
    Ok(list(executor, filter, 1).await?.pop())
}

/// Records that the model answers from now on, for its dataset and as the default. Nothing happens when it does
/// already; activations of several clients stand one behind the other.
pub async fn activate(connection: &mut PgConnection, id: ModelId) -> sqlx::Result<()> {
    // Ids are then given in the order of the commits, which is the order that readers compare.
    query!("lock table activations in share row exclusive mode").execute(&mut *connection).await?;
    query!(
        "insert into activations (dataset_id, model_id)
         select dataset_id, id from models
         where id = $1
           and id is distinct from (select model_id from activations order by id desc limit 1)",
        id as ModelId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What is needed to load a model and to answer with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The model.
    pub id: ModelId,
    /// Its dataset.
    pub dataset_id: DatasetId,
    /// The dataset's name.
    pub dataset: String,
    /// Digest of the model's file.
    pub sha256: Sha256,
    /// See [`Model::unfamiliar_below`].
    pub unfamiliar_below: f32,
}

/// The model that answers for each dataset that has one, the default first.
pub async fn active(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<Listing>> {
    query_as!(
        Listing,
        r#"select m.id as "id: ModelId", m.dataset_id as "dataset_id: DatasetId", d.name as dataset,
               m.sha256 as "sha256: Sha256", m.unfamiliar_below
           from datasets d
           join lateral (select * from activations a where a.dataset_id = d.id
                         order by a.id desc limit 1) newest on true
           join models m on m.id = newest.model_id
           order by newest.id desc"#,
    )
    .fetch_all(executor)
    .await
}

/// How to load one model, active or not.
pub async fn listing(executor: impl PgExecutor<'_>, id: ModelId) -> sqlx::Result<Option<Listing>> {
    query_as!(
        Listing,
        r#"select m.id as "id: ModelId", m.dataset_id as "dataset_id: DatasetId", d.name as dataset,
               m.sha256 as "sha256: Sha256", m.unfamiliar_below
           from models m join datasets d on d.id = m.dataset_id where m.id = $1"#,
        id as ModelId,
    )
    .fetch_optional(executor)
    .await
}

/// Whether a model has this file.
pub async fn is_published(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from models where sha256 = $1) as "exists!""#,
        sha256 as Sha256,
    )
    .fetch_one(executor)
    .await
}

/// Whether there is a dataset with this name or id.
pub async fn has_dataset(executor: impl PgExecutor<'_>, dataset: &str) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from datasets where name = $1 or id::text = $1) as "exists!""#,
        dataset,
    )
    .fetch_one(executor)
    .await
}
