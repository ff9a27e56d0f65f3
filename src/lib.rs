//! shipshape turns a search phrase into a served image classifier, and cleans the dirty data on the way.
//!
//! # The flow
//!
//! ```text
//! phrase ──► candidates ──► images ───► verdicts ──► snapshot ──► training run ──► model ──► answer
//! scrape/    scrape/        picture/    cleaning/    snapshot/    training/        model/    classify/
//!                           dataset/    tag/
//! ```
//!
//! Every step is a noun: a folder here, a table in Postgres, a resource in the API.
//!
//! # The dependency rule
//!
//! `main → demo → { api, web, tasks } → app → nouns → { nn, queue, blobs, db }`, held by
//! `tests/it/architecture.rs`. Among the nouns each may use only those to its left: picture, dataset, scrape, snapshot,
//! model, tag, training, cleaning, classify. No noun imports `api`, `web`, `tasks`, `app` or axum.
//!
//! # Where the next one of a kind goes
//!
//! Six registries and no others: routes in `api/mod.rs`, task kinds in `tasks/mod.rs`, sources in
//! `scrape/source/mod.rs`, taggers in `tag/mod.rs`, checks in `cleaning/checks/mod.rs`, export formats in
//! `snapshot/export/mod.rs`.

// The throw-away database of the integration tests serves the unit tests, too, and names the crate from outside.
#[cfg(test)]
extern crate self as shipshape;

pub mod api;
pub mod app;
pub mod blobs;
pub mod classify;
pub mod cleaning;
pub mod config;
pub mod dataset;
pub mod db;
pub mod demo;
pub mod doctor;
pub mod model;
pub mod nn;
pub mod picture;
pub mod queue;
pub mod scrape;
pub mod snapshot;
pub mod tag;
pub mod tasks;
pub mod telemetry;
pub mod training;
pub mod web;
