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
    /// The four networks of the original study, a small one of today, and one layer over a pretrained network.
    items: Vec<NamedRecipe>,
}

/// Ready-made recipes: the four networks of the original study, a small one of today, and one layer over a pretrained
/// network.
#[utoipa::path(
    get, path = "/recipes", tag = "training runs", operation_id = "list_recipes",
    responses((status = 200, description = "The recipes", body = Recipes), Failures)
)]
async fn recipes() -> axum::Json<Recipes> {
    let named = |(name, recipe): (&str, Recipe)| NamedRecipe { name: name.to_owned(), recipe };
    let newer =
        [("modern", training::modern()), ("mobilenet_v4_small", training::mobilenet_v4_small())];
    let recipes = training::originals().into_iter().chain(newer);
    axum::Json(Recipes { items: recipes.map(named).collect() })
}
