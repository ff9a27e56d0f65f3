//! Clusters of images that look the same, directly or through others, and which one of a cluster is kept.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, query_as, query_scalar};
use utoipa::ToSchema;

use crate::dataset::ImageState;
use crate::db::{CleaningJobId, DatasetId, ImageId, Sha256};

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

/// The images of the dataset that look like the picture, directly or through others, the keeper first; the picture's
/// own image is among them unless it is rejected or deleted.
pub(super) async fn cluster(
    executor: impl PgExecutor<'_>,
    dataset: DatasetId,
    picture: Sha256,
    keeper: Keeper,
) -> sqlx::Result<Vec<Member>> {
    let mut members = query_as!(
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
    )
    .fetch_all(executor)
    .await?;
    keeper.sort(&mut members);
    Ok(members)
}

/// Images of a dataset that look the same, or one whose bytes were given under several classes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cluster {
    /// The smallest SHA-256 among its members.
    pub id: Sha256,
    /// The member that is kept, unless the classes are in conflict.
    pub keeper: ImageId,
    /// The members are of several classes, or the bytes were given under several: a person has to say which is right.
    pub label_conflict: bool,
    /// The classes of the members, and those that their bytes were given under.
    pub classes: Vec<String>,
    /// The members, the keeper first.
    pub members: Vec<ClusterMember>,
}

/// A member of a cluster, beside its keeper.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClusterMember {
    /// The image.
    #[serde(flatten)]
    pub image: Member,
    /// Bits by which its difference hash differs from the keeper's.
    pub dhash_distance: u32,
    /// Bits by which its perceptual hash differs from the keeper's.
    pub phash_distance: u32,
}

impl Cluster {
    /// `None` when nothing is duplicated.
    fn of(members: Vec<Member>) -> Option<Self> {
        let keeper = members.first()?.clone();
        let given = members.iter().flat_map(|member| &member.given_as);
        let classes: BTreeSet<String> =
            members.iter().map(|member| &member.class).chain(given).cloned().collect();
        if members.len() == 1 && classes.len() == 1 {
            return None;
        }
        let beside = |image: Member| {
            let (dhash_distance, phash_distance) = image.distances(&keeper);
            ClusterMember { image, dhash_distance, phash_distance }
        };
        Some(Self {
            id: name(&members)?,
            keeper: keeper.image_id,
            label_conflict: classes.len() > 1,
            classes: classes.into_iter().collect(),
            members: members.into_iter().map(beside).collect(),
        })
    }
}

/// Pictures that are looked at for one page; a page with fewer clusters than asked for can have a next one.
const SEEDS: i64 = 1000;

/// Which clusters to list.
#[derive(Debug, Clone)]
pub struct ClusterFilter {
    /// Of this dataset.
    pub dataset: DatasetId,
    /// Label conflicts only.
    pub conflicts_only: bool,
    /// The rule by which keepers are named.
    pub keeper: Keeper,
    /// Behind this one.
    pub after: Option<Sha256>,
}

/// Up to `limit` clusters of accepted and flagged images in the order of their ids, and what the next page begins behind.
pub async fn list(
    connection: &mut PgConnection,
    filter: &ClusterFilter,
    limit: usize,
) -> sqlx::Result<(Vec<Cluster>, Option<Sha256>)> {
    let seeds = seeds(&mut *connection, filter).await?;
    let (mut clusters, mut seen) = (Vec::new(), HashSet::new());
    for (at, seed) in seeds.iter().enumerate() {
        if seen.contains(seed) {
            continue;
        }
        let members = cluster(&mut *connection, filter.dataset, *seed, filter.keeper).await?;
        seen.extend(members.iter().map(|member| member.sha256));
        // Of a cluster whose smallest member lies behind the cursor an earlier page has told.
        if name(&members) == Some(*seed)
            && let Some(cluster) = Cluster::of(members)
            && (cluster.label_conflict || !filter.conflicts_only)
        {
            clusters.push(cluster);
        }
        if clusters.len() == limit {
            let more = at + 1 < seeds.len();
            return Ok((clusters, more.then_some(*seed)));
        }
    }
    let last = seeds.last().filter(|_| seeds.len() as i64 == SEEDS);
    Ok((clusters, last.copied()))
}

/// Pictures that may be the smallest of a cluster.
async fn seeds(executor: impl PgExecutor<'_>, filter: &ClusterFilter) -> sqlx::Result<Vec<Sha256>> {
    query_scalar!(
        r#"select i.sha256 as "sha256: Sha256"
           from images i
           where i.dataset_id = $1 and ($2::bytea is null or i.sha256 > $2)
             and i.state in ('accepted', 'flagged')
             and (exists (select from near_duplicates n
                          join images o on o.dataset_id = i.dataset_id and o.sha256 = n.b
                          where n.a = i.sha256 and o.state in ('accepted', 'flagged'))
                  or exists (select from sightings s
                             where s.image_id = i.id and s.class_id <> i.class_id))
           order by i.sha256 limit $3"#,
        filter.dataset as DatasetId,
        filter.after as Option<Sha256>,
        SEEDS,
    )
    .fetch_all(executor)
    .await
}

/// The rule of the job that gave a verdict.
pub(super) async fn rule_of(
    executor: impl PgExecutor<'_>,
    job: CleaningJobId,
) -> sqlx::Result<Keeper> {
    query_scalar!(
        r#"select keeper as "keeper: Keeper" from cleaning_jobs where id = $1"#,
        job as CleaningJobId,
    )
    .fetch_one(executor)
    .await
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

    #[test]
    fn bytes_given_under_two_classes_are_a_cluster_of_one() {
        let both = Member { given_as: vec!["a".into(), "b".into()], ..member(1, "a", 0) };
        let cluster = Cluster::of(vec![both]).unwrap();
        assert_eq!((cluster.label_conflict, cluster.classes.len()), (true, 2));
        assert!(Cluster::of(vec![member(1, "a", 0)]).is_none());
    }
}
