//! Freezing what tags count by the rule `specific`, when the labels of all images of a job are known.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::job::{self, CleaningJob};
use super::settings::{ReferenceTags, TagSettings};
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

/// Labels by picture.
type Answers = HashMap<Sha256, Labels>;

/// Labels that are stored, of a job's references and of pictures: those of pictures by one label model, because labels of two
/// are not comparable.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) references: Vec<Reference>,
    pub(super) pictures: Answers,
}

impl Known {
    pub(super) async fn find(
        connection: &mut PgConnection,
        job: &CleaningJob,
        settings: &TagSettings,
        pictures: &[Sha256],
    ) -> sqlx::Result<Self> {
        let tagger = &settings.tagger.kept_as(&job.phrases);
        let versions: BTreeSet<&str> =
            job.references.iter().map(|reference| reference.model_version.as_str()).collect();
        let addresses: Vec<Sha256> =
            job.references.iter().map(|reference| reference.sha256).collect();
        let mut by_version = HashMap::new();
        for version in versions {
            let of_pictures = store::of_model(&mut *connection, tagger, version, pictures).await?;
            let of_references =
                store::of_model(&mut *connection, tagger, version, &addresses).await?;
            by_version.insert(version, (of_pictures, of_references));
        }
        Ok(Self::by_one_model(&job.references, by_version))
    }

    /// By the model that has labelled most of the pictures, and of such the one that knows most references; pictures that
    /// it has not labelled are left out. A reference that it has not labelled yet counts by the labels that the job found.
    fn by_one_model(
        of_job: &[ReferenceTags],
        mut by_version: HashMap<&str, (Answers, Answers)>,
    ) -> Self {
        let most = by_version.iter().max_by_key(|(version, (pictures, references))| {
            (pictures.len(), references.len(), **version)
        });
        let chosen = most.map(|(version, _)| *version);
        let references = of_job.iter().filter_map(|reference| {
            let (class, sha256) = (reference.class_id, reference.sha256);
            let mut versions = chosen.into_iter().chain([reference.model_version.as_str()]);
            let labels = versions.find_map(|version| by_version.get(version)?.1.get(&sha256))?;
            Some(Reference { class, sha256, labels: labels.clone() })
        });
        let references = references.collect();
        let pictures = chosen.and_then(|version| by_version.remove(version));
        let pictures = pictures.map(|(pictures, _)| pictures).unwrap_or_default();
        Self { references, pictures }
    }

    pub(super) fn weights(&self, settings: &TagSettings) -> Vec<TagWeight> {
        let frequencies = Frequencies::of(self.pictures.values(), settings.min_confidence);
        tag_rule::weights(settings, &self.references, &frequencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::ClassId;

    #[test]
    fn labels_of_one_model_are_compared_with_each_other() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Sha256::of(bytes));
        let reference = |sha256, version: &str| ReferenceTags {
            class_id: ClassId(uuid::Uuid::nil()),
            class: "ship".into(),
            sha256,
            model_version: version.into(),
            tags: Vec::new(),
        };
        let answers = |version: &str, pictures: &[Sha256]| -> Answers {
            pictures.iter().map(|at| (*at, Labels::new(version, Vec::new()))).collect()
        };
        let known = |later_of_a: &[Sha256]| {
            let by_version = HashMap::from([
                ("3.0", (answers("3.0", &[a]), answers("3.0", &[a]))),
                ("4.0", (answers("4.0", &[b, c]), answers("4.0", later_of_a))),
            ]);
            Known::by_one_model(&[reference(a, "3.0"), reference(b, "4.0")], by_version)
        };
        let versions = |known: &Known| -> Vec<String> {
            known.references.iter().map(|one| one.labels.model_version.clone()).collect()
        };
        let both = known(&[a, b]);
        assert_eq!(versions(&both), ["4.0", "4.0"]);
        assert_eq!((both.pictures.len(), both.pictures.contains_key(&a)), (2, false));
        // The newer model has not seen one reference yet.
        assert_eq!(versions(&known(&[b])), ["3.0", "4.0"]);
        assert!(Known::by_one_model(&[], HashMap::new()).pictures.is_empty());
    }
}
