//! How well a check does, from pictures that a person has looked at.
//!
//! The sample is drawn by the pictures' place in an order that is as good as random and always the same: half of it of
//! what the check flagged, half of what it passed. Of each half those count that are reviewed without a gap in that order,
//! whenever that was: who decides by suspicion decides first on the worst, so that whatever happens to be reviewed would say
//! too much good of the check.

use serde::Serialize;
use sqlx::{PgExecutor, query};
use utoipa::ToSchema;

use super::review::Decision;
use super::verdict::Outcome;
use crate::db::{CleaningJobId, ImageId};
use crate::training::comparison::{Interval, proportion};

/// The estimates from what is reviewed, with the sample to review.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Audit {
    /// The check.
    pub check: String,
    /// What the check flagged.
    pub flagged: Stratum,
    /// What the check passed.
    pub passed: Stratum,
    /// Of what the check flagged, the share that is bad, with its 95 % interval; null before a flagged picture is reviewed.
    pub precision: Option<Interval>,
    /// Of what is bad, the share that the check flagged, with an interval that covers at least 95 %; null before pictures
    /// of both sides are reviewed, and where nothing bad was seen.
    pub recall: Option<Interval>,
    /// The sample: review these, in this order, by `POST /reviews`.
    pub sample: Vec<AuditedImage>,
}

/// The pictures of which the check says the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stratum {
    /// All of them.
    pub images: i64,
    /// Those in the sample.
    pub sampled: i64,
    /// Those at the beginning of the sample on which a person has decided: up to the first that is still open.
    pub reviewed: i64,
    /// Those of them that are rejected or belong to another class.
    pub bad: i64,
}

/// A picture of the sample.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditedImage {
    /// The image.
    pub image_id: ImageId,
    /// What the check says.
    pub outcome: Outcome,
    /// What a person decided, null while nobody has: of a picture that was moved to its class before the job, `keep`.
    pub decision: Option<Decision>,
}

impl Stratum {
    /// The share of bad pictures among all of the stratum. Pictures are drawn without putting them back, so that what is
    /// reviewed to the last one is known for certain.
    fn bad_share(&self, level: f64) -> Option<Interval> {
        let (all, seen) = (self.images as f64, self.reviewed as f64);
        let unseen_share = (all - seen) / (all - 1.0).max(1.0);
        (self.reviewed > 0).then(|| proportion(self.bad as f64 / seen, seen / unseen_share, level))
    }

    /// Adds the next picture of the sample.
    fn add(&mut self, decision: Option<Decision>) {
        let all_before = self.reviewed == self.sampled;
        self.sampled += 1;
        if let Some(decision) = decision.filter(|_| all_before) {
            self.reviewed += 1;
            self.bad += i64::from(matches!(decision, Decision::Reject | Decision::Reclass));
        }
    }
}

/// The recall of a check that flagged pictures of which a share is bad, and passed others of which a share is bad. The
/// sides are drawn apart: where each interval covers with the root of 95 %, both do at once with 95 %.
fn recall(flagged: &Stratum, passed: &Stratum) -> Option<Interval> {
    let level = 0.95_f64.sqrt();
    let found = flagged.bad_share(level)?;
    let missed = passed.bad_share(level)?;
    let share = |found: f64, missed: f64| {
        let (found, missed) = (found * flagged.images as f64, missed * passed.images as f64);
        (found + missed > 0.0).then(|| found / (found + missed))
    };
    Some(Interval {
        estimate: share(found.estimate, missed.estimate)?,
        low: share(found.low, missed.high)?,
        high: share(found.high, missed.low)?,
    })
}

