//! Quarantine: the journalled, reversible move of an image's bytes between `images/` and `flagged/`.
//!
//! planned → copied → verified → recorded → deleted. Each step is done and written down under the lock of the move's
//! row, and can be repeated after a crash; the source goes last, so that the bytes always lie in at least one place and
//! in the end in exactly one.

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, query, query_as, query_scalar};

use super::state;
use crate::blobs::{Blobs, Key};
use crate::dataset::{self, ImageState};
use crate::db::{CleaningJobId, DatasetId, ImageId, Sha256};
use crate::queue::{self, Context, Lane, NewTask, TaskError};

/// The kind of task that carries moves out.
pub const KIND: &str = "quarantine";
/// The lane of that task.
pub const LANE: Lane = Lane::Cpu;
/// Moves that one task carries out.
const BATCH: usize = 32;

/// Into quarantine or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "move_direction", rename_all = "snake_case")]
pub enum Direction {
    /// From `images/` to `flagged/`.
    Quarantine,
    /// From `flagged/` to `images/`.
    Restore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "move_step", rename_all = "snake_case")]
enum Step {
    Planned,
    Copied,
    Verified,
    Recorded,
    Deleted,
}

/// What a quarantine task is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Errand {
    /// The images whose open moves are to be carried out.
    pub images: Vec<ImageId>,
    /// The cleaning job that waits for them.
    pub job: Option<CleaningJobId>,
}

/// Plans moves and enqueues their tasks, in the transaction of the states that cause them. An image whose earlier move
/// is still under way gets no second one: the end of the first looks where the image belongs by then.
pub(super) async fn plan(
    connection: &mut PgConnection,
    dataset: DatasetId,
    moves: &[(ImageId, Direction)],
    job: Option<CleaningJobId>,
) -> sqlx::Result<()> {
    let images: Vec<ImageId> = moves.iter().map(|(image, _)| *image).collect();
    insert(connection, moves, job).await?;
    enqueue(connection, dataset, &images, job).await
}

