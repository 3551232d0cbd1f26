//! The command line of Sluice.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;
mod local;

/// Build, deliver and inspect Kubernetes objects.
#[derive(Parser)]
#[command(name = "sluice", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(commands::build::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Build(args) => commands::build::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a failure is told")]
fn tell(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
