//! Near-duplicates decided anew, when an image that takes part in the decision is rejected, deleted, reclassed or back.

use std::collections::{BTreeMap, HashSet};

use sqlx::{PgConnection, query_as};

use super::duplicates::Grouping;
use super::verdict::{self, NewVerdict, Verdict};
use super::{checks, duplicates, state};
use crate::db::{DatasetId, ImageId, Sha256};

struct Seed {
    id: ImageId,
    dataset: DatasetId,
    sha256: Sha256,
}

/// Decides anew which of the images that look like one of `images` is kept, in the transaction that rejected, deleted,
/// reclassed or brought them back. New verdicts are appended under the job of the old ones; states and files follow.
pub async fn reopen(connection: &mut PgConnection, images: &[ImageId]) -> sqlx::Result<()> {
    let mut verdicts: BTreeMap<DatasetId, Vec<NewVerdict>> = BTreeMap::new();
    let mut settled = HashSet::new();
    for seed in seeds(connection, images).await? {
        let (dataset, sha256) = (seed.dataset, seed.sha256);
        // The usual grouping is the widest.
        let around =
            duplicates::cluster(&mut *connection, dataset, sha256, Grouping::default()).await?;
        let around: Vec<ImageId> = around.iter().map(|member| member.image_id).collect();
        for old in deciding(connection, &around).await? {
            if settled.insert(old.image_id) {
                let new = anew(connection, &seed, &old).await?;
                verdicts.entry(seed.dataset).or_default().extend(new);
            }
        }
    }
    for (dataset, verdicts) in verdicts {
        let mut images: Vec<ImageId> = verdicts.iter().map(|verdict| verdict.image).collect();
        images.sort_unstable();
        verdict::insert(&mut *connection, &verdicts).await?;
        state::settle(connection, dataset, &images, None).await?;
    }
    Ok(())
}

/// Those of the images that were judged as part of a cluster.
async fn seeds(connection: &mut PgConnection, images: &[ImageId]) -> sqlx::Result<Vec<Seed>> {
    let judged = deciding(connection, images).await?;
    let clustered: Vec<ImageId> = judged
        .iter()
        .filter(|verdict| verdict.evidence.get("cluster").is_some())
        .map(|verdict| verdict.image_id)
        .collect();
    query_as!(
        Seed,
        r#"select id as "id: ImageId", dataset_id as "dataset: DatasetId",
               sha256 as "sha256: Sha256"
           from images where id = any($1) order by id"#,
        &clustered as &[ImageId],
    )
    .fetch_all(connection)
    .await
}

async fn deciding(connection: &mut PgConnection, images: &[ImageId]) -> sqlx::Result<Vec<Verdict>> {
    let mut newest = verdict::newest(connection, images).await?;
    newest.retain(|verdict| verdict.check == checks::NEAR_DUPLICATE);
    Ok(newest)
}

async fn anew(
    connection: &mut PgConnection,
    seed: &Seed,
    old: &Verdict,
) -> sqlx::Result<Option<NewVerdict>> {
    let sha256 = if old.image_id == seed.id {
        seed.sha256
    } else {
        sha256(connection, old.image_id).await?
    };
    let grouping = Grouping::of_job(&mut *connection, old.job_id).await?;
    let cluster = duplicates::cluster(&mut *connection, seed.dataset, sha256, grouping).await?;
    let finding = checks::judge_duplicate(old.image_id, &cluster, grouping);
    let same = finding.outcome == old.outcome
        && finding.code == old.code
        && finding.evidence.get("keeper") == old.evidence.get("keeper");
    Ok((!same).then(|| NewVerdict {
        job: old.job_id,
        image: old.image_id,
        check: old.check.clone(),
        finding,
        dry_run: false,
        reopened: true,
    }))
}

async fn sha256(connection: &mut PgConnection, image: ImageId) -> sqlx::Result<Sha256> {
    sqlx::query_scalar!(
        r#"select sha256 as "sha256: Sha256" from images where id = $1"#,
        image as ImageId,
    )
    .fetch_one(connection)
    .await
}
