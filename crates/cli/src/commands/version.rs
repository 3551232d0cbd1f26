//! `sluice version`.

use crate::output::{self, Format};

/// Print the version.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let value = serde_json::json!({"version": version});
    output::print(args.output, &format!("sluice {version}"), &value)
}
