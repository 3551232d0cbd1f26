//! The operator, as a process of its own: its memory is nobody else's.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::{Bench, kubeconfig};

/// The unit of processor time in `/proc` on Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// A running operator; it ends when dropped.
pub(super) struct Operator {
    process: Child,
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about it here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Operator {
    /// Starts one that sees one namespace.
    pub(super) fn start(bench: &Bench, namespace: &str, concurrent: u16) -> anyhow::Result<Self> {
        let storage = bench.folder(namespace)?;
        let mut command = Command::new(&bench.binary);
        command
            .arg("--storage-path")
            .arg(storage)
            .args(["--storage-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"])
            .args(["--health-addr", "127.0.0.1:0", "--watch-all-namespaces=false"])
            .args(["--runtime-namespace", namespace, "--log-level=error"])
            .arg(format!("--concurrent={concurrent}"))
            .env("KUBECONFIG", kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Ok(Self { process: command.spawn()? })
    }

    /// The most memory that it ever held.
    pub(super) fn peak_bytes(&self) -> anyhow::Result<f64> {
        self.memory("VmHWM:")
    }

    /// The memory that it holds.
    pub(super) fn bytes(&self) -> anyhow::Result<f64> {
        self.memory("VmRSS:")
    }

    /// Seconds of processor time that it used.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = stat.rsplit_once(") ").context("a process has a name")?.1;
        let ticks =
            fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
        Ok(ticks.sum::<f64>() / TICKS_A_SECOND)
    }

    fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_whitespace().next()).context(field.to_owned())?;
        Ok(kib.parse::<f64>()? * 1024.0)
    }
}
