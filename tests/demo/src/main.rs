//! `make demo`: the examples on a real control plane, live.
//!
//! Builds the operator and the command, starts a control plane and a registry, pushes the bundles
//! of `examples/`, and shows every object while it becomes ready; then a newer version, pruning and
//! the correction of drift. Each act is verified: the first that fails ends the demo with status 1.
//! Nothing that it started outlives it.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::stage::Stage;

mod acts;
mod binaries;
mod bundle;
mod cluster;
mod display;
mod objects;
mod operator;
mod stage;

/// The status of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Shows the examples at work.
#[derive(Parser)]
#[command(name = "demo")]
struct Args {
    /// Where: on a control plane of its own, or on the cluster of your kubeconfig.
    #[arg(long, value_enum, default_value_t)]
    cluster: Choice,
    /// Ends after the last act, with status 0 or 1.
    #[arg(long)]
    exit: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// A control plane of its own, on loopback.
    #[default]
    Own,
    /// The current context of your kubeconfig. The definitions of both kinds stay installed.
    Current,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let status = match perform(&args).await {
        Ok(status) => status,
        Err(error) => {
            display::failure(&error);
            1
        }
    };
    ExitCode::from(status)
}

/// Everything from the first build to the last removal; the status to end with.
async fn perform(args: &Args) -> anyhow::Result<u8> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("a TLS provider is installed already")?;
    let mut stage = tokio::select! {
        stage = Stage::set(args.cluster) => stage?,
        () = interrupted() => return Ok(INTERRUPTED),
    };
    let played = tokio::select! {
        played = acts::play(&mut stage) => Some(played),
        () = interrupted() => None,
    };
    let status = match played {
        Some(Ok(())) => {
            if !args.exit {
                stage.explain();
                interrupted().await;
            }
            0
        }
        Some(Err(error)) => {
            display::failure(&error);
            display::log(&stage.operator.last_lines());
            1
        }
        None => INTERRUPTED,
    };
    tokio::select! {
        cleared = stage.clear() => cleared?,
        () = interrupted() => return Ok(INTERRUPTED),
    }
    Ok(status)
}

/// Waits for Ctrl-C, or for a request to end.
async fn interrupted() {
    let arrival = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => signals.recv().await,
            // Without a handler the system ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = arrival(SignalKind::interrupt()) => {}
        _ = arrival(SignalKind::terminate()) => {}
        _ = arrival(SignalKind::hangup()) => {}
    }
}
