//! The page: hand-written ES modules, CSS and HTML, embedded; it talks to the public API only.
