//! `exact_duplicate`: the same bytes were given under two classes, so that one of the labels is wrong.
//!
//! The same bytes are one image of a dataset however often they come, so that the only question is its class.

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::query;

use super::near_duplicate::LABEL_CONFLICT;
use super::{Check, Finding, Halt, Scene};
use crate::db::{ImageId, Sha256};

pub(super) struct ExactDuplicate;

impl Check for ExactDuplicate {
    fn name(&self) -> &'static str {
        "exact_duplicate"
    }

    fn about(&self) -> &'static str {
        "the same bytes under several classes"
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
            Ok(of(scene.image.id, scene.image.sha256, &sightings))
        })
    }
}

fn of(image: ImageId, sha256: Sha256, sightings: &[(String, i64)]) -> Finding {
    let names: Vec<&str> = sightings.iter().map(|(class, _)| class.as_str()).collect();
    let conflict = names.len() > 1;
    let times: i64 = sightings.iter().map(|(_, times)| times).sum();
    let members: Vec<Value> =
        names.iter().map(|class| json!({ "image_id": image, "class": class })).collect();
    let given: Vec<Value> =
        sightings.iter().map(|(class, times)| json!({ "class": class, "times": times })).collect();
    let evidence = json!({
        "cluster": { "id": sha256, "size": times, "members": members },
        "sightings": given,
        "label_conflict": conflict,
    });
    let score = 1.0 / names.len().max(1) as f64;
    if conflict {
        let reason =
            format!("the same bytes were given as {} (label conflict)", names.join(" and "));
        return Finding::flagged(reason, evidence).with_score(score).with_code(LABEL_CONFLICT);
    }
    Finding::passed("given under one class only", evidence).with_score(score)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::cleaning::Outcome;

    #[test]
    fn two_classes_are_a_conflict_and_two_sightings_of_one_are_not() {
        let of =
            |sightings: &[(String, i64)]| of(ImageId(Uuid::nil()), Sha256::of(b"bytes"), sightings);
        assert_eq!(of(&[("cat".into(), 2)]).outcome, Outcome::Passed);
        let conflict = of(&[("cat".into(), 1), ("dog".into(), 1)]);
        assert_eq!((conflict.outcome, conflict.score), (Outcome::Flagged, Some(0.5)));
        assert_eq!(conflict.reason, "the same bytes were given as cat and dog (label conflict)");
        assert_eq!(conflict.evidence["cluster"]["size"], 2);
    }
}
