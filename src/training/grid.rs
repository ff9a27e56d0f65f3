//! Grids: recipes that differ in the fields given, each with a name that says how.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Recipe;
use crate::model::FieldError;

/// Most runs of one experiment.
pub const MAX_RUNS: usize = 500;

/// Values to try for each field of a recipe, by its path: `conv`, `augment.zoom`.
pub type Grid = BTreeMap<String, Vec<Value>>;

/// A recipe with a name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NamedRecipe {
    /// What people call it.
    pub name: String,
    /// Network, optimiser and augmentation.
    pub recipe: Recipe,
}

/// Every combination of the grid's values on top of `base`, the fields of a recipe as written, each named by what sets it
/// apart: `conv 32-64, dropout 0.25-0.5`, or by its network where there is no grid. The last field varies fastest.
///
/// # Errors
/// Every field that does not fit or breaks a rule, of the first recipe that has one; two values that make the same recipe.
pub fn combinations(
    base: &Map<String, Value>,
    grid: &Grid,
) -> Result<Vec<NamedRecipe>, Vec<FieldError>> {
    for (field, values) in grid {
        if values.is_empty() {
            return Err(vec![FieldError::new(format!("grid.{field}"), "has no value to try")]);
        }
    }
    let count = grid.values().map(Vec::len).try_fold(1_usize, usize::checked_mul);
    if count.is_none_or(|count| count > MAX_RUNS) {
        return Err(vec![FieldError::new(
            "grid",
            format!("may have at most {MAX_RUNS} combinations"),
        )]);
    }
    let mut written = vec![(Vec::new(), base.clone())];
    for (field, values) in grid {
        let mut next = Vec::with_capacity(written.len() * values.len());
        for (names, recipe) in &written {
            for value in values {
                let (mut names, mut recipe): (Vec<String>, _) = (names.clone(), recipe.clone());
                names.push(format!("{field} {}", brief(value)));
                set(&mut recipe, field, value)?;
                next.push((names, recipe));
            }
        }
        written = next;
    }
    let mut recipes: Vec<NamedRecipe> = Vec::with_capacity(written.len());
    for (names, recipe) in written {
        let read = read(names.join(", "), recipe)?;
        // Its runs would count as further seeds of the other.
        if let Some(same) = recipes.iter().find(|earlier| earlier.recipe == read.recipe) {
            let message = format!("{:?} is the same recipe as {:?}", read.name, same.name);
            return Err(vec![FieldError::new("grid", message)]);
        }
        recipes.push(read);
    }
    Ok(recipes)
}

/// Puts a value at a path, making the objects on the way.
fn set(recipe: &mut Map<String, Value>, field: &str, value: &Value) -> Result<(), Vec<FieldError>> {
    let Some((outer, inner)) = field.split_once('.') else {
        recipe.insert(field.to_owned(), value.clone());
        return Ok(());
    };
    let below = recipe.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    match below {
        Value::Object(below) => set(below, inner, value),
        _ => Err(vec![FieldError::new(format!("grid.{field}"), format!("{outer} has no fields"))]),
    }
}

fn read(name: String, written: Map<String, Value>) -> Result<NamedRecipe, Vec<FieldError>> {
    let recipe: Recipe =
        serde_path_to_error::deserialize(Value::Object(written)).map_err(|error| {
            vec![FieldError::new(error.path().to_string(), error.inner().to_string())]
        })?;
    recipe.validate()?;
    let name = if name.is_empty() { recipe.network() } else { name };
    Ok(NamedRecipe { name, recipe })
}

/// A value as people write it in a name: lists with dashes, objects by their fields.
fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join("-"),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} {}", brief(value)));
            fields.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn grid(value: Value) -> Grid {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_grid_is_every_combination_with_a_name() {
        let grid = grid(json!({
            "conv": [[32, 64], [32, 64, 128]], "dropout": [[0.5], [0.25, 0.5]],
            "augment.zoom": [0.0],
        }));
        let recipes = combinations(&object(&json!({"epochs": 3})), &grid).unwrap();
        let names: Vec<&str> = recipes.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "augment.zoom 0.0, conv 32-64, dropout 0.5",
                "augment.zoom 0.0, conv 32-64, dropout 0.25-0.5",
                "augment.zoom 0.0, conv 32-64-128, dropout 0.5",
                "augment.zoom 0.0, conv 32-64-128, dropout 0.25-0.5",
            ]
        );
        assert!(recipes.iter().all(|named| named.recipe.epochs == 3));
        assert_eq!(recipes[3].recipe.conv, [32, 64, 128]);
        assert!(recipes[0].recipe.augment.zoom.abs() < 1e-12);
    }

    #[test]
    fn objects_are_told_apart_by_their_fields() {
        let grid = grid(json!({"augment": [{"horizontal_flip": true}, {"vertical_flip": true}]}));
        let recipes = combinations(&object(&json!({})), &grid).unwrap();
        let names: Vec<&str> = recipes.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(names, ["augment horizontal_flip true", "augment vertical_flip true"]);
    }

    #[test]
    fn without_a_grid_there_is_the_one_recipe() {
        let recipes = combinations(&object(&json!({"epochs": 3})), &Grid::new()).unwrap();
        assert_eq!((recipes.len(), recipes[0].name.as_str()), (1, "32-64-128"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |written: Value| {
            let errors = combinations(&object(&json!({})), &grid(written)).unwrap_err();
            errors[0].field.clone()
        };
        assert_eq!(refused(json!({"epochs": [3, 0]})), "epochs");
        assert_eq!(refused(json!({"conv": []})), "grid.conv");
        assert_eq!(refused(json!({"epochs.x": [1], "epochs": [1]})), "grid.epochs.x");
        assert_eq!(refused(json!({"conv": [[32], [16], [32]]})), "grid");
        let many: Vec<u32> = (1..40).collect();
        assert_eq!(refused(json!({"epochs": many, "batch_size": many})), "grid");
    }
}
