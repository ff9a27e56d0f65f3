//! Reviews: what a person decided about one or many images; they beat every verdict, are remembered, and can be undone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use utoipa::ToSchema;

use super::reopening::reopen;
use super::state;
use crate::dataset::{self, ImageState};
use crate::db::{ClassId, DatasetId, ImageId, Named as _, Order, ReviewId};

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "review_decision", rename_all = "snake_case")]
pub enum Decision {
    /// It is good: whatever the checks say, it is in use, and a file in quarantine moves back.
    Keep,
    /// It is not used.
    Reject,
    /// It belongs to another class of its dataset, and is good there.
    Reclass,
    /// What one check finds in it is no problem: that check counts no longer against this picture, in any dataset and in
    /// any later job. Other checks and reviews still count.
    NotAProblem,
}

/// What a person decided about one or many images, undone as one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Review {
    /// Sorts by time.
    pub id: ReviewId,
    /// What was decided.
    pub decision: Decision,
    /// The new class of `reclass`.
    pub class: Option<String>,
    /// The check of `not_a_problem`.
    pub check: Option<String>,
    /// The images that it is about.
    pub image_ids: Vec<ImageId>,
    /// When it was taken back.
    pub undone_at: Option<DateTime<Utc>>,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
}

/// A decision to record; every image must be there and not deleted.
#[derive(Debug, Clone)]
pub struct NewReview {
    /// The images, each once.
    pub images: Vec<ImageId>,
    /// What was decided.
    pub decision: Decision,
    /// The new class, with [`Decision::Reclass`] only; of the dataset of all the images.
    pub class: Option<ClassId>,
    /// Name of the check, with [`Decision::NotAProblem`] only.
    pub check: Option<String>,
}

/// What a review needs to know of an image.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// The image.
    pub id: ImageId,
    /// Its dataset.
    pub dataset: DatasetId,
    /// Its state.
    pub state: ImageState,
    /// Its class.
    pub class: ClassId,
}

/// Those of the images that exist, in the order of their ids.
pub async fn images(
    executor: impl PgExecutor<'_>,
    images: &[ImageId],
) -> sqlx::Result<Vec<Reviewed>> {
    query_as!(
        Reviewed,
        r#"select id as "id: ImageId", dataset_id as "dataset: DatasetId",
               state as "state: ImageState", class_id as "class: ClassId"
           from images where id = any($1) order by id"#,
        images as &[ImageId],
    )
    .fetch_all(executor)
    .await
}

/// Records a decision in the caller's transaction: classes and states change, files move, and duplicates of a rejected
/// keeper are decided anew.
pub async fn insert(connection: &mut PgConnection, new: &NewReview) -> sqlx::Result<ReviewId> {
    let before = lock(connection, new.decision, &new.images).await?;
    let id = query_scalar!(
        r#"insert into reviews (decision, class_id, "check") values ($1, $2, $3)
           returning id as "id: ReviewId""#,
        new.decision as Decision,
        new.class as Option<ClassId>,
        new.check,
    )
    .fetch_one(&mut *connection)
    .await?;
    query!(
        "insert into review_images (review_id, image_id, previous_class_id)
         select $1, id, class_id from images where id = any($2)",
        id as ReviewId,
        &new.images as &[ImageId],
    )
    .execute(&mut *connection)
    .await?;
    if let Some(class) = new.class {
        dataset::set_class(&mut *connection, &new.images, class).await?;
    }
    if let Some(check) = &new.check {
        query!(
            r#"insert into dismissals (review_id, sha256, "check")
               select distinct $1::uuid, sha256, $3 from images where id = any($2)"#,
            id as ReviewId,
            &new.images as &[ImageId],
            check,
        )
        .execute(&mut *connection)
        .await?;
    }
    follow(connection, &before).await?;
    Ok(id)
}

/// Takes a review back, in the caller's transaction; an earlier one counts again. False when it was taken back before.
pub async fn undo(connection: &mut PgConnection, review: &Review) -> sqlx::Result<bool> {
    let before = lock(connection, review.decision, &review.image_ids).await?;
    let undone = query!(
        "update reviews set undone_at = now() where id = $1 and undone_at is null",
        review.id as ReviewId,
    )
    .execute(&mut *connection)
    .await?;
    if undone.rows_affected() == 0 {
        return Ok(false);
    }
    if review.decision == Decision::Reclass {
        restore_classes(connection, &review.image_ids).await?;
    }
    follow(connection, &before).await?;
    Ok(true)
}

/// The images whose state may follow from a decision about `ids`. The states of their datasets are locked; then nothing
/// that is read here changes under us.
async fn lock(
    connection: &mut PgConnection,
    decision: Decision,
    ids: &[ImageId],
) -> sqlx::Result<Vec<Reviewed>> {
    let ids = match decision {
        Decision::NotAProblem => &same_pictures(&mut *connection, ids).await?,
        Decision::Keep | Decision::Reject | Decision::Reclass => ids,
    };
    let datasets: Vec<DatasetId> =
        images(&mut *connection, ids).await?.iter().map(|image| image.dataset).collect();
    state::lock(connection, &datasets).await?;
    images(connection, ids).await
}

