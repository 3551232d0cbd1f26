//! Everything that the acts need: a cluster, a registry, the programs and a folder.

use std::path::PathBuf;

use registry::Registry;
use tempfile::TempDir;

use crate::Choice;
use crate::binaries::{self, Binaries};
use crate::bundle::{self, Edit, Push};
use crate::cluster::Cluster;
use crate::display::{Board, announce, remark};
use crate::operator::Operator;

/// The namespace of the roots (`examples/infra/clusters`).
pub(crate) const PLATFORM: &str = "platform";
/// How long the objects on a user's cluster may take to go.
const REMOVAL_TIMEOUT: &str = "--timeout=120s";

/// What is running. It ends in this order when dropped.
pub(crate) struct Stage {
    /// The operator.
    pub(crate) operator: Operator,
    /// Where it works.
    pub(crate) cluster: Cluster,
    /// What is shown of it.
    pub(crate) board: Board,
    registry: Registry,
    binaries: Binaries,
    folder: TempDir,
    /// What was applied by hand, to be deleted again where the cluster stays.
    applied: Vec<PathBuf>,
}

impl Stage {
    /// Builds and starts everything.
    pub(crate) async fn set(choice: Choice) -> anyhow::Result<Self> {
        announce("Building the operator and the command");
        let binaries = binaries::build().await?;
        match choice {
            Choice::Own => announce("Starting a control plane, a registry and the operator"),
            Choice::Current => {
                announce("Starting a registry, and the operator for your current cluster");
                remark("the definitions of both kinds are installed there, and stay");
            }
        }
        let folder = tempfile::Builder::new().prefix("sluice-demo-").tempdir()?;
        let cluster = Cluster::open(choice, folder.path()).await?;
        let kubeconfig = cluster.operator_kubeconfig.as_deref();
        let operator = Operator::start(&binaries.operator, kubeconfig, folder.path())?;
        let registry = Registry::start().await;
        remark(&format!(
            "registry {}, operator's log {}",
            registry.host(),
            operator.log().display()
        ));
        let board = Board::new();
        Ok(Self { operator, cluster, board, registry, binaries, folder, applied: Vec::new() })
    }

    /// Copies a bundle of `examples/`, edited, and pushes it under a tag.
    pub(crate) async fn push(
        &self,
        example: &str,
        tag: &str,
        edits: &[Edit],
    ) -> anyhow::Result<()> {
        let folder = self.copy(example, tag, edits)?;
        let url = format!("{}:{tag}", self.registry.url(example));
        let push =
            Push { sluice: &self.binaries.sluice, folder: &folder, url: &url, revision: tag };
        bundle::push(&push).await
    }

    /// Applies a kustomization directory of `examples/` by hand.
    pub(crate) async fn apply(&mut self, example: &str) -> anyhow::Result<()> {
        let folder = self.copy(example, "applied", &[Edit::registry(self.registry.host())])?;
        self.applied.push(folder.clone());
        self.cluster.apply("-k", &folder).await
    }

    fn copy(&self, example: &str, name: &str, edits: &[Edit]) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(example).join(name);
        bundle::copy(example, &folder, edits)?;
        Ok(folder)
    }

    /// The address of the registry where the examples' placeholder stands.
    pub(crate) fn registry_edit(&self) -> Edit {
        Edit::registry(self.registry.host())
    }

    /// Says how to go on by hand.
    pub(crate) fn explain(&self) {
        announce("All is up. Look around; Ctrl-C ends it and removes everything");
        for line in self.cluster.shell_lines() {
            println!("  {line}");
        }
        println!("  alias sluice={}", self.binaries.sluice.display());
        println!("  sluice get -A");
        println!("  kubectl get ks,ocirepo -A");
        println!("  kubectl -n activity-production get all,configmaps");
        println!("  tail -f {}", self.operator.log().display());
    }

    /// Removes what would stay, and ends the operator. The rest ends with this value.
    pub(crate) async fn clear(mut self) -> anyhow::Result<()> {
        if !self.cluster.is_own() && !self.applied.is_empty() {
            announce("Removing everything from your cluster but the definitions");
            // The Kustomizations first, while their operator can prune what they applied.
            self.delete("delete", &["-n", PLATFORM, KUSTOMIZATIONS, "--all"]).await?;
            self.delete("wait", &["--for=delete", "ns/activity-staging", "ns/activity-production"])
                .await?;
            for folder in &self.applied {
                let folder = folder.to_string_lossy();
                self.delete("delete", &["--ignore-not-found", "-k", &folder]).await?;
            }
        }
        self.operator.stop().await
    }

    async fn delete(&self, verb: &str, args: &[&str]) -> anyhow::Result<()> {
        let all: Vec<&str> = [verb, REMOVAL_TIMEOUT].iter().chain(args).copied().collect();
        self.cluster.kubectl(&all).await.map(drop)
    }
}

/// Their full name: `kustomizations` alone may mean another group's.
const KUSTOMIZATIONS: &str = "kustomizations.kustomize.toolkit.fluxcd.io";