async fn insert(
    connection: &mut PgConnection,
    moves: &[(ImageId, Direction)],
    job: Option<CleaningJobId>,
) -> sqlx::Result<()> {
    let (images, directions): (Vec<ImageId>, Vec<Direction>) = moves.iter().copied().unzip();
    query!(
        "insert into moves (image_id, direction, job_id)
         select image_id, direction, $3
         from unnest($1::uuid[], $2::move_direction[]) as given (image_id, direction)
         on conflict (image_id) where step <> 'deleted' do nothing",
        &images as &[ImageId],
        &directions as &[Direction],
        job as Option<CleaningJobId>,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Enqueues the tasks that carry out the open moves of the images.
async fn enqueue(
    connection: &mut PgConnection,
    dataset: DatasetId,
    images: &[ImageId],
    job: Option<CleaningJobId>,
) -> sqlx::Result<()> {
    for images in images.chunks(BATCH) {
        let errand = Errand { images: images.to_vec(), job };
        let payload = serde_json::to_value(errand).expect("ids are plain data");
        // The subject is the dataset, not the job: cancelling a job leaves no file half moved.
        let task =
            NewTask { priority: -1, max_attempts: 10, ..NewTask::new(KIND, LANE, dataset.0) };
        queue::enqueue(&mut *connection, task.with_payload(payload)).await?;
    }
    Ok(())
}

/// Enqueues the moves of a job that are still open, so that a retry finishes them.
pub async fn resume(
    connection: &mut PgConnection,
    dataset: DatasetId,
    job: CleaningJobId,
) -> sqlx::Result<()> {
    let images = query_scalar!(
        r#"select image_id as "image_id: ImageId" from moves
           where job_id = $1 and step <> 'deleted' order by id"#,
        job as CleaningJobId,
    )
    .fetch_all(&mut *connection)
    .await?;
    enqueue(connection, dataset, &images, Some(job)).await
}

struct Move {
    id: uuid::Uuid,
    image: ImageId,
    dataset: DatasetId,
    sha256: Sha256,
    state: ImageState,
    direction: Direction,
    step: Step,
    job: Option<CleaningJobId>,
}

impl Move {
    /// (source, target).
    fn keys(&self) -> (Key, Key) {
        let (here, aside) =
            (Key::Image(self.dataset, self.sha256), Key::Flagged(self.dataset, self.sha256));
        match self.direction {
            Direction::Quarantine => (here, aside),
            Direction::Restore => (aside, here),
        }
    }
}

/// The open move of the image, its row locked until the transaction ends: whoever else carries it out waits.
async fn lock(connection: &mut PgConnection, image: ImageId) -> sqlx::Result<Option<Move>> {
    query_as!(
        Move,
        r#"select m.id, m.image_id as "image: ImageId", i.dataset_id as "dataset: DatasetId",
               i.sha256 as "sha256: Sha256", i.state as "state: ImageState",
               m.direction as "direction: Direction", m.step as "step: Step",
               m.job_id as "job: CleaningJobId"
           from moves m join images i on i.id = m.image_id
           where m.image_id = $1 and m.step <> 'deleted' for update of m"#,
        image as ImageId,
    )
    .fetch_optional(connection)
    .await
}

/// Carries out the open move of an image and those that follow from it, to the end.
pub async fn carry_out(
    pool: &PgPool,
    blobs: &Blobs,
    context: &Context,
    image: ImageId,
) -> Result<(), TaskError> {
    loop {
        let mut transaction = pool.begin().await?;
        context.hold(&mut transaction).await?;
        let Some(open) = lock(&mut transaction, image).await? else {
            return Ok(());
        };
        let step = advance(&mut transaction, blobs, &open).await?;
        transaction.commit().await?;
        crash_point(step, true)?;
        if open.step == Step::Copied && step == Step::Planned {
            // A source that is gone or changes would be copied again and again.
            return Err(TaskError::Retry(anyhow::anyhow!(
                "the copy of the image {image} is not like its source"
            )));
        }
    }
}

/// Does the next step of a move and writes it down.
async fn advance(
    connection: &mut PgConnection,
    blobs: &Blobs,
    open: &Move,
) -> Result<Step, TaskError> {
    let step = match open.step {
        Step::Planned => copy(blobs, open).await?,
        Step::Copied => verify(blobs, open).await?,
        Step::Verified => {
            let aside = open.direction == Direction::Quarantine;
            dataset::set_quarantined(&mut *connection, open.image, aside).await?;
            Step::Recorded
        }
        Step::Recorded => {
            let (source, target) = open.keys();
            blobs.delete(&source).await?;
            if open.state == ImageState::Deleted {
                blobs.delete(&target).await?;
            }
            Step::Deleted
        }
        Step::Deleted => Step::Deleted,
    };
    crash_point(step, false)?;
    if step != Step::Deleted {
        write(connection, open, step).await?;
        return Ok(step);
    }
    // The image's row is locked before the move ends: a decision made meanwhile has either seen this move and left
    // its wish in the state, or sees that the move has ended.
    let next = state::direction(connection, open.image).await?;
    write(connection, open, step).await?;
    match next {
        // Bytes that are lost cannot move the other way either.
        Some(direction) if open.step != Step::Planned => {
            insert(connection, &[(open.image, direction)], open.job).await?;
        }
        _ => {}
    }
    Ok(step)
}

async fn write(connection: &mut PgConnection, open: &Move, step: Step) -> sqlx::Result<()> {
    query!("update moves set step = $2, updated_at = now() where id = $1", open.id, step as Step,)
        .execute(connection)
        .await?;
    Ok(())
}

async fn copy(blobs: &Blobs, open: &Move) -> anyhow::Result<Step> {
    fail::fail_point!("move-planned", |_| anyhow::bail!("stopped at move-planned"));
    let (source, target) = open.keys();
    if blobs.copy(&source, &target).await?.is_some() || blobs.head(&target).await?.is_some() {
        return Ok(Step::Copied);
    }
    // The blob store has lost the bytes: there is nothing to move, and nothing to wait for.
    tracing::error!(image = %open.image, key = %source, "the bytes to move are missing");
    Ok(Step::Deleted)
}

/// The copy must be the picture, or, where the stored bytes had changed before, what lies at the source.
async fn verify(blobs: &Blobs, open: &Move) -> anyhow::Result<Step> {
    let (source, target) = open.keys();
    let copy = blobs.digest(&target).await?;
    if copy == Some(open.sha256) {
        return Ok(Step::Verified);
    }
    if copy.is_some() && copy == blobs.digest(&source).await? {
        return Ok(Step::Verified);
    }
    tracing::warn!(image = %open.image, key = %target, "a copy is not like its source, and is made again");
    Ok(Step::Planned)
}

/// Where a test can crash: each step once it is done and not written down (`move-copied`), and once it is written
/// down and the next one is not begun (`move-copied-written`).
fn crash_point(step: Step, written: bool) -> anyhow::Result<()> {
    let name = match step {
        Step::Planned => return Ok(()),
        Step::Copied => "move-copied",
        Step::Verified => "move-verified",
        Step::Recorded => "move-recorded",
        Step::Deleted => "move-deleted",
    };
    let name = if written { format!("{name}-written") } else { name.to_owned() };
    tracing::trace!(name, "step of a move");
    fail::fail_point!(&name, |_| anyhow::bail!("stopped at {name}"));
    Ok(())
}