/// The images that show the pictures of these ones, in whatever dataset.
async fn same_pictures(
    executor: impl PgExecutor<'_>,
    ids: &[ImageId],
) -> sqlx::Result<Vec<ImageId>> {
    query_scalar!(
        r#"select id as "id: ImageId" from images
           where sha256 in (select sha256 from images where id = any($1))"#,
        ids as &[ImageId],
    )
    .fetch_all(executor)
    .await
}

/// Lets states, files and the decisions on duplicates follow from the reviews.
async fn follow(connection: &mut PgConnection, before: &[Reviewed]) -> sqlx::Result<()> {
    let mut by_dataset: std::collections::BTreeMap<DatasetId, Vec<ImageId>> =
        std::collections::BTreeMap::new();
    for image in before {
        by_dataset.entry(image.dataset).or_default().push(image.id);
    }
    for (dataset, images) in &by_dataset {
        state::settle(connection, *dataset, images, None).await?;
    }
    let ids: Vec<ImageId> = before.iter().map(|image| image.id).collect();
    let after = images(&mut *connection, &ids).await?;
    let rejected = |image: &Reviewed| image.state == ImageState::Rejected;
    let changed: Vec<ImageId> = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| rejected(old) != rejected(new) || old.class != new.class)
        .map(|(image, _)| image.id)
        .collect();
    reopen(connection, &changed).await
}

/// The class by the newest reclassing that still counts, else the one before the first.
async fn restore_classes(connection: &mut PgConnection, ids: &[ImageId]) -> sqlx::Result<()> {
    let rows = query!(
        r#"select d.image_id as "image: ImageId",
               coalesce(
                   (array_agg(r.class_id order by r.id desc) filter (where r.undone_at is null))[1],
                   (array_agg(d.previous_class_id order by r.id))[1]) as "class!: ClassId"
           from review_images d join reviews r on r.id = d.review_id
           where d.image_id = any($1) and r.decision = 'reclass'
           group by d.image_id"#,
        ids as &[ImageId],
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut by_class: std::collections::BTreeMap<ClassId, Vec<ImageId>> =
        std::collections::BTreeMap::new();
    for row in rows {
        by_class.entry(row.class).or_default().push(row.image);
    }
    for (class, images) in by_class {
        dataset::set_class(&mut *connection, &images, class).await?;
    }
    Ok(())
}

/// Which reviews to list.
#[derive(Debug, Clone, Default)]
pub struct ReviewFilter {
    /// This one.
    pub id: Option<ReviewId>,
    /// About this image.
    pub image: Option<ImageId>,
    /// About images of this dataset.
    pub dataset: Option<DatasetId>,
    /// Taken back, or still counting.
    pub undone: Option<bool>,
    /// Behind this one.
    pub after: Option<ReviewId>,
    /// In this order.
    pub sort: Order,
}

/// Up to `limit` reviews in the filter's order.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &ReviewFilter,
    limit: i64,
) -> sqlx::Result<Vec<Review>> {
    query_as!(
        Review,
        r#"with chosen as not materialized (
               select id from reviews r
               where ($1::uuid is null or id = $1)
                 and ($2::uuid is null or exists (
                     select from review_images d where d.review_id = r.id and d.image_id = $2))
                 and ($6::uuid is null or exists (
                     select from review_images d join images i on i.id = d.image_id
                     where d.review_id = r.id and i.dataset_id = $6))
                 and ($7::bool is null or (undone_at is not null) = $7)),
           page as (
               (select id, row_number() over (order by id desc) as place from chosen
                where $5::text = 'newest' and ($3::uuid is null or id < $3) order by id desc limit $4)
               union all
               (select id, row_number() over (order by id) from chosen
                where $5 = 'oldest' and ($3::uuid is null or id > $3) order by id limit $4))
           select r.id as "id: ReviewId", r.decision as "decision: Decision", c.name as "class?",
               r."check",
               array(select d.image_id from review_images d where d.review_id = r.id
                     order by d.image_id) as "image_ids!: Vec<ImageId>",
               r.undone_at, r.created_at
           from page join reviews r using (id) left join classes c on c.id = r.class_id
           order by place"#,
        filter.id as Option<ReviewId>,
        filter.image as Option<ImageId>,
        filter.after as Option<ReviewId>,
        limit,
        filter.sort.name(),
        filter.dataset as Option<DatasetId>,
        filter.undone,
    )
    .fetch_all(executor)
    .await
}

/// The review, if there is one.
pub async fn find(executor: impl PgExecutor<'_>, id: ReviewId) -> sqlx::Result<Option<Review>> {
    let filter = ReviewFilter { id: Some(id), ..ReviewFilter::default() };
    Ok(list(executor, &filter, 1).await?.pop())
}

/// Makes what was decided about a class be about another one.
pub async fn move_class(
    connection: &mut PgConnection,
    from: ClassId,
    into: ClassId,
) -> sqlx::Result<()> {
    query!(
        "update reviews set class_id = $2 where class_id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "update review_images set previous_class_id = $2 where previous_class_id = $1",
        from as ClassId,
        into as ClassId,
    )
    .execute(connection)
    .await?;
    Ok(())
}
