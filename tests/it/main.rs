//! The one integration binary: one file per noun.

mod blobs;
mod support;
mod tag;
