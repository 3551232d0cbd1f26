//! The cluster that all stories share.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use controlplane::ControlPlane;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// A cluster with our definitions and exactly the rights of `config/rbac`.
pub struct World {
    plane: &'static ControlPlane,
    token: String,
}

impl World {
    /// The one of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<World> = OnceLock::new();
        SHARED.get_or_init(|| {
            let plane = ControlPlane::shared();
            let _ = rustls::crypto::ring::default_provider().install_default();
            let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
            let world = Self { plane, token: String::new() };
            world.kubectl(&["create", "namespace", "sluice-system"]);
            for part in ["crd", "rbac"] {
                let folder = config.join(part);
                world.kubectl(&["apply", "--server-side", "-k", folder.to_str().unwrap()]);
            }
            world.kubectl(&["wait", "--for=condition=Established", "crd", "--all"]);
            let token =
                ["-n", "sluice-system", "create", "token", "sluice-controller", "--duration=24h"];
            let token = world.kubectl(&token).trim().to_owned();
            Self { token, ..world }
        })
    }

    /// Runs kubectl as the admin and gives its output; the story ends when it fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let output = self.plane.kubectl().args(args).stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {args:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs kubectl as the admin with this on its standard input; the story ends when it fails.
    pub fn kubectl_with(&self, args: &[&str], input: &str) {
        let mut command = self.plane.kubectl();
        let piped = command.args(args).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = piped.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "kubectl {args:?}");
    }

    /// The admin's kubeconfig, which holds all that it needs.
    pub fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.plane.admin_kubeconfig()).unwrap()
    }

    /// Runs kubectl as the admin and says whether it succeeded.
    pub fn try_kubectl(&self, args: &[&str]) -> bool {
        let output = self.plane.kubectl().args(args).stdin(Stdio::null()).output().unwrap();
        output.status.success()
    }

    async fn config(kubeconfig: Kubeconfig) -> kube::Config {
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap()
    }

    /// The admin's configuration.
    pub async fn admin(&self) -> kube::Config {
        Self::config(Kubeconfig::read_from(self.plane.admin_kubeconfig()).unwrap()).await
    }

    /// The address of the API server, and its authority in base64.
    pub fn address(&self) -> (String, String) {
        let kubeconfig = Kubeconfig::read_from(self.plane.tenant_kubeconfig()).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
        (cluster.server.unwrap(), cluster.certificate_authority_data.unwrap())
    }

    /// The operator's: a token of its own ServiceAccount.
    pub async fn operator(&self) -> kube::Config {
        let mut kubeconfig = Kubeconfig::read_from(self.plane.tenant_kubeconfig()).unwrap();
        for user in &mut kubeconfig.auth_infos {
            user.auth_info.get_or_insert_default().token = Some(self.token.clone().into());
        }
        Self::config(kubeconfig).await
    }
}
