//! Freezing what tags count by the rule `specific`, when the labels of all images of a job are known.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::job::{self, CleaningJob};
use super::settings::TagSettings;
use super::tag_rule::{self, Frequencies, Reference, TagWeight};
use crate::db::{CleaningJobId, ImageId, Sha256};
use crate::tag::{Labels, store};

/// Weighs the tags of a job's references by the labels of `images`, once; nothing for another rule.
pub async fn weigh_tags(
    connection: &mut PgConnection,
    id: CleaningJobId,
    images: &[(ImageId, Sha256)],
) -> sqlx::Result<()> {
    let Some(job) = job::find(&mut *connection, id).await? else { return Ok(()) };
    let Some(settings) = &job.tags else { return Ok(()) };
    if !job.weighs_tags() || !job.tag_weights.is_empty() {
        return Ok(());
    }
    let pictures: Vec<Sha256> = images.iter().map(|(_, sha256)| *sha256).collect();
    let known = Known::find(connection, &job, settings, &pictures).await?;
    job::weigh(connection, id, &known.weights(settings)).await
}

/// Labels that are stored: of a job's references, and of pictures, by the references' label models.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) references: Vec<Reference>,
    pub(super) pictures: HashMap<Sha256, Labels>,
}

impl Known {
    pub(super) async fn find(
        connection: &mut PgConnection,
        job: &CleaningJob,
        settings: &TagSettings,
        pictures: &[Sha256],
    ) -> sqlx::Result<Self> {
        let tagger = &settings.tagger.kept_as(&job.phrases);
        let mut references = Vec::new();
        for reference in &job.references {
            let (version, sha256) = (&reference.model_version, reference.sha256);
            let mut labels = store::of_model(&mut *connection, tagger, version, &[sha256]).await?;
            let labels = labels.remove(&sha256);
            let class = reference.class_id;
            references.extend(labels.map(|labels| Reference { class, sha256, labels }));
        }
        let mut known = HashMap::new();
        let mut versions: Vec<&str> =
            job.references.iter().map(|reference| reference.model_version.as_str()).collect();
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            known.extend(store::of_model(&mut *connection, tagger, version, pictures).await?);
        }
        Ok(Self { references, pictures: known })
    }

    pub(super) fn weights(&self, settings: &TagSettings) -> Vec<TagWeight> {
        let frequencies = Frequencies::of(self.pictures.values(), settings.min_confidence);
        tag_rule::weights(settings, &self.references, &frequencies)
    }
}
