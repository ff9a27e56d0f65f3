//! The clusters of a dataset, page by page.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query_scalar};
use utoipa::ToSchema;

use super::{Grouping, Keeper, Member, cluster, name};
use crate::db::{DatasetId, ImageId, Sha256};

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
    let grouping = Grouping { keeper: filter.keeper, ..Grouping::default() };
    for (at, seed) in seeds.iter().enumerate() {
        if seen.contains(seed) {
            continue;
        }
        let members = cluster(&mut *connection, filter.dataset, *seed, grouping).await?;
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
        r#"select sha256 as "sha256!: Sha256"
           from (
               select n.a as sha256
               from near_duplicates n
               join images i on i.dataset_id = $1 and i.sha256 = n.a
                   and i.state in ('accepted', 'flagged')
               join images o on o.dataset_id = $1 and o.sha256 = n.b
                   and o.state in ('accepted', 'flagged')
               where $2::bytea is null or n.a > $2
               union
               select i.sha256
               from images i join sightings s on s.image_id = i.id and s.class_id <> i.class_id
               where i.dataset_id = $1 and i.state in ('accepted', 'flagged')
                 and ($2 is null or i.sha256 > $2)) as duplicated
           order by sha256 limit $3"#,
        filter.dataset as DatasetId,
        filter.after as Option<Sha256>,
        SEEDS,
    )
    .fetch_all(executor)
    .await
}

#[cfg(test)]
mod tests {
    use super::super::tests::member;
    use super::*;

    #[test]
    fn bytes_given_under_two_classes_are_a_cluster_of_one() {
        let both = Member { given_as: vec!["a".into(), "b".into()], ..member(1, "a", 0) };
        let cluster = Cluster::of(vec![both]).unwrap();
        assert_eq!((cluster.label_conflict, cluster.classes.len()), (true, 2));
        assert!(Cluster::of(vec![member(1, "a", 0)]).is_none());
    }
}
