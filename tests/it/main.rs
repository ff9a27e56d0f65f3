//! The one integration binary: one file per noun.
