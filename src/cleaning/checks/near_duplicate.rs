//! `near_duplicate`: of pictures that look the same, directly or through others, one is kept.
//!
//! Where they are of several classes nobody knows which label is right: it is a label conflict, and all of them wait
//! for a person, the keeper too. Rejected and deleted images do not take part, so that rejecting a keeper makes room for
//! the next one, and moving an image to the other class ends a conflict.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Check, Finding, Halt, Scene};
use crate::cleaning::duplicates::{self, Grouping, Member, USUAL};
use crate::db::ImageId;

/// The name of the check.
pub(in crate::cleaning) const CHECK: &str = "near_duplicate";
/// Code of a finding that says that duplicates are of several classes.
pub(super) const LABEL_CONFLICT: &str = "label_conflict";
/// Members of a cluster that the evidence lists.
const LISTED: usize = 20;

pub(in crate::cleaning) struct NearDuplicate;

impl Check for NearDuplicate {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn about(&self) -> &'static str {
        "looks like another picture of the dataset; one of them is kept"
    }

    fn threshold(&self) -> Option<f64> {
        Some(USUAL)
    }

    /// Pairs that are less alike are not recorded.
    fn highest_threshold(&self) -> f64 {
        USUAL
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let Scene { pool, image, job, .. } = scene;
            let (dataset, grouping) = (image.dataset_id, job.grouping());
            let cluster = duplicates::cluster(*pool, dataset, image.sha256, grouping).await?;
            Ok(judge(image.id, &cluster, grouping))
        })
    }
}

/// The finding for an image, given its cluster by `grouping`, the keeper first.
pub(in crate::cleaning) fn judge(
    image: ImageId,
    cluster: &[Member],
    grouping: Grouping,
) -> Finding {
    let own = cluster.iter().find(|member| member.image_id == image);
    let (Some(keeper), Some(own), 2..) = (cluster.first(), own, cluster.len()) else {
        return Finding::passed("no other image looks enough like it", json!({})).with_score(1.0);
    };
    let classes = duplicates::classes(cluster);
    let conflict = classes.len() > 1;
    let evidence = evidence(own, cluster, grouping);
    let count = cluster.len();
    let is_keeper = keeper.image_id == image;
    if is_keeper && !conflict {
        let reason = format!("kept out of {count} that look the same");
        return Finding::passed(reason, evidence).with_score(1.0);
    }
    let size = |member: &Member| format!("{} × {}", member.width, member.height);
    let mut reason = if is_keeper {
        format!("{} other images look like it", count - 1)
    } else {
        format!("looks like another image ({}, this one {})", size(keeper), size(own))
    };
    if conflict {
        let classes: Vec<&str> = classes.into_iter().collect();
        reason = format!("{reason}; label conflict: {}", classes.join(" and "));
    }
    let finding = Finding::flagged(reason, evidence).with_score(likeness(own, cluster));
    if conflict { finding.with_code(LABEL_CONFLICT) } else { finding }
}

fn evidence(own: &Member, cluster: &[Member], grouping: Grouping) -> Value {
    let keeper = &cluster[0];
    let (dhash, phash) = own.distances(keeper);
    let listed = cluster.iter().take(LISTED);
    let members: Vec<Value> = listed
        .map(|member| {
            let Member { image_id, class, width, height, .. } = member;
            json!({ "image_id": image_id, "class": class, "width": width, "height": height })
        })
        .collect();
    json!({
        "cluster": {
            "id": duplicates::name(cluster), "size": cluster.len(), "members": members,
        },
        "keeper": keeper.image_id,
        "keeper_class": keeper.class,
        "rule": grouping.keeper,
        "threshold": grouping.threshold,
        "dhash_distance": dhash,
        "phash_distance": phash,
        "label_conflict": duplicates::classes(cluster).len() > 1,
    })
}

/// The score of an image beside the member that is most like it.
fn likeness(own: &Member, cluster: &[Member]) -> f64 {
    let others = cluster.iter().filter(|member| member.image_id != own.image_id);
    let nearest = others.map(|member| {
        let (dhash, phash) = member.distances(own);
        dhash + phash
    });
    duplicates::score(nearest.min().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;
    use crate::cleaning::duplicates::tests::member;

    fn judged(at: usize, cluster: &[Member]) -> Finding {
        judge(cluster[at].image_id, cluster, Grouping::default())
    }

    #[test]
    fn one_of_a_cluster_is_kept_and_the_others_name_it() {
        let cluster = [member(1, "cat", 0b111), member(2, "cat", 0b110), member(3, "cat", 0)];
        assert_eq!(judged(0, &cluster).outcome, Outcome::Passed);
        let second = judged(1, &cluster);
        assert_eq!((second.outcome, second.code), (Outcome::Flagged, None));
        assert_eq!(second.evidence["phash_distance"], json!(1));
        assert_eq!(second.evidence["keeper"], json!(cluster[0].image_id));
        assert_eq!(second.evidence["cluster"]["members"][0]["width"], json!(cluster[0].width));
        assert_eq!(second.evidence["cluster"]["id"], json!(cluster[0].sha256));
        assert_eq!(second.evidence["cluster"]["members"][2]["class"], "cat");
        assert!(judged(2, &cluster).score > second.score, "the less alike is less suspicious");
    }

    #[test]
    fn in_a_label_conflict_the_keeper_waits_for_a_person_too() {
        let cluster = [member(1, "cat", 0), member(2, "dog", 1)];
        for at in [0, 1] {
            let finding = judged(at, &cluster);
            assert_eq!(
                (finding.outcome, finding.code.as_deref()),
                (Outcome::Flagged, Some(LABEL_CONFLICT))
            );
            assert!(
                finding.reason.ends_with("; label conflict: cat and dog"),
                "{}",
                finding.reason
            );
            assert_eq!(finding.evidence["label_conflict"], true);
        }
    }

    #[test]
    fn an_image_on_its_own_passes() {
        let alone = [member(1, "cat", 0)];
        assert_eq!(judged(0, &alone).outcome, Outcome::Passed);
    }
}
