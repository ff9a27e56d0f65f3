//! The tables of learnt opinions and of what networks under way have said, and the images that are learnt from.

use std::collections::BTreeMap;

use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};

use super::{FEWEST, Learnt, OutOfFold};
use crate::db::{ClassId, CleaningJobId, DatasetId, ImageId, Sha256};
use crate::snapshot::{self, Found, Member};

/// What is learnt of an image.
#[derive(Debug, Clone)]
pub struct LearntOpinion {
    /// Its class at the time.
    pub class_id: ClassId,
    /// Name of that class.
    pub class: String,
    /// Name of the most probable class.
    pub suggested: String,
    /// Probability of its class, 0 to 1.
    pub self_confidence: f32,
    /// Probability of the suggested class, 0 to 1.
    pub suggested_confidence: f32,
    /// Whether the label is held to be wrong.
    pub suspect: bool,
    /// Mean cosine distance, 0 to 2, to the nearest learnt pictures.
    pub distance: f32,
    /// How many standard deviations that lies above the median.
    pub deviation: f32,
}

/// What the job has learnt of the image; none when it was not among those that were learnt from.
pub async fn find(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    image: ImageId,
) -> sqlx::Result<Option<LearntOpinion>> {
    query_as!(
        LearntOpinion,
        r#"select o.class_id as "class_id: ClassId", c.name as class, s.name as suggested,
               o.self_confidence, o.suggested_confidence, o.suspect, o.distance, o.deviation
           from learnt_opinions o
           join classes c on c.id = o.class_id join classes s on s.id = o.suggested_class_id
           where o.job_id = $1 and o.image_id = $2"#,
        job as CleaningJobId,
        image as ImageId,
    )
    .fetch_optional(executor)
    .await
}

/// Whether the job has learnt already.
pub async fn is_learnt(executor: impl PgExecutor<'_>, job: CleaningJobId) -> sqlx::Result<bool> {
    query_scalar!(
        r#"select exists (select from learnt_opinions where job_id = $1) as "learnt!""#,
        job as CleaningJobId,
    )
    .fetch_one(executor)
    .await
}

/// Keeps what was learnt of images, each with its label, a position in `classes`, in place of what the single networks
/// said; gives how many of those there were. Images that are gone meanwhile are left out.
pub async fn insert(
    connection: &mut PgConnection,
    job: CleaningJobId,
    classes: &[ClassId],
    learnt: &[(ImageId, usize, Learnt)],
) -> sqlx::Result<usize> {
    let images: Vec<ImageId> = learnt.iter().map(|(image, ..)| *image).collect();
    let own: Vec<ClassId> = learnt.iter().map(|(_, label, _)| classes[*label]).collect();
    let suggested: Vec<ClassId> =
        learnt.iter().map(|(.., learnt)| classes[learnt.suggested as usize]).collect();
    let numbers = |number: fn(&Learnt) -> f32| -> Vec<f32> {
        learnt.iter().map(|(.., learnt)| number(learnt)).collect()
    };
    let suspects: Vec<bool> = learnt.iter().map(|(.., learnt)| learnt.suspect).collect();
    query!(
        r#"insert into learnt_opinions
               (job_id, image_id, class_id, suggested_class_id, self_confidence,
                suggested_confidence, suspect, distance, deviation)
           select $1, o.* from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::real[], $6::real[],
                                      $7::bool[], $8::real[], $9::real[])
               as o (image, class, suggested, self_confidence, suggested_confidence, suspect,
                     distance, deviation)
           where exists (select from images i where i.id = o.image)
             and exists (select from classes c where c.id = o.class)
             and exists (select from classes c where c.id = o.suggested)"#,
        job as CleaningJobId,
        &images as &[ImageId],
        &own as &[ClassId],
        &suggested as &[ClassId],
        &numbers(|learnt| learnt.self_confidence),
        &numbers(|learnt| learnt.suggested_confidence),
        &suspects,
        &numbers(|learnt| learnt.distance),
        &numbers(|learnt| learnt.deviation),
    )
    .execute(&mut *connection)
    .await?;
    let said = query!("delete from cleaning_networks where job_id = $1", job as CleaningJobId);
    Ok(said.execute(connection).await?.rows_affected() as usize)
}

