//! The sample web and the client that drives the public API over it.
//!
//! `prepare` starts a loopback internet and says where it is; the caller starts the service with those settings; `run`
//! then goes the whole way over the public API, like any client, and compares the outcome with the truth.

mod client;
pub mod collection;
mod drawing;
mod figures;
mod follow;
mod labels;
mod photos;
mod recipe;
mod run;
mod summary;
mod web;

use std::path::PathBuf;

use clap::Args;

use collection::Collection;
pub use figures::Report;
pub use run::run;
pub use web::SampleWeb;

/// Settings of the demo.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoOptions {
    /// Photographs in folders, one per class, with `clutter/` and `labels.json`; drawn pictures otherwise.
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// Classes to search for: folder names, or drawn ones (destroyer, freighter, sailing-ship, carrier).
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub classes: Option<Vec<String>>,
    /// End after the summary instead of serving on.
    #[arg(long)]
    pub exit: bool,
    /// Write the figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Seed of drawings, search results, split and training.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Draws or reads the pictures and starts the sample web on loopback ports.
///
/// # Errors
/// A directory or class is missing, or no port is free.
pub async fn prepare(options: &DemoOptions) -> anyhow::Result<SampleWeb> {
    let asked = options.clone();
    let load =
        move || Collection::load(asked.photos.as_deref(), asked.classes.as_deref(), asked.seed);
    let collection = tokio::task::spawn_blocking(load).await??;
    SampleWeb::start(collection, options.seed).await
}
