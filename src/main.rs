//! The shipshape command: a table of subcommands.

mod cli;

use clap::Parser;

use self::cli::{Cli, Command};

/// Large tensors come and go with every batch; mimalloc keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve { config, workers } => cli::serve(config, workers).await,
        Command::Work { config, workers } => cli::work(config, workers).await,
        Command::Demo { config, workers, options } => cli::demo(config, workers, options).await,
        Command::Migrate { config } => cli::migrate(config).await,
        Command::Openapi => cli::openapi(),
        Command::Doctor { config } => cli::doctor(config).await,
    }
}
