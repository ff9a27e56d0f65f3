//! The one integration binary: one file per noun.

mod architecture;
mod blobs;
mod embedded;
mod fetch;
mod migrations;
mod queue;
mod source;
mod support;
mod tag;
