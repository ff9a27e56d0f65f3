//! Predictions: what a finished run says of each image of its snapshot.

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as};
use utoipa::ToSchema;

use super::{Evaluation, Outcome};
use crate::db::{ImageId, Sha256, TrainingRunId};
use crate::snapshot::{Member, Split};

/// What a run says of the image at one position of its snapshot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Its label in the snapshot.
    pub label: i32,
    /// The most probable label.
    pub predicted: i32,
    /// Probability of the predicted label, 0 to 1.
    pub probability: f32,
}

/// What the outcome of a run says of each of `members`, those that it was given, with their positions in the snapshot.
pub fn of(outcome: &Outcome, members: &[Member], classes: usize) -> Vec<(i32, Prediction)> {
    let mut train = best(&outcome.train, classes);
    let mut test = best(&outcome.test, classes);
    let predict = |member: &Member| {
        let side = if member.split == Split::Train { &mut train } else { &mut test };
        let (predicted, probability) = side.next().expect("an answer for each picture of a side");
        let (label, predicted) = (member.label as i32, predicted as i32);
        (member.position, Prediction { label, predicted, probability })
    };
    members.iter().map(predict).collect()
}

fn best(evaluation: &Evaluation, classes: usize) -> impl Iterator<Item = (u32, f32)> {
    let rows = evaluation.probabilities.chunks_exact(classes);
    evaluation.predictions.iter().zip(rows).map(|(&label, row)| (label, row[label as usize]))
}

/// The probability that only the least sure hundredth of the held-out pictures stays below (the least sure one of
/// fewer than a hundred): who is less sure of a photo than that should say so.
pub(super) fn unfamiliar_below(outcome: &Outcome, classes: usize) -> f32 {
    let mut sure: Vec<f32> = best(&outcome.test, classes).map(|(_, sure)| sure).collect();
    sure.sort_unstable_by(f32::total_cmp);
    sure.get(sure.len() / 100).copied().unwrap_or_default()
}

/// A prediction with its image, as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PredictedImage {
    /// The image's position in the snapshot.
    pub position: i32,
    /// The image; null once it is gone from the dataset.
    pub image_id: Option<ImageId>,
    /// SHA-256 of the original bytes.
    pub sha256: Sha256,
    /// Its side of the split.
    pub split: Split,
    /// Its class in the snapshot.
    pub class: String,
    /// The most probable class.
    pub predicted: String,
    /// Probability of the predicted class, 0 to 1.
    pub probability: f32,
}

/// How often each class was taken for which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Confusion {
    /// Class names, in the order of rows and columns.
    pub classes: Vec<String>,
    /// Held-out images: a row per class, a column per predicted class.
    pub matrix: Vec<Vec<i64>>,
}

