//! The page: hand-written ES modules, CSS and HTML, embedded; it talks to the public API only.

/// The files of the page.
pub fn routes() -> axum::Router {
    axum::Router::new()
}
