//! `/recipes`: ready-made recipes.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::problem::Failures;
use crate::app::App;
use crate::training::grid::NamedRecipe;
use crate::training::{self, Recipe};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(recipes))
}

/// Ready-made recipes.
#[derive(Serialize, ToSchema)]
struct Recipes {
    /// The four networks of the original study, and a small one of today.
    items: Vec<NamedRecipe>,
}

/// Ready-made recipes: the four networks of the original study, and a small one of today.
#[utoipa::path(
    get, path = "/recipes", tag = "training runs", operation_id = "list_recipes",
    responses((status = 200, description = "The recipes", body = Recipes), Failures)
)]
async fn recipes() -> axum::Json<Recipes> {
    let named = |(name, recipe): (&str, Recipe)| NamedRecipe { name: name.to_owned(), recipe };
    let recipes = training::originals().into_iter().chain([("modern", training::modern())]);
    axum::Json(Recipes { items: recipes.map(named).collect() })
}
