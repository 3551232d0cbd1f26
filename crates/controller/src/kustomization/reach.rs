//! Which cluster a Kustomization is applied to, and as whom (kustomization.md, 13).

use api::kustomization::{KubeConfig, KustomizationSpec};
use apply::{Identity, Place, Reach};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::described;
use crate::context::Context;
use crate::runtime::cache::Key;

/// The keys that hold a kubeconfig when none is named.
const DEFAULT_KEYS: [&str; 2] = ["value", "value.yaml"];

/// The cluster that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) place: Description,
    /// As whom.
    pub(super) identity: Identity,
}

/// What says which cluster it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Description {
    /// Nothing: it is the operator's own.
    None,
    /// A kubeconfig in a Secret.
    Secret {
        /// Its name.
        name: String,
        /// Key of the kubeconfig; one of the usual ones when absent.
        key: Option<String>,
    },
    /// A ConfigMap with this name.
    ConfigMap(String),
}

impl Destination {
    /// What a spec says. `default_account` is used when it names no account; none when empty.
    pub(super) fn new(key: &Key, spec: &KustomizationSpec, default_account: &str) -> Self {
        let place = spec.kube_config.as_ref().map_or(Description::None, description);
        Self { place, identity: identity(key, spec, default_account) }
    }

    /// Opens the cluster; the error is the text of the condition.
    pub(super) async fn open(&self, context: &Context, key: &Key) -> Result<Reach, String> {
        match &self.place {
            Description::None => {
                context.clusters.open(&self.identity).map_err(|refusal| refusal.to_string())
            }
            Description::Secret { name, key: wanted } => {
                self.open_kubeconfig(context, key, (name, wanted.as_deref())).await
            }
            Description::ConfigMap(name) => {
                let server = described::server(context, key, name).await?;
                let place = Place {
                    kind: "ConfigMap",
                    namespace: key.namespace.clone(),
                    name: name.clone(),
                };
                let opened = context.clusters.open_server(&place, &server, &self.identity);
                opened.map_err(|refusal| refusal.to_string())
            }
        }
    }

    async fn open_kubeconfig(
        &self,
        context: &Context,
        key: &Key,
        (name, wanted): (&String, Option<&str>),
    ) -> Result<Reach, String> {
        let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
        let at = format!("{}/{name}", key.namespace);
        let secret = secrets.get(name).await.map_err(|error| {
            let refusal = apply::Refusal::from(error);
            format!("unable to read KubeConfig secret '{at}' error: {refusal}")
        })?;
        let data = secret.data.unwrap_or_default();
        let found = match wanted {
            Some(wanted) => data.get(wanted),
            None => DEFAULT_KEYS.iter().find_map(|key| data.get(*key)),
        };
        let kubeconfig = found.ok_or_else(|| {
            let wanted = wanted.unwrap_or(DEFAULT_KEYS[0]);
            format!("KubeConfig secret '{at}' does not contain a '{wanted}' key with a kubeconfig")
        })?;
        let place = Place { kind: "Secret", namespace: key.namespace.clone(), name: name.clone() };
        let opened = context.clusters.open_other(&place, &kubeconfig.0, &self.identity).await;
        opened.map_err(|refusal| refusal.to_string())
    }
}

fn description(config: &KubeConfig) -> Description {
    match (&config.secret_ref, &config.config_map_ref) {
        (Some(secret), _) => Description::Secret {
            name: secret.name.clone(),
            key: secret.key.clone().filter(|key| !key.is_empty()),
        },
        (None, Some(map)) => Description::ConfigMap(map.name.clone()),
        (None, None) => Description::None,
    }
}

/// As whom a Kustomization acts.
fn identity(key: &Key, spec: &KustomizationSpec, default_account: &str) -> Identity {
    let name = spec.service_account_name.as_deref().filter(|name| !name.is_empty());
    match name.unwrap_or(default_account) {
        "" => Identity::Operator,
        name => {
            Identity::ServiceAccount { namespace: key.namespace.clone(), name: name.to_owned() }
        }
    }
}
