//! The `tags` check again, at any setting, from labels that are stored: no call, no cost, and nothing changes.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::job::CleaningJob;
use super::settings::{Rule, TagSettings};
use super::tag_rule::{self, Reference, Standard, TagWeight};
use super::tally::Outcomes;
use super::verdict::Outcome;
use super::weighing::Known;
use crate::db::{ClassId, ImageId, Sha256};
use crate::tag::Labels;

/// What the check would say.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Replay {
    /// The settings.
    pub settings: TagSettings,
    /// Images by outcome; `unscannable` are those of which no labels are stored by the label model that is compared, or whose
    /// class had no reference.
    pub counts: Outcomes,
    /// What each tag of a class counts by the rule `specific`, the heaviest first; empty for the other rule.
    pub weights: Vec<TagWeight>,
    /// Images that would be flagged and were not by the job.
    pub newly_flagged: i64,
    /// Images that the job flagged and that would pass.
    pub no_longer_flagged: i64,
    /// The flagged images and those that no longer are, up to the limit: in the order of arrival.
    pub images: Vec<ReplayedImage>,
}

/// What the check would say of an image.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReplayedImage {
    /// The image.
    pub image_id: ImageId,
    /// Name of its class.
    pub class: String,
    /// What it would say.
    pub outcome: Outcome,
    /// The same in words.
    pub reason: String,
    /// What the job's own verdict was; null when it gave none.
    pub before: Option<Outcome>,
}

struct Row {
    id: ImageId,
    class: ClassId,
    name: String,
    sha256: Sha256,
    before: Option<Outcome>,
}

/// Judges the images of the job's dataset by other settings, with the references of the job; at most `limit` of them
/// are listed.
pub async fn replay(
    connection: &mut PgConnection,
    job: &CleaningJob,
    settings: TagSettings,
    limit: usize,
) -> anyhow::Result<Replay> {
    let rows = rows(connection, job).await?;
    let pictures: Vec<Sha256> = rows.iter().map(|row| row.sha256).collect();
    let known = Known::find(connection, job, &settings, &pictures).await?;
    // Of ten thousand images, longer than the threads that serve requests may be held.
    Ok(tokio::task::spawn_blocking(move || judge_all(rows, &known, settings, limit)).await?)
}

fn judge_all(rows: Vec<Row>, known: &Known, settings: TagSettings, limit: usize) -> Replay {
    let weights = match settings.rule {
        Rule::Specific => known.weights(&settings),
        Rule::AnyOfTopK => Vec::new(),
    };
    let mut standards: HashMap<ClassId, (Vec<Reference>, Vec<TagWeight>)> = HashMap::new();
    for reference in &known.references {
        standards.entry(reference.class).or_default().0.push(reference.clone());
    }
    for weight in &weights {
        standards.entry(weight.class_id).or_default().1.push(weight.clone());
    }
    let mut replay = Replay {
        settings,
        counts: Outcomes::default(),
        weights,
        newly_flagged: 0,
        no_longer_flagged: 0,
        images: Vec::new(),
    };
    for row in rows {
        let standard = standards.get(&row.class);
        replay.judge(row, standard, &known.pictures, limit);
    }
    replay
}

impl Replay {
    fn judge(
        &mut self,
        row: Row,
        standard: Option<&(Vec<Reference>, Vec<TagWeight>)>,
        pictures: &HashMap<Sha256, Labels>,
        limit: usize,
    ) {
        let (Some((references, weights)), Some(labels)) = (standard, pictures.get(&row.sha256))
        else {
            self.counts.unscannable += 1;
            return;
        };
        let standard = Standard { settings: &self.settings, references, weights };
        let finding = tag_rule::judge(standard, labels);
        self.counts.count(finding.outcome);
        let (now, before) =
            (finding.outcome == Outcome::Flagged, row.before == Some(Outcome::Flagged));
        self.newly_flagged += i64::from(now && !before);
        self.no_longer_flagged += i64::from(before && !now);
        if (now || before) && self.images.len() < limit {
            self.images.push(ReplayedImage {
                image_id: row.id,
                class: row.name,
                outcome: finding.outcome,
                reason: finding.reason,
                before: row.before,
            });
        }
    }
}

/// The accepted and flagged images, with what the job's own check said.
async fn rows(connection: &mut PgConnection, job: &CleaningJob) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select i.id as "id: ImageId", i.class_id as "class: ClassId", c.name,
               i.sha256 as "sha256: Sha256", v.outcome as "before?: Outcome"
           from images i join classes c on c.id = i.class_id
           left join verdicts v on v.job_id = $2 and v.image_id = i.id and v."check" = 'tags'
               and v.outcome <> 'withdrawn' and not v.reopened
           where i.dataset_id = $1 and i.state in ('accepted', 'flagged')
           order by i.id"#,
        job.dataset_id.0,
        job.id.0,
    )
    .fetch_all(connection)
    .await
}