/// Keeps what a network of the job says, until [`insert`] has the whole; false where it said something before.
pub async fn keep(
    executor: impl PgExecutor<'_>,
    (job, lesson): (CleaningJobId, Sha256),
    network: usize,
    judged: &OutOfFold,
) -> sqlx::Result<bool> {
    query_scalar!(
        r#"insert into cleaning_networks
               (job_id, network, lesson, probabilities, distances, deviations)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (job_id, network) do update set lesson = excluded.lesson,
               probabilities = excluded.probabilities, distances = excluded.distances,
               deviations = excluded.deviations
           returning (xmax = 0) as "new!""#,
        job as CleaningJobId,
        network as i16,
        lesson as Sha256,
        &judged.probabilities,
        &judged.distances,
        &judged.deviations,
    )
    .fetch_one(executor)
    .await
}

/// How many networks of the job have said something.
pub async fn kept(executor: impl PgExecutor<'_>, job: CleaningJobId) -> sqlx::Result<usize> {
    let kept = query_scalar!(
        r#"select count(*) as "kept!" from cleaning_networks where job_id = $1"#,
        job as CleaningJobId,
    );
    Ok(kept.fetch_one(executor).await? as usize)
}

/// Forgets what networks of jobs have said that ended more than a week ago and were not taken up again.
pub async fn sweep(executor: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let swept = query!(
        "delete from cleaning_networks n using cleaning_jobs j
         where j.id = n.job_id and j.finished_at < now() - interval '7 days'"
    )
    .execute(executor)
    .await?;
    Ok(swept.rows_affected())
}

/// What networks of the job have said in this lesson, by their numbers.
pub async fn recall(
    executor: impl PgExecutor<'_>,
    (job, lesson): (CleaningJobId, Sha256),
) -> sqlx::Result<BTreeMap<usize, OutOfFold>> {
    let rows = query!(
        "select network, probabilities, distances, deviations from cleaning_networks
         where job_id = $1 and lesson = $2",
        job as CleaningJobId,
        lesson as Sha256,
    )
    .fetch_all(executor)
    .await?;
    let judged = rows.into_iter().map(|row| {
        let (probabilities, distances) = (row.probabilities, row.distances);
        (row.network as usize, OutOfFold { probabilities, distances, deviations: row.deviations })
    });
    Ok(judged.collect())
}

/// What there is to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Material {
    /// Classes with images.
    pub classes: usize,
    /// Images.
    pub images: usize,
}

impl Material {
    /// Why that is not enough; `None` where it is.
    pub fn wanting(self) -> Option<String> {
        (self.classes < 2 || self.images < FEWEST).then(|| {
            format!(
                "the checks \"label_error\" and \"outlier\" learn from the dataset itself, and need two classes and \
                 {FEWEST} images; there are {} and {}",
                self.classes, self.images
            )
        })
    }
}

/// What a job that began now would learn from.
pub async fn material(executor: impl PgExecutor<'_>, dataset: DatasetId) -> sqlx::Result<Material> {
    let counted = query!(
        r#"select count(distinct class_id) as "classes!", count(*) as "images!" from images
           where dataset_id = $1 and state in ('accepted', 'flagged')"#,
        dataset as DatasetId,
    )
    .fetch_one(executor)
    .await?;
    Ok(Material { classes: counted.classes as usize, images: counted.images as usize })
}

/// The accepted and flagged images of the job's dataset when it was planned, and their classes in label order.
pub async fn members(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
) -> sqlx::Result<(Vec<ClassId>, Vec<Member>)> {
    let rows = query!(
        r#"select i.id as "id: ImageId", i.sha256 as "sha256: Sha256", i.quarantined,
               i.class_id as "class: ClassId", i.dataset_id as "dataset: DatasetId"
           from cleaning_jobs j join images i on i.dataset_id = j.dataset_id
           join classes c on c.id = i.class_id
           where j.id = $1 and i.state in ('accepted', 'flagged')
             and i.created_at <= coalesce(j.planned_at, now())
           order by c.position, c.id, i.sha256"#,
        job as CleaningJobId,
    )
    .fetch_all(executor)
    .await?;
    let found = rows.into_iter().map(|row| Found {
        dataset: row.dataset,
        image: row.id,
        sha256: row.sha256,
        quarantined: row.quarantined,
        class: row.class,
    });
    Ok(snapshot::numbered(found))
}
