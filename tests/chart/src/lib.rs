//! The real Helm, for tests of `charts/sluice`.
//!
//! Takes a machine with Go, gives a [`Helm`] whose folders are its own: nothing of the user's
//! configuration is read or written. The binary is built once and cached.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, ensure};

/// The Helm that the chart is tested with.
const VERSION: &str = "v4.3.1";

/// Helm with folders of its own.
pub struct Helm {
    binary: PathBuf,
    home: tempfile::TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Builds the binary if need be. It reaches no cluster.
    pub fn offline() -> anyhow::Result<Self> {
        Ok(Self { binary: binary()?, home: tempfile::tempdir()?, kubeconfig: None })
    }

    /// Helm for the cluster of a kubeconfig.
    pub fn of_cluster(kubeconfig: &Path) -> anyhow::Result<Self> {
        Ok(Self { kubeconfig: Some(kubeconfig.into()), ..Self::offline()? })
    }

    /// Runs a command to its end, whatever that is.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(args).stdin(Stdio::null());
        for (variable, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(variable, self.home.path().join(folder));
        }
        let nowhere = self.home.path().join("no-kubeconfig");
        command.env("KUBECONFIG", self.kubeconfig.as_ref().unwrap_or(&nowhere));
        command.output().context("failed to start Helm")
    }

    /// Runs a command that must succeed, and gives its output.
    pub fn succeed(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.run(args)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "helm {}: {err}{out}", args.join(" "));
        Ok(out)
    }

    /// Runs a command that must fail, and gives what it says.
    pub fn fail(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.run(args)?;
        ensure!(!output.status.success(), "helm {} succeeded", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The chart's folder.
pub fn chart() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/sluice").into()
}

fn binary() -> anyhow::Result<PathBuf> {
    controlplane::cached("helm", VERSION, |output| {
        let folder = tempfile::tempdir_in(output.parent().context("the cache has a folder")?)?;
        let mut build = controlplane::go()?;
        // The module of this repository's other Go program must not be found from here.
        build.current_dir(folder.path()).env("GOBIN", folder.path());
        build.args(["install", "-trimpath", "-ldflags=-s -w"]);
        build.arg(format!("helm.sh/helm/v4/cmd/helm@{VERSION}"));
        controlplane::run(build, "Helm (once; some minutes)")?;
        Ok(std::fs::rename(folder.path().join("helm"), output)?)
    })
}
