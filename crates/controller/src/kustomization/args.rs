//! Flags of the Kustomization half.

use std::time::Duration;

use clap::Args;
use manifest::GroupKind;

/// Flags of the Kustomization half.
#[derive(Args, Clone, Debug)]
pub struct KustomizationArgs {
    /// Objects of one Kustomization that are applied at once.
    #[arg(long, default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent_ssa: u16,
    /// How long a run may go by what the watches tell, before one asks for every object again; 0: every
    /// run does.
    #[arg(long, default_value = "1h", value_parser = crate::args::duration)]
    pub audit_interval: Duration,
    /// Field managers whose fields are taken over, beside kubectl's.
    #[arg(long, value_delimiter = ',')]
    pub override_manager: Vec<String>,
    /// Kinds that are applied before the rest, as `group/Kind`.
    #[arg(long, value_delimiter = ',', value_parser = group_kind)]
    pub custom_apply_stage_kinds: Vec<GroupKind>,
    /// How often a download of another controller's artifact is tried again.
    #[arg(long, default_value = "9")]
    pub http_retry: u32,
    /// Refuses builds that name files of other hosts, before anybody is asked.
    #[arg(long)]
    pub no_remote_bases: bool,
    /// Host on the inside of a network that builds may name files of; may be repeated.
    #[arg(long)]
    pub allow_remote_base_host: Vec<String>,
    /// Host and port that are asked for artifacts of the source controller.
    #[arg(long, env = "SOURCE_CONTROLLER_LOCALHOST", hide = true)]
    pub source_controller_localhost: Option<String>,
    /// Host and port that are asked for artifacts of the source watcher.
    #[arg(long, env = "SOURCE_WATCHER_LOCALHOST", hide = true)]
    pub source_watcher_localhost: Option<String>,
    /// Account that objects are applied as when a Kustomization names none.
    #[arg(long, default_value = "")]
    pub default_service_account: String,
    /// Account that other clusters are opened as when the ConfigMap that describes one names none;
    /// needs the gate ObjectLevelWorkloadIdentity.
    #[arg(long, default_value = "")]
    pub default_kubeconfig_service_account: String,
    /// Where decryption finds keys beside a Kustomization's own.
    #[command(flatten)]
    pub decryption: DecryptionArgs,
    /// Labels of the ConfigMaps and Secrets whose changes wake the Kustomizations that refer to them.
    #[arg(long, default_value = "reconcile.fluxcd.io/watch=Enabled")]
    pub watch_configs_label_selector: String,
    /// Lets kubeconfigs run programs that give credentials.
    #[arg(long)]
    pub insecure_kubeconfig_exec: bool,
    /// Lets kubeconfigs leave out TLS or its checks.
    #[arg(long)]
    pub insecure_kubeconfig_tls: bool,
}

/// Flags of decryption.
#[derive(Args, Clone, Debug, Default)]
pub struct DecryptionArgs {
    /// Account that key services are asked as when a Kustomization's decryption names none; needs the
    /// gate ObjectLevelWorkloadIdentity.
    #[arg(long, default_value = "")]
    pub default_decryption_service_account: String,
    /// Secret in the operator's namespace whose age identities decrypt where a Kustomization's
    /// decryption names no Secret.
    #[arg(long, default_value = "")]
    pub sops_age_secret: String,
    /// ConfigMap in the operator's namespace with the Vault servers that accounts may log in to.
    #[arg(long, default_value = "")]
    pub sops_vault_configmap: String,
}

/// `group/Kind`, as the reference takes it.
fn group_kind(text: &str) -> Result<GroupKind, String> {
    match text.split_once('/') {
        Some((group, kind)) if !kind.is_empty() && !kind.contains('/') => {
            Ok(GroupKind { group: group.into(), kind: kind.into() })
        }
        _ => Err("write it as group/Kind".into()),
    }
}
