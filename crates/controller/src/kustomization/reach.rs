//! Which cluster a Kustomization is applied to, and as whom (kustomization.md, 13).

use api::kustomization::{KubeConfig, KustomizationSpec};
use apply::{Identity, Place, Reach};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::context::Context;
use crate::runtime::cache::Key;

/// The keys that hold a kubeconfig when none is named.
const DEFAULT_KEYS: [&str; 2] = ["value", "value.yaml"];

/// The cluster that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// Secret with a kubeconfig, and the key in it; the operator's own cluster when absent.
    pub(super) kubeconfig: Option<(String, Option<String>)>,
    /// As whom.
    pub(super) identity: Identity,
}

impl Destination {
    /// What a spec says. `default_account` is used when it names no account; none when empty.
    pub(super) fn new(key: &Key, spec: &KustomizationSpec, default_account: &str) -> Self {
        let secret = spec.kube_config.as_ref().and_then(|config: &KubeConfig| {
            let reference = config.secret_ref.as_ref()?;
            Some((reference.name.clone(), reference.key.clone().filter(|key| !key.is_empty())))
        });
        Self { kubeconfig: secret, identity: identity(key, spec, default_account) }
    }

    /// Opens the cluster; the error is the text of the condition.
    pub(super) async fn open(&self, context: &Context, key: &Key) -> Result<Reach, String> {
        let Some((name, wanted)) = &self.kubeconfig else {
            return context.clusters.open(&self.identity).map_err(|refusal| refusal.to_string());
        };
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
            let wanted = wanted.as_deref().unwrap_or(DEFAULT_KEYS[0]);
            format!("KubeConfig secret '{at}' does not contain a '{wanted}' key with a kubeconfig")
        })?;
        let place = Place { kind: "Secret", namespace: key.namespace.clone(), name: name.clone() };
        let opened = context.clusters.open_other(&place, &kubeconfig.0, &self.identity).await;
        opened.map_err(|refusal| refusal.to_string())
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
