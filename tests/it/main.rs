//! The one integration binary: one file per noun.

mod blobs;
mod fetch;
mod source;
mod support;

mod architecture;
mod blobs;
mod embedded;
mod migrations;
mod queue;
mod tag;
