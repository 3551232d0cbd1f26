//! A real Kubernetes control plane on loopback, for tests and the demo.
//!
//! Takes a machine with Go, gives a running [`ControlPlane`]: etcd, API server, controller manager,
//! scheduler and fake nodes on free ports, with an admin's and a tenant's kubeconfig. The binary
//! that all of them are linked into is built once and cached by content. Nothing outlives the
//! process that started it, however that ends: the control plane watches its standard input.

mod build;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, bail};
use serde::Deserialize;

pub use build::{binary, built, cached, go, run};

/// A running control plane; it ends when this is dropped, or when the process ends.
pub struct ControlPlane {
    process: Child,
    binary: PathBuf,
    access: Access,
}

#[derive(Deserialize)]
struct Access {
    server: String,
    admin: PathBuf,
    tenant: PathBuf,
}

impl ControlPlane {
    /// Builds the binary if need be, and starts a control plane. Takes about three seconds.
    pub fn start() -> anyhow::Result<Self> {
        let binary = binary()?;
        let mut process = Command::new(&binary)
            .arg("up")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C is for whoever started it, and ends it in order.
            .process_group(0)
            .spawn()
            .context("failed to start the control plane")?;
        let mut line = String::new();
        let output = process.stdout.take().context("the control plane has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let Ok(access) = serde_json::from_str(&line) else {
            let status = process.wait()?;
            bail!("the control plane did not start ({status}): its message stands above");
        };
        Ok(Self { process, binary, access })
    }

    /// The one that the tests of this process share; they keep apart by namespace.
    ///
    /// # Panics
    ///
    /// When it does not start: no test of this process can run then.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| match Self::start() {
            Ok(started) => started,
            #[expect(clippy::panic, reason = "no test of this process can run")]
            Err(error) => panic!("{error:#}"),
        })
    }

    /// Address of the API server.
    pub fn server(&self) -> &str {
        &self.access.server
    }

    /// Kubeconfig of someone who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.access.admin
    }

    /// Kubeconfig of user `tenant`, who may do nothing until someone grants him rights.
    pub fn tenant_kubeconfig(&self) -> &Path {
        &self.access.tenant
    }

    /// kubectl of the same version, as the admin.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("kubectl").env("KUBECONFIG", self.admin_kubeconfig());
        command
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Closing its standard input ends it and removes its state.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
