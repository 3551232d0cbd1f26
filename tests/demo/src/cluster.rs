//! The cluster that the demo plays on.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use controlplane::ControlPlane;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::process::Command;

use crate::Choice;
use crate::bundle::repository;

/// How long the token of the operator's account lives.
const TOKEN_LIFE: &str = "--duration=24h";

/// The definitions of both kinds.
const DEFINITIONS: [&str; 2] =
    ["ocirepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"];

/// A cluster with the definitions of both kinds.
pub(crate) struct Cluster {
    /// A client with the rights of whoever plays.
    pub(crate) client: Client,
    /// The operator's kubeconfig; the user's own when there is none.
    pub(crate) operator_kubeconfig: Option<PathBuf>,
    kubectl: PathBuf,
    plane: Option<ControlPlane>,
}

impl Cluster {
    /// Starts or finds the cluster and installs what the operator needs; `folder` is for secrets.
    pub(crate) async fn open(choice: Choice, folder: &Path) -> anyhow::Result<Self> {
        let kubectl = tokio::task::spawn_blocking(controlplane::binary).await??;
        let plane = match choice {
            Choice::Own => Some(tokio::task::spawn_blocking(ControlPlane::start).await??),
            Choice::Current => None,
        };
        let config = match &plane {
            Some(plane) => {
                let kubeconfig = Kubeconfig::read_from(plane.admin_kubeconfig())?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                    .await?
            }
            None => kube::Config::infer().await.context("no kubeconfig names a cluster")?,
        };
        let client = Client::try_from(config)?;
        let mut cluster = Self { client, operator_kubeconfig: None, kubectl, plane };
        cluster.install(folder).await?;
        Ok(cluster)
    }

    /// Installs the definitions; on a cluster of our own also the operator's account and rights.
    async fn install(&mut self, folder: &Path) -> anyhow::Result<()> {
        let config = repository().join("config");
        if self.plane.is_none() {
            self.refuse_objects_of_others().await?;
        }
        self.apply("-k", &config.join("crd")).await?;
        let established = ["wait", "--for=condition=Established", "--timeout=60s"];
        let definitions = DEFINITIONS.map(|name| format!("crd/{name}"));
        let definitions = definitions.each_ref().map(String::as_str);
        self.kubectl(&[established.as_slice(), &definitions].concat()).await?;
        let Some(plane) = &self.plane else { return Ok(()) };
        let tenant = plane.tenant_kubeconfig().to_owned();
        self.apply("-f", &config.join("default/namespace.yaml")).await?;
        self.apply("-k", &config.join("rbac")).await?;
        let account = ["-n", "sluice-system", "create", "token", "sluice-controller", TOKEN_LIFE];
        let token = self.kubectl(&account).await?;
        let file = folder.join("operator.kubeconfig");
        write_kubeconfig(&tenant, token.trim(), &file)?;
        self.operator_kubeconfig = Some(file);
        Ok(())
    }

    /// The operator looks after every object of its kinds: also after those that are not ours.
    async fn refuse_objects_of_others(&self) -> anyhow::Result<()> {
        for definition in DEFINITIONS {
            let crd = format!("crd/{definition}");
            if self.kubectl(&["get", &crd, "--ignore-not-found", "-oname"]).await?.is_empty() {
                continue;
            }
            let found = self.kubectl(&["get", definition, "-A", "-oname"]).await?;
            ensure!(
                found.is_empty(),
                "your cluster holds objects of the demo's kinds already, which its operator would \
                 reconcile too: choose another cluster\n{}",
                found.trim()
            );
        }
        Ok(())
    }

    /// Applies a file (`-f`) or a kustomization directory (`-k`) as a person does.
    pub(crate) async fn apply(&self, form: &str, path: &Path) -> anyhow::Result<()> {
        let path = path.to_string_lossy();
        self.kubectl(&["apply", "--server-side", form, &path]).await.map(drop)
    }

    /// Runs kubectl and gives its output.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.kubectl);
        if let Some(plane) = &self.plane {
            command.env("KUBECONFIG", plane.admin_kubeconfig());
        }
        let command = command.arg("kubectl").args(args).stdin(Stdio::null()).kill_on_drop(true);
        // A group of its own: Ctrl-C is for the demo, which ends it in order.
        let output = command.process_group(0).output().await.context("failed to run kubectl")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`kubectl {}` failed: {}", args.join(" "), error.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the cluster ends with the demo.
    pub(crate) fn is_own(&self) -> bool {
        self.plane.is_some()
    }

    /// What a shell needs to look at the cluster, one line each.
    pub(crate) fn shell_lines(&self) -> Vec<String> {
        let kubeconfig = self.plane.as_ref().map(ControlPlane::admin_kubeconfig);
        let export = kubeconfig.map(|path| format!("export KUBECONFIG={}", path.display()));
        let alias = format!("alias kubectl='{} kubectl'", self.kubectl.display());
        export.into_iter().chain([alias]).collect()
    }
}

/// The kubeconfig `from` with another token; JSON is YAML as well.
fn write_kubeconfig(from: &Path, token: &str, into: &Path) -> anyhow::Result<()> {
    let mut kubeconfig = Kubeconfig::read_from(from)?;
    for user in &mut kubeconfig.auth_infos {
        user.auth_info.get_or_insert_default().token = Some(token.to_owned().into());
    }
    std::fs::write(into, serde_json::to_vec(&kubeconfig)?)
        .with_context(|| format!("failed to write {}", into.display()))
}
