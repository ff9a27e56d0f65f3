//! The shipshape command: a table of subcommands.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;

use self::cli::{Cli, Command};

/// Large tensors come and go with every batch; mimalloc keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long blocking work that nobody waits for any more may hold up the end of the process.
const LAST_WORK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let outcome = Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(run(Cli::parse().command));
        runtime.shutdown_timeout(LAST_WORK);
        outcome
    });
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // One sentence: a backtrace says nothing to who mistyped a path.
    writeln!(std::io::stderr(), "error: {error:#}").ok();
    ExitCode::FAILURE
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { config, workers } => Box::pin(cli::serve(config, workers)).await,
        Command::Work { config, workers } => Box::pin(cli::work(config, workers)).await,
        Command::Demo { config, workers, options } => {
            Box::pin(cli::demo(config, workers, options)).await
        }
        Command::Migrate { config } => cli::migrate(config).await,
        Command::Openapi => cli::openapi(),
        Command::Doctor { config } => cli::doctor(config).await,
    }
}
