//! The pool, the migrator, typed ids, and the private Postgres.

mod id;
mod migrate;
mod pool;

pub use id::*;
pub use migrate::migrate;
pub use pool::{connect, is_transient};
