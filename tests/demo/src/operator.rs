//! The operator, as a process of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

/// How many lines of its log are shown when something went wrong.
const LOG_LINES: usize = 15;

/// A running operator; dropping it ends it.
pub(crate) struct Operator {
    process: Child,
    log: PathBuf,
}

impl Operator {
    /// Starts it on free ports, with its state and its log in `folder`; without a kubeconfig it
    /// uses that of the user.
    pub(crate) fn start(
        binary: &Path,
        kubeconfig: Option<&Path>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let storage = folder.join("storage");
        fs::create_dir_all(&storage)?;
        let log = folder.join("operator.log");
        let mut command = Command::new(binary);
        command.arg("--storage-path").arg(&storage);
        for address in ["--storage-addr", "--metrics-addr", "--health-addr"] {
            command.args([address, "127.0.0.1:0"]);
        }
        command.args(["--log-encoding", "console"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        // A group of its own: Ctrl-C is for the demo, which ends it in order.
        let process = command.process_group(0).kill_on_drop(true).spawn();
        let process = process.with_context(|| format!("failed to start {}", binary.display()))?;
        Ok(Self { process, log })
    }

    /// Fails when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            Some(status) => bail!("the operator ended by itself: {status}"),
            None => Ok(()),
        }
    }

    /// Ends it and waits for its end.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("failed to end the operator")
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The end of its log.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].to_vec()
    }
}
