//! The pool, the migrator, typed ids, and the private Postgres.

mod id;

pub use id::*;
