//! The pool, the migrator, typed ids, pinned downloads, and the private Postgres.

pub mod embedded;
mod id;
pub mod idempotency;
mod migrate;
mod order;
pub mod pinned;
mod pool;
#[cfg(test)]
#[path = "../../tests/it/support/database.rs"]
#[expect(dead_code, reason = "the integration tests use more of it")]
pub(crate) mod throwaway;

pub use embedded::Embedded;
pub use id::*;
pub use migrate::{migrate, version};
pub use order::{Named, Order};
pub use pool::{connect, is_transient, ping};
