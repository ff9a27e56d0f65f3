//! What changed between two runs on snapshots of one dataset: in the pictures, and in what the models make of them.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query_as};
use utoipa::ToSchema;

use super::TrainingRun;
use super::comparison::{self, Difference, Interval, Sample, limits, points};
use crate::db::{SnapshotId, TrainingRunId};

/// What is different in a later run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    /// The earlier run.
    pub with: TrainingRunId,
    /// The outcome in a sentence.
    pub sentence: String,
    /// Pictures that came, left or moved.
    pub pictures: PictureChanges,
    /// Both models on the test pictures of both; null when they have none in common.
    pub test: Option<TestChange>,
}

/// How the later snapshot's pictures differ from the earlier one's.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct PictureChanges {
    /// In both, in the same class.
    pub kept: i64,
    /// In both, in another class than before.
    pub moved: i64,
    /// Only in the later one.
    pub added: i64,
    /// Only in the earlier one.
    pub removed: i64,
    /// Why they left, by what they are now; the most frequent reason first.
    pub reasons: Vec<Removal>,
    /// Pictures of each class, before and after.
    pub classes: Vec<ClassPictures>,
}

/// Pictures that left for the same reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct Removal {
    /// The image's state now; `deleted` for one that is gone, `accepted` for one that was taken in again since.
    pub state: String,
    /// The checks that flag it now.
    pub checks: Vec<String>,
    /// How many.
    pub pictures: i64,
}

/// Pictures of a class.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassPictures {
    /// Its name.
    pub class: String,
    /// In the earlier snapshot.
    pub before: i64,
    /// In the later one.
    pub after: i64,
}

/// Two models on the same test pictures, which neither has seen, each judged by its class in the later snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestChange {
    /// How many.
    pub pictures: usize,
    /// Accuracy of the earlier model, with its interval.
    pub before: Interval,
    /// Accuracy of the later model, with its interval.
    pub after: Interval,
    /// After minus before, picture by picture.
    pub difference: Difference,
    /// Pictures that only the later model names right.
    pub corrected: usize,
    /// Pictures that only the earlier model named right.
    pub broken: usize,
}

/// What changed from `before` to `after`, both finished.
pub async fn changes(
    connection: &mut PgConnection,
    before: &TrainingRun,
    after: &TrainingRun,
) -> Result<Changes> {
    let snapshots = (before.snapshot_id, after.snapshot_id);
    let mut pictures = compare_pictures(&mut *connection, snapshots).await?;
    pictures.reasons = removals(&mut *connection, snapshots).await?;
    let answers = common_answers(connection, (before.id, after.id)).await?;
    let test = TestChange::of(&answers)?;
    Ok(Changes { with: before.id, sentence: sentence(&pictures, test.as_ref()), pictures, test })
}

/// Whether each model was right about a test picture of both.
struct Answer {
    before: bool,
    after: bool,
}

impl TestChange {
    fn of(answers: &[Answer]) -> Result<Option<Self>> {
        if answers.is_empty() {
            return Ok(None);
        }
        let side =
            |right: fn(&Answer) -> bool| Sample::of_runs(&[answers.iter().map(right).collect()]);
        let (before, after) = (side(|answer| answer.before)?, side(|answer| answer.after)?);
        let only = |first: bool| {
            let one = |answer: &&Answer| answer.after == first && answer.before != first;
            answers.iter().filter(one).count()
        };
        Ok(Some(Self {
            pictures: answers.len(),
            before: comparison::accuracy(&before),
            after: comparison::accuracy(&after),
            difference: comparison::accuracy_difference(&after, &before)?,
            corrected: only(true),
            broken: only(false),
        }))
    }
}

fn sentence(pictures: &PictureChanges, test: Option<&TestChange>) -> String {
    let PictureChanges { removed, moved, added, .. } = pictures;
    let moves = format!("{removed} pictures left, {moved} changed class, {added} came");
    let Some(test) = test else {
        return format!("{moves}; the runs have no test picture in common.");
    };
    let interval = &test.difference.interval;
    let sign = if interval.estimate > 0.0 { "+" } else { "" };
    let verdict = if interval.low > 0.0 {
        "the later model is better"
    } else if interval.high < 0.0 {
        "the later model is worse"
    } else {
        "that may be chance"
    };
    format!(
        "{moves}; on the {} test pictures of both, accuracy went from {} to {} % ({sign}{} points, 95 % interval {}): \
         {verdict}.",
        test.pictures,
        points(test.before.estimate),
        points(test.after.estimate),
        points(interval.estimate),
        limits(interval),
    )
}