/// Records the predictions of images of the snapshot by their positions.
pub(super) async fn insert(
    connection: &mut PgConnection,
    run: TrainingRunId,
    predictions: &[(i32, Prediction)],
) -> sqlx::Result<()> {
    let positions: Vec<i32> = predictions.iter().map(|(position, _)| *position).collect();
    let labels: Vec<i32> = predictions.iter().map(|(_, p)| p.label).collect();
    let predicted: Vec<i32> = predictions.iter().map(|(_, p)| p.predicted).collect();
    let probabilities: Vec<f32> = predictions.iter().map(|(_, p)| p.probability).collect();
    query!(
        "insert into predictions (run_id, position, label, predicted, probability)
         select $1, position, label, predicted, probability
         from unnest($2::int[], $3::int[], $4::int[], $5::real[])
             as p (position, label, predicted, probability)",
        run as TrainingRunId,
        &positions,
        &labels,
        &predicted,
        &probabilities,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Which predictions to list.
#[derive(Debug, Clone, Default)]
pub struct PredictionFilter {
    /// Of images on this side.
    pub split: Option<Split>,
    /// Of images of this class.
    pub class: Option<String>,
    /// That name this class.
    pub predicted: Option<String>,
    /// Behind this position.
    pub after: Option<i32>,
}

/// Up to `limit` predictions in the order of the snapshot.
pub async fn list(
    executor: impl PgExecutor<'_>,
    run: TrainingRunId,
    filter: &PredictionFilter,
    limit: i64,
) -> sqlx::Result<Vec<PredictedImage>> {
    query_as!(
        PredictedImage,
        r#"select p.position, m.image_id as "image_id: ImageId", m.sha256 as "sha256: Sha256",
               m.split as "split: Split", s.classes[p.label + 1] as "class!",
               s.classes[p.predicted + 1] as "predicted!", p.probability
           from predictions p join training_runs r on r.id = p.run_id
           join snapshots s on s.id = r.snapshot_id
           join snapshot_images m on m.snapshot_id = s.id and m.position = p.position
           where p.run_id = $1 and p.position > $2
             and ($3::split is null or m.split = $3)
             and ($4::text is null or s.classes[p.label + 1] = $4)
             and ($5::text is null or s.classes[p.predicted + 1] = $5)
           order by p.position limit $6"#,
        run as TrainingRunId,
        filter.after.unwrap_or(-1),
        filter.split as Option<Split>,
        filter.class,
        filter.predicted,
        limit,
    )
    .fetch_all(executor)
    .await
}

/// What a finished run says of the training and of the held-out images, each side in the order of the snapshot.
pub async fn split(
    executor: impl PgExecutor<'_>,
    run: TrainingRunId,
) -> sqlx::Result<(Vec<Prediction>, Vec<Prediction>)> {
    let rows = query!(
        r#"select p.label, p.predicted, p.probability, m.split as "split: Split"
           from predictions p join training_runs r on r.id = p.run_id
           join snapshot_images m on m.snapshot_id = r.snapshot_id and m.position = p.position
           where p.run_id = $1 order by p.position"#,
        run as TrainingRunId,
    )
    .fetch_all(executor)
    .await?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for row in rows {
        let side = if row.split == Split::Train { &mut train } else { &mut test };
        let (label, predicted) = (row.label, row.predicted);
        side.push(Prediction { label, predicted, probability: row.probability });
    }
    Ok((train, test))
}

/// Counts the held-out images of a finished run by class and predicted class.
pub async fn confusion(
    executor: impl PgExecutor<'_>,
    run: TrainingRunId,
    classes: Vec<String>,
) -> sqlx::Result<Confusion> {
    let cells = query!(
        r#"select p.label, p.predicted, count(*) as "count!"
           from predictions p join training_runs r on r.id = p.run_id
           join snapshot_images m on m.snapshot_id = r.snapshot_id and m.position = p.position
           where p.run_id = $1 and m.split = 'test' group by p.label, p.predicted"#,
        run as TrainingRunId,
    )
    .fetch_all(executor)
    .await?;
    let mut matrix = vec![vec![0; classes.len()]; classes.len()];
    for cell in cells {
        matrix[cell.label as usize][cell.predicted as usize] = cell.count;
    }
    Ok(Confusion { classes, matrix })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(sure: &[f32]) -> Evaluation {
        let probabilities = sure.iter().flat_map(|&p| [1.0 - p, p]).collect();
        Evaluation { accuracy: 1.0, loss: 0.0, predictions: vec![1; sure.len()], probabilities }
    }

    #[test]
    fn one_in_a_hundred_held_out_pictures_is_less_sure() {
        let sure: Vec<f32> = (0..200).rev().map(|i| 0.5 + i as f32 / 400.0).collect();
        let outcome = |test: &[f32]| Outcome {
            epochs: Vec::new(),
            train: evaluation(&[0.9]),
            test: evaluation(test),
            best_epoch: 1,
            stopped_early: false,
        };
        let below = unfamiliar_below(&outcome(&sure), 2);
        assert_eq!(sure.iter().filter(|sure| **sure < below).count(), 2);
        assert!((unfamiliar_below(&outcome(&[0.9, 0.7]), 2) - 0.7).abs() < 1e-6);
    }
}
