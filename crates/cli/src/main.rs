//! The command line of Sluice.

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

mod args;
mod cluster;
mod commands;
mod content;
mod error;
mod local;
mod output;
mod progress;
mod registry;
mod remotes;
mod rendering;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Build(args) => with_runtime(commands::build::run(&args)),
        Command::Get(args) => with_runtime(commands::get::run(&args)),
        Command::Reconcile(args) => with_runtime(commands::reconcile::run(&args)),
        Command::Push(args) => with_runtime(commands::push::run(&args)),
        Command::Pull(args) => with_runtime(commands::pull::run(&args)),
        Command::List(args) => with_runtime(commands::list::run(&args)),
        Command::Tag(args) => with_runtime(commands::tag::run(&args)),
        Command::Diff(args) => return end(with_runtime(commands::diff::run(&args))),
        Command::Version(args) => commands::version::run(&args),
    };
    end(result.map(|()| ExitCode::SUCCESS))
}

fn end(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        error::report(&error);
        ExitCode::FAILURE
    })
}

/// Runs a command that talks to a cluster or a registry.
fn with_runtime<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Installed twice it would be the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
