//! `near_duplicate`: of pictures that look the same, directly or through others, one is kept.
//!
//! The keeper is the one with the most pixels, of equals the one that came first. Rejected and deleted images do not
//! take part, so that rejecting a keeper makes room for the next one.

use futures::future::BoxFuture;
use serde_json::json;
use sqlx::{PgExecutor, query_as};

use super::{Check, Finding, Halt, Scene};
use crate::db::{DatasetId, ImageId, Sha256};

/// The name of the check.
pub(in crate::cleaning) const CHECK: &str = "near_duplicate";

pub(super) struct NearDuplicate;

impl Check for NearDuplicate {
    fn name(&self) -> &'static str {
        CHECK
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let Scene { pool, image, .. } = scene;
            let cluster = cluster(*pool, image.dataset_id, image.sha256).await?;
            Ok(judge(image.id, &cluster))
        })
    }
}

/// An image among those that look like one picture.
#[derive(Debug, Clone)]
pub(in crate::cleaning) struct Member {
    /// The image.
    pub(in crate::cleaning) id: ImageId,
    class: String,
    width: i32,
    height: i32,
    dhash: i64,
    phash: i64,
}

/// The images of the dataset that look like the picture, directly or through others, the keeper first; the picture's
/// own image is among them unless it is rejected or deleted.
pub(in crate::cleaning) async fn cluster(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    picture: Sha256,
) -> sqlx::Result<Vec<Member>> {
    query_as!(
        Member,
        r#"with recursive alike (sha256) as (
               select $2::bytea
               union
               select i.sha256
               from alike
               cross join lateral (
                   select b as sha256 from near_duplicates where a = alike.sha256
                   union all
                   select a from near_duplicates where b = alike.sha256) as pair
               join images i on i.dataset_id = $1 and i.sha256 = pair.sha256
                   and i.state in ('accepted', 'flagged')
           )
           select i.id as "id: ImageId", c.name as class, p.width, p.height, p.dhash, p.phash
           from alike
           join images i on i.dataset_id = $1 and i.sha256 = alike.sha256
               and i.state in ('accepted', 'flagged')
           join classes c on c.id = i.class_id
           join pictures p on p.sha256 = i.sha256
           order by p.width::bigint * p.height desc, i.id"#,
        dataset as DatasetId,
        picture as Sha256,
    )
    .fetch_all(executor)
    .await
}

/// The finding for an image, given its cluster.
pub(in crate::cleaning) fn judge(image: ImageId, cluster: &[Member]) -> Finding {
    let own = cluster.iter().find(|member| member.id == image);
    let (Some(keeper), Some(own), 2..) = (cluster.first(), own, cluster.len()) else {
        return Finding::passed("no other image looks like it", json!({}));
    };
    let others = cluster.len() - 1;
    if keeper.id == image {
        let evidence = json!({ "keeper": keeper.id, "cluster": cluster.len() });
        return Finding::passed(format!("kept out of {} that look the same", others + 1), evidence);
    }
    let evidence = json!({
        "keeper": keeper.id,
        "cluster": cluster.len(),
        "dhash_distance": (keeper.dhash ^ own.dhash).count_ones(),
        "phash_distance": (keeper.phash ^ own.phash).count_ones(),
        "keeper_class": keeper.class,
    });
    let size = |member: &Member| format!("{} × {}", member.width, member.height);
    let mut reason = format!("looks like another image ({}, this one {})", size(keeper), size(own));
    if keeper.class != own.class {
        reason = format!("{reason} of another class: {}", keeper.class);
    }
    Finding::flagged(reason, evidence)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::cleaning::Outcome;

    fn member(id: u128, class: &str, phash: i64) -> Member {
        let id = ImageId(Uuid::from_u128(id));
        Member { id, class: class.into(), width: 9, height: 9, dhash: 0, phash }
    }

    #[test]
    fn one_of_a_cluster_is_kept_and_the_others_name_it() {
        let cluster = [member(1, "cat", 0b111), member(2, "cat", 0b110), member(3, "dog", 0)];
        assert_eq!(judge(cluster[0].id, &cluster).outcome, Outcome::Passed);
        let second = judge(cluster[1].id, &cluster);
        assert_eq!(
            (second.outcome, &second.evidence["phash_distance"]),
            (Outcome::Flagged, &json!(1))
        );
        let third = judge(cluster[2].id, &cluster);
        assert!(third.reason.ends_with("of another class: cat"), "{}", third.reason);
        assert_eq!(third.evidence["keeper"], json!(cluster[0].id));
    }

    #[test]
    fn an_image_on_its_own_passes() {
        let alone = [member(1, "cat", 0)];
        assert_eq!(judge(alone[0].id, &alone).outcome, Outcome::Passed);
    }
}
