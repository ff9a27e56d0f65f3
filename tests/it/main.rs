//! The one integration binary: one file per noun.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails and names the place")]

mod architecture;
mod bad_input;
mod blobs;
mod classify;
mod cleaning_checks;
mod cleaning_job;
mod cleaning_terms;
mod compose;
mod dataset;
mod doctor;
mod duplicates;
mod embedded;
mod experiment;
mod fetch;
mod health;
mod image;
mod import_job;
mod local_tagger;
mod migrations;
mod model;
mod model_import;
mod openapi;
mod page;
mod quarantine;
mod queue;
mod retraining;
mod review;
mod review_queue;
mod scrape_job;
mod server;
mod snapshot;
mod source;
mod support;
mod tag;
mod training_run;
mod transfer;
mod zero_shot;