async fn compare_pictures(
    executor: impl PgExecutor<'_>,
    (before, after): (SnapshotId, SnapshotId),
) -> sqlx::Result<PictureChanges> {
    struct Group {
        before: Option<String>,
        after: Option<String>,
        pictures: i64,
    }
    let groups = query_as!(
        Group,
        r#"with x as (
               select m.sha256, s.classes[m.label + 1] as class
               from snapshot_images m join snapshots s on s.id = m.snapshot_id where s.id = $1
           ), y as (
               select m.sha256, s.classes[m.label + 1] as class
               from snapshot_images m join snapshots s on s.id = m.snapshot_id where s.id = $2
           )
           select x.class as "before?", y.class as "after?", count(*) as "pictures!"
           from x full join y using (sha256) group by x.class, y.class"#,
        before as SnapshotId,
        after as SnapshotId,
    )
    .fetch_all(executor)
    .await?;
    let mut changes = PictureChanges::default();
    let mut classes: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for Group { before, after, pictures } in groups {
        let count = match (&before, &after) {
            (Some(before), Some(after)) if before == after => &mut changes.kept,
            (Some(_), Some(_)) => &mut changes.moved,
            (None, _) => &mut changes.added,
            (_, None) => &mut changes.removed,
        };
        *count += pictures;
        if let Some(class) = before {
            classes.entry(class).or_default().0 += pictures;
        }
        if let Some(class) = after {
            classes.entry(class).or_default().1 += pictures;
        }
    }
    let change = |(class, (before, after))| ClassPictures { class, before, after };
    changes.classes = classes.into_iter().map(change).collect();
    Ok(changes)
}

async fn removals(
    executor: impl PgExecutor<'_>,
    (before, after): (SnapshotId, SnapshotId),
) -> sqlx::Result<Vec<Removal>> {
    query_as!(
        Removal,
        r#"with gone as (
               select coalesce(i.state::text, 'deleted') as state,
                   array(select v."check" from current_verdicts v
                         where v.image_id = i.id and v.outcome = 'flagged' and not v.dismissed
                         order by v."check") as checks
               from snapshot_images m left join images i on i.id = m.image_id
               where m.snapshot_id = $1
                 and not exists (select from snapshot_images n
                                 where n.snapshot_id = $2 and n.sha256 = m.sha256)
           )
           select state as "state!", checks as "checks!", count(*) as "pictures!"
           from gone group by state, checks order by count(*) desc, state, checks"#,
        before as SnapshotId,
        after as SnapshotId,
    )
    .fetch_all(executor)
    .await
}

/// What both models say of the pictures that both hold out, in the order of the later snapshot.
async fn common_answers(
    executor: impl PgExecutor<'_>,
    (before, after): (TrainingRunId, TrainingRunId),
) -> sqlx::Result<Vec<Answer>> {
    query_as!(
        Answer,
        r#"select x.classes[a.predicted + 1] = y.classes[n.label + 1] as "before!",
               b.predicted = n.label as "after!"
           from training_runs earlier join training_runs later on later.id = $2
           join snapshots x on x.id = earlier.snapshot_id
           join snapshots y on y.id = later.snapshot_id
           join snapshot_images m on m.snapshot_id = x.id and m.split = 'test'
           join snapshot_images n
               on n.snapshot_id = y.id and n.split = 'test' and n.sha256 = m.sha256
           join predictions a on a.run_id = earlier.id and a.position = m.position
           join predictions b on b.run_id = later.id and b.position = n.position
           where earlier.id = $1 order by n.position"#,
        before as TrainingRunId,
        after as TrainingRunId,
    )
    .fetch_all(executor)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(both: usize, corrected: usize, broken: usize, neither: usize) -> Vec<Answer> {
        let groups = [(true, true, both), (false, true, corrected), (true, false, broken)];
        let groups = groups.into_iter().chain([(false, false, neither)]);
        groups
            .flat_map(|(before, after, count)| (0..count).map(move |_| Answer { before, after }))
            .collect()
    }

    fn said(answers: &[Answer]) -> String {
        let test = TestChange::of(answers).unwrap();
        let pictures = PictureChanges { removed: 12, moved: 3, ..PictureChanges::default() };
        sentence(&pictures, test.as_ref())
    }

    #[test]
    fn the_sentence_says_how_sure_the_difference_is() {
        let better = said(&answers(100, 30, 5, 15));
        let begins = "12 pictures left, 3 changed class, 0 came; on the 150 test pictures of both, accuracy went from \
                      70.0 to 86.7 % (+16.7 points, 95 % interval ";
        assert!(better.starts_with(begins), "{better}");
        assert!(better.ends_with("the later model is better."), "{better}");
        assert!(said(&answers(100, 5, 30, 15)).ends_with("the later model is worse."));
        assert!(said(&answers(100, 6, 5, 15)).ends_with("that may be chance."));
        assert!(said(&[]).ends_with("the runs have no test picture in common."));
    }
}
