//! The operator's binary.

use std::process::ExitCode;

use clap::Parser as _;
use controller::args::LogEncoding;
use controller::{Args, Clock, Surroundings, start};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr(&args);
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let config = kube::Config::infer().await?;
    let operator = start(args, config, Clock::default(), surroundings()).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = operator.ended() => {}
    }
    operator.stop().await
}

/// The variables of this process that are text.
fn surroundings() -> Surroundings {
    let variables = std::env::vars_os();
    Surroundings::new(
        variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

fn log_to_stderr(args: &Args) {
    let filter = EnvFilter::new(format!("{},kube=warn,hyper=warn", args.log_level.directive()));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_encoding {
        LogEncoding::Json => log.json().flatten_event(true).init(),
        LogEncoding::Console => log.with_ansi(false).init(),
    }
}