/// The audit of what a job's check said, with a sample of about `size` pictures.
pub async fn audit(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
    check: &str,
    size: i64,
) -> sqlx::Result<Audit> {
    // Where one side has less than its half, the other one gives more. Of the class to which a person has moved a picture
    // before the verdict, the verdict speaks.
    let rows = query!(
        r#"with judged as (
               select v.image_id, v.outcome, v.created_at,
                   row_number() over side as place, count(*) over (partition by v.outcome) as images,
                   count(*) filter (where v.outcome = 'flagged') over () as flagged,
                   count(*) filter (where v.outcome = 'passed') over () as passed
               from verdicts v join images i on i.id = v.image_id
               where v.job_id = $1 and v."check" = $2 and v.outcome in ('flagged', 'passed')
                 and not v.reopened and i.state <> 'deleted'
               window side as (partition by v.outcome order by md5($1::text || v.image_id::text))
           )
           select image_id as "image: ImageId", outcome as "outcome: Outcome", images as "images!",
               d.decision as "decision?: Decision"
           from judged
           left join lateral (
               select case when r.decision = 'reclass' and r.created_at < judged.created_at then 'keep'
                   else r.decision end as decision
               from review_images m join reviews r on r.id = m.review_id
               where m.image_id = judged.image_id and r.undone_at is null
                 and (r.decision <> 'not_a_problem' or r."check" = $2)
               order by r.decision = 'not_a_problem', r.id desc limit 1) d on true
           where place <= greatest($3::bigint / 2, $3 - case outcome when 'flagged' then passed else flagged end)
           order by place, outcome"#,
        job.0,
        check,
        size,
    )
    .fetch_all(executor)
    .await?;
    let (mut flagged, mut passed) = (Stratum::default(), Stratum::default());
    let mut sample = Vec::with_capacity(rows.len());
    for row in rows {
        let image =
            AuditedImage { image_id: row.image, outcome: row.outcome, decision: row.decision };
        let side = if row.outcome == Outcome::Flagged { &mut flagged } else { &mut passed };
        side.images = row.images;
        side.add(image.decision);
        sample.push(image);
    }
    Ok(Audit {
        check: check.to_owned(),
        precision: flagged.bad_share(0.95),
        recall: recall(&flagged, &passed),
        flagged,
        passed,
        sample,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stratum(images: i64, reviewed: i64, bad: i64) -> Stratum {
        Stratum { images, sampled: reviewed, reviewed, bad }
    }

    #[test]
    fn what_is_wholly_reviewed_is_certain() {
        let all = stratum(20, 20, 15).bad_share(0.95).unwrap();
        assert_eq!((all.low, all.estimate, all.high), (0.75, 0.75, 0.75));
        let exact = recall(&stratum(20, 20, 15), &stratum(80, 80, 5)).unwrap();
        assert_eq!((exact.low, exact.estimate, exact.high), (0.75, 0.75, 0.75));
    }

    #[test]
    fn what_is_reviewed_behind_a_gap_does_not_count() {
        let mut side = Stratum { images: 9, ..Stratum::default() };
        for decision in
            [Some(Decision::Keep), Some(Decision::Reclass), None, Some(Decision::Reject)]
        {
            side.add(decision);
        }
        assert_eq!(side, Stratum { images: 9, sampled: 4, reviewed: 2, bad: 1 });
    }

    #[test]
    fn an_unseen_side_tells_nothing_of_recall() {
        assert_eq!(recall(&stratum(20, 5, 5), &stratum(80, 0, 0)), None);
        assert_eq!(recall(&stratum(20, 5, 0), &stratum(80, 5, 0)), None);
    }

    /// Every outcome of both samples, weighted by how probable it is: how often the interval holds the true recall.
    #[test]
    fn the_interval_of_recall_covers() {
        // Of 200 flagged pictures 180 are bad, of 800 passed ones 40: the recall is 180 of 220.
        let (truth, drawn) = (180.0 / 220.0, 25);
        let of = |all: i64, bad: i64| -> Vec<(i64, f64)> {
            (0..=drawn).map(|seen| (seen, hypergeometric(all, bad, drawn, seen))).collect()
        };
        let mut covered = 0.0;
        for (found, chance) in of(200, 180) {
            for (missed, other) in of(800, 40) {
                let interval = recall(&stratum(200, drawn, found), &stratum(800, drawn, missed));
                let holds = interval.is_some_and(|i| i.low <= truth && truth <= i.high);
                covered += if holds { chance * other } else { 0.0 };
            }
        }
        assert!(covered > 0.95, "{covered}");
    }

    fn hypergeometric(all: i64, bad: i64, drawn: i64, seen: i64) -> f64 {
        let choose = |n: i64, k: i64| -> f64 {
            if k < 0 || k > n {
                return f64::NEG_INFINITY;
            }
            (0..k).map(|at| ((n - at) as f64 / (k - at) as f64).ln()).sum()
        };
        (choose(bad, seen) + choose(all - bad, drawn - seen) - choose(all, drawn)).exp()
    }
}
