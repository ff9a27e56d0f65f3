//! The state of images out of reviews and verdicts, in the transaction that causes it, and the moves that follow.

use sqlx::{PgConnection, query, query_as};

use super::quarantine::{self, Direction};
use super::review::Decision;
use crate::dataset::{self, ImageState};
use crate::db::{CleaningJobId, DatasetId, ImageId};

/// Makes all changes of states in the datasets wait for each other until the transaction ends.
pub(super) async fn lock(
    connection: &mut PgConnection,
    datasets: &[DatasetId],
) -> sqlx::Result<()> {
    let mut datasets = datasets.to_vec();
    datasets.sort_unstable();
    datasets.dedup();
    for dataset in datasets {
        query!(
            r#"select pg_advisory_xact_lock(hashtextextended('shipshape.states.' || $1::text, 0))
               as "locked!: ()""#,
            dataset.to_string(),
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

struct Basis {
    id: ImageId,
    state: ImageState,
    quarantined: bool,
    flagged: bool,
    unscannable: bool,
    decision: Option<Decision>,
}

impl Basis {
    /// A person's decision, else the worst of the verdicts that count; unchecked images are accepted.
    fn wanted(&self) -> ImageState {
        match self.decision {
            Some(Decision::Reject) => ImageState::Rejected,
            None if self.flagged || self.unscannable => ImageState::Flagged,
            Some(_) | None => ImageState::Accepted,
        }
    }

    /// Where the file should go, if it should move: what a check flagged goes aside, what is accepted comes back, and
    /// all else (unscannable, rejected) stays where it is.
    fn direction(&self) -> Option<Direction> {
        match self.wanted() {
            ImageState::Flagged if self.flagged && !self.quarantined => Some(Direction::Quarantine),
            ImageState::Accepted if self.quarantined => Some(Direction::Restore),
            _ => None,
        }
    }
}

async fn bases(connection: &mut PgConnection, images: &[ImageId]) -> sqlx::Result<Vec<Basis>> {
    query_as!(
        Basis,
        r#"with said as (
               select image_id, bool_or(outcome = 'flagged') as flagged,
                   bool_or(outcome = 'unscannable') as unscannable
               from current_verdicts where image_id = any($1) and not dismissed
               group by image_id
           ), decided as (
               select distinct on (d.image_id) d.image_id, r.decision
               from review_images d join reviews r on r.id = d.review_id
               where d.image_id = any($1) and r.undone_at is null and r.decision <> 'not_a_problem'
               order by d.image_id, r.id desc
           )
           select i.id as "id: ImageId", i.state as "state: ImageState", i.quarantined,
               coalesce(s.flagged, false) as "flagged!",
               coalesce(s.unscannable, false) as "unscannable!",
               d.decision as "decision?: Decision"
           from images i
           left join said s on s.image_id = i.id
           left join decided d on d.image_id = i.id
           where i.id = any($1) and i.state <> 'deleted'
           order by i.id for update of i"#,
        images as &[ImageId],
    )
    .fetch_all(connection)
    .await
}

/// Computes the states of images of one dataset anew, plans the moves that follow and enqueues their task. The job, if
/// one is given, ends only behind those moves.
pub(super) async fn settle(
    connection: &mut PgConnection,
    dataset: DatasetId,
    images: &[ImageId],
    job: Option<CleaningJobId>,
) -> sqlx::Result<()> {
    lock(connection, &[dataset]).await?;
    let bases = bases(connection, images).await?;
    for state in [ImageState::Accepted, ImageState::Flagged, ImageState::Rejected] {
        let changed = bases.iter().filter(|b| b.wanted() == state && b.state != state);
        let changed: Vec<ImageId> = changed.map(|basis| basis.id).collect();
        if !changed.is_empty() {
            dataset::set_state(&mut *connection, &changed, state).await?;
        }
    }
    let moves: Vec<(ImageId, Direction)> = bases
        .iter()
        .filter_map(|basis| basis.direction().map(|direction| (basis.id, direction)))
        .collect();
    quarantine::plan(connection, dataset, &moves, job).await
}

/// Where the file of an image should go, if it should move; `None` too for a deleted image. Locks the image's row.
pub(super) async fn direction(
    connection: &mut PgConnection,
    image: ImageId,
) -> sqlx::Result<Option<Direction>> {
    // In a statement of its own, so that the next one sees what whoever held the lock has decided.
    query!("select from images where id = $1 for update", image as ImageId)
        .execute(&mut *connection)
        .await?;
    Ok(bases(connection, &[image]).await?.first().and_then(Basis::direction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis() -> Basis {
        Basis {
            id: ImageId(uuid::Uuid::nil()),
            state: ImageState::Accepted,
            quarantined: false,
            flagged: false,
            unscannable: false,
            decision: None,
        }
    }

    #[test]
    fn a_review_beats_every_verdict() {
        let kept =
            Basis { flagged: true, quarantined: true, decision: Some(Decision::Keep), ..basis() };
        assert_eq!(kept.wanted(), ImageState::Accepted);
        assert_eq!(kept.direction(), Some(Direction::Restore));
        let rejected = Basis { decision: Some(Decision::Reject), ..basis() };
        assert_eq!((rejected.wanted(), rejected.direction()), (ImageState::Rejected, None));
    }

    #[test]
    fn what_cannot_be_scanned_is_flagged_and_stays_where_it_is() {
        let unscannable = Basis { unscannable: true, ..basis() };
        assert_eq!((unscannable.wanted(), unscannable.direction()), (ImageState::Flagged, None));
        let both = Basis { flagged: true, ..unscannable };
        assert_eq!(both.direction(), Some(Direction::Quarantine));
    }
}
