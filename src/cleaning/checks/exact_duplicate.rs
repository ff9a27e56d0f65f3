//! `exact_duplicate`: the same bytes were given under two classes, so that one of the labels is wrong.

use futures::future::BoxFuture;
use serde_json::json;
use sqlx::query;

use super::{Check, Finding, Halt, Scene};

pub(super) struct ExactDuplicate;

impl Check for ExactDuplicate {
    fn name(&self) -> &'static str {
        "exact_duplicate"
    }

    fn judge<'a>(&'a self, scene: &'a Scene<'a>) -> BoxFuture<'a, Result<Finding, Halt>> {
        Box::pin(async {
            let rows = query!(
                r#"select c.name, count(*) as "times!"
                   from sightings s join classes c on c.id = s.class_id
                   where s.image_id = $1 group by c.id order by c.position, c.id"#,
                scene.image.id.0,
            )
            .fetch_all(scene.pool)
            .await?;
            let sightings: Vec<(String, i64)> =
                rows.into_iter().map(|row| (row.name, row.times)).collect();
            Ok(of(&sightings))
        })
    }
}

fn of(sightings: &[(String, i64)]) -> Finding {
    let names: Vec<&str> = sightings.iter().map(|(class, _)| class.as_str()).collect();
    let conflict = names.len() > 1;
    let names = names.join(" and ");
    let sightings: Vec<_> =
        sightings.iter().map(|(class, times)| json!({ "class": class, "times": times })).collect();
    let evidence = json!({ "sightings": sightings });
    if conflict {
        return Finding::flagged(format!("the same bytes were given as {names}"), evidence);
    }
    Finding::passed("given under one class only", evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn two_classes_are_a_conflict_and_two_sightings_of_one_are_not() {
        assert_eq!(of(&[("cat".into(), 2)]).outcome, Outcome::Passed);
        let conflict = of(&[("cat".into(), 1), ("dog".into(), 1)]);
        assert_eq!(conflict.outcome, Outcome::Flagged);
        assert_eq!(conflict.reason, "the same bytes were given as cat and dog");
    }
}
