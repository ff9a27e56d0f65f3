//! What must hold between rows, counts and files; each breach is one finding in words.

use std::collections::BTreeSet;

use sqlx::{PgPool, query_scalar};

use crate::blobs::{Blobs, Key};
use crate::db::{DatasetId, ImportJobId, Sha256};

/// All breaches, by rows first and then by files. A service at work may show passing ones: a picture between its
/// file and its row, a move half done.
pub async fn examine(pool: &PgPool, blobs: &Blobs) -> anyhow::Result<Vec<String>> {
    let mut findings = rows(pool).await?;
    findings.extend(files(pool, blobs).await?);
    Ok(findings)
}

async fn rows(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    query_scalar!(
        r#"with counted as (
               select dataset_id, class_id, state, count(*) as n from images group by 1, 2, 3)
           select format('counts of class %s, %s: %s kept, %s counted', class_id, state,
                         coalesce(k.count, 0), coalesce(c.n, 0)) as "finding!"
           from image_counts k full join counted c using (dataset_id, class_id, state)
           where coalesce(k.count, 0) <> coalesce(c.n, 0)
           union all
           select format('scrape job %s has ended with %s open candidates', j.id, count(*))
           from scrape_jobs j join candidates c on c.job_id = j.id
           where j.status = 'succeeded' and c.outcome is null group by j.id
           union all
           select format('%s %s is unfinished, and no task works on it', kind, id) from (
               select 'scrape job' as kind, id, status from scrape_jobs
               union all select 'cleaning job', id, status from cleaning_jobs
               union all select 'import job', id, status from import_jobs
               union all select 'snapshot', id, status from snapshots
               union all select 'training run', id, status from training_runs) j
           where status in ('queued', 'running') and not exists (
               select from tasks t where t.subject = j.id and t.state in ('available', 'running'))
           union all
           select format('move of image %s stands at %s, and no task works on it', image_id, step)
           from moves where step <> 'deleted' and updated_at < now() - interval '1 hour'"#,
    )
    .fetch_all(pool)
    .await
}

async fn files(pool: &PgPool, blobs: &Blobs) -> anyhow::Result<Vec<String>> {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let images = sqlx::query!(
        r#"select i.dataset_id as "dataset: DatasetId", i.sha256 as "sha256: Sha256", i.quarantined
           from images i where i.state <> 'deleted'"#
    )
    .fetch_all(pool)
    .await?;
    for image in images {
        let place = if image.quarantined { Key::Flagged } else { Key::Image };
        wanted.insert(place(image.dataset, image.sha256).to_string());
        wanted.insert(Key::Thumbnail(image.sha256).to_string());
    }
    let references = sqlx::query!(
        r#"select c.dataset_id as "dataset: DatasetId", r.sha256 as "sha256: Sha256"
           from class_references r join classes c on c.id = r.class_id"#
    )
    .fetch_all(pool)
    .await?;
    for reference in references {
        wanted.insert(Key::Reference(reference.dataset, reference.sha256).to_string());
        wanted.insert(Key::Thumbnail(reference.sha256).to_string());
    }
    let models = query_scalar!(r#"select sha256 as "sha256: Sha256" from models"#);
    for sha256 in models.fetch_all(pool).await? {
        wanted.insert(Key::Model(sha256).to_string());
    }
    let mut there = BTreeSet::new();
    let archives = query_scalar!(
        r#"select id as "id: ImportJobId" from import_jobs where status <> 'succeeded'"#
    );
    for id in archives.fetch_all(pool).await? {
        wanted.insert(Key::Upload(id).to_string());
    }
    for prefix in ["datasets/", "thumbnails/", "models/", "uploads/"] {
        there.extend(blobs.list(prefix).await?);
    }
    let missing = wanted.difference(&there).map(|path| format!("{path} is missing"));
    let orphans = there.difference(&wanted).map(|path| format!("no row points to {path}"));
    Ok(missing.chain(orphans).collect())
}
