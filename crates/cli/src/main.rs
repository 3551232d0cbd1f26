//! The command line of Sluice.

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

mod args;
mod commands;
mod error;
mod local;
mod output;

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Build(args) => commands::build::run(&args),
        Command::Push(args) => commands::push::run(&args),
        Command::Version(args) => commands::version::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error::report(&error);
            ExitCode::FAILURE
        }
    }
}
