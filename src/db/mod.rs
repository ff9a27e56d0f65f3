//! The pool, the migrator, typed ids, and the private Postgres.

pub mod embedded;
mod id;
pub mod idempotency;
mod migrate;
mod pool;

pub use embedded::Embedded;
pub use id::*;
pub use migrate::{migrate, version};
pub use pool::{connect, is_transient, ping};
