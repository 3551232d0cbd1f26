//! The two programs that are shown, built as they are released.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

/// The built programs.
pub(crate) struct Binaries {
    /// `sluice-controller`.
    pub(crate) operator: PathBuf,
    /// `sluice`.
    pub(crate) sluice: PathBuf,
}

/// Builds both; cargo shows its progress when there is something to do.
pub(crate) async fn build() -> anyhow::Result<Binaries> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        // With the demo, as the Makefile does: other packages would mean other features, and
        // everything would be built twice.
        .args(["build", "--release", "-p", "demo", "-p", "sluice-controller", "-p", "sluice-cli"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(crate::bundle::repository())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("failed to run cargo")?;
    let output = build.wait_with_output().await?;
    ensure!(output.status.success(), "failed to build the operator and the command");
    let messages: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let built = |name: &str| {
        let of = |message: &&Value| message["target"]["name"] == name;
        let path = messages.iter().filter(of).find_map(|message| message["executable"].as_str());
        path.map(PathBuf::from).with_context(|| format!("cargo built no `{name}`"))
    };
    Ok(Binaries { operator: built("sluice-controller")?, sluice: built("sluice")? })
}
