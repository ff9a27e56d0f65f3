//! Clusters of images that look the same, directly or through others, and which one of a cluster is kept.

mod grouping;
mod listing;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, query_as};
use utoipa::ToSchema;

pub(super) use self::grouping::{Grouping, USUAL, score};
pub use self::listing::{Cluster, ClusterFilter, ClusterMember, list};
use crate::dataset::ImageState;
use crate::db::{DatasetId, ImageId, Sha256};

/// Which image of a cluster of duplicates is kept.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Keeper {
    /// The one with the most pixels; of equals the one that arrived first.
    #[default]
    Largest,
    /// One whose licence is known before one whose licence is not; then the largest.
    Licensed,
    /// The one that arrived first.
    Earliest,
}

/// An image of a cluster.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Member {
    /// The image.
    pub image_id: ImageId,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// Its class.
    pub class: String,
    /// The classes that its bytes were given under, where they are several and nobody has decided on it.
    pub given_as: Vec<String>,
    /// What the dataset thinks of it.
    pub state: ImageState,
    /// Pixels across, upright.
    pub width: i32,
    /// Pixels down, upright.
    pub height: i32,
    /// Length of its bytes.
    pub bytes: i64,
    /// Licence by the first sighting whose licence is known.
    pub licence: Option<String>,
    #[serde(skip)]
    pub(super) dhash: i64,
    #[serde(skip)]
    pub(super) phash: i64,
}

impl Member {
    fn area(&self) -> i64 {
        i64::from(self.width) * i64::from(self.height)
    }

    /// Differing bits of the two perceptual hashes, dHash first.
    pub(super) fn distances(&self, other: &Self) -> (u32, u32) {
        let bits = |a: i64, b: i64| (a ^ b).count_ones();
        (bits(self.dhash, other.dhash), bits(self.phash, other.phash))
    }
}

impl Keeper {
    /// Puts the keeper first and the others behind it by the same rule; ids sort by time of arrival.
    pub(super) fn sort(self, members: &mut [Member]) {
        members.sort_by_key(|member| {
            let unlicensed = self == Self::Licensed && member.licence.is_none();
            let area = if self == Self::Earliest { 0 } else { member.area() };
            (unlicensed, Reverse(area), member.image_id)
        });
    }
}

/// The classes of the members, each once.
pub(super) fn classes(members: &[Member]) -> BTreeSet<&str> {
    members.iter().map(|member| member.class.as_str()).collect()
}

/// The name of a cluster: the smallest address among its members.
pub(super) fn name(members: &[Member]) -> Option<Sha256> {
    members.iter().map(|member| member.sha256).min()
}

/// The images of the dataset that look enough like the picture, directly or through others, the keeper first; the
/// picture's own image is among them unless it is rejected or deleted.
pub(super) async fn cluster(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    picture: Sha256,
    grouping: Grouping,
) -> sqlx::Result<Vec<Member>> {
    let mut members = query_as!(
        Member,
        r#"with recursive alike (sha256) as (
               select $2::bytea
               union
               select i.sha256
               from alike
               cross join lateral (
                   select b as sha256 from near_duplicates
                   where a = alike.sha256 and dhash_distance + phash_distance < $3
                   union all
                   select a from near_duplicates
                   where b = alike.sha256 and dhash_distance + phash_distance < $3) as pair
               join images i on i.dataset_id = $1 and i.sha256 = pair.sha256
                   and i.state in ('accepted', 'flagged')
           )
           select i.id as "image_id: ImageId", i.sha256 as "sha256: Sha256", c.name as class,
               array(
                   select g.name from classes g
                   where g.dataset_id = i.dataset_id
                     and exists (select from sightings s
                                 where s.image_id = i.id and s.class_id = g.id)
                     and exists (select from sightings s
                                 where s.image_id = i.id and s.class_id <> i.class_id)
                     and not exists (
                         select from review_images d join reviews r on r.id = d.review_id
                         where d.image_id = i.id and r.undone_at is null)
                   order by g.position, g.id) as "given_as!",
               i.state as "state: ImageState", p.width, p.height, p.bytes,
               (select n.licence from sightings s join candidates n on n.id = s.candidate_id
                where s.image_id = i.id and n.licence is not null order by s.id limit 1)
                   as "licence?",
               p.dhash, p.phash
           from alike
           join images i on i.dataset_id = $1 and i.sha256 = alike.sha256
               and i.state in ('accepted', 'flagged')
           join classes c on c.id = i.class_id
           join pictures p on p.sha256 = i.sha256"#,
        dataset as DatasetId,
        picture as Sha256,
        grouping.too_many_bits(),
    )
    .fetch_all(executor)
    .await?;
    grouping.keeper.sort(&mut members);
    Ok(members)
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;

    /// A member of a cluster for tests, in the order of its number.
    pub(in crate::cleaning) fn member(number: u8, class: &str, phash: i64) -> Member {
        Member {
            image_id: ImageId(Uuid::from_u128(number.into())),
            sha256: Sha256([number; 32]),
            class: class.into(),
            given_as: Vec::new(),
            state: ImageState::Accepted,
            width: 9,
            height: 9,
            bytes: 100,
            licence: None,
            dhash: 0,
            phash,
        }
    }

    #[test]
    fn the_keeper_follows_the_rule() {
        let (first, mut large, mut licensed) =
            (member(1, "a", 0), member(2, "a", 0), member(3, "a", 0));
        large.width = 90;
        licensed.licence = Some("by".into());
        let kept = |rule: Keeper| {
            let mut members = [large.clone(), licensed.clone(), first.clone()];
            rule.sort(&mut members);
            members[0].sha256.0[0]
        };
        assert_eq!(kept(Keeper::Earliest), 1);
        assert_eq!(kept(Keeper::Largest), 2);
        assert_eq!(kept(Keeper::Licensed), 3);
    }
}
