//! Our kinds in the user's cluster.

use anyhow::{Context as _, Result};
use kube::api::{ApiResource, DynamicObject};
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config};

use crate::error::hint;

/// Which cluster and namespace.
#[derive(clap::Args)]
pub(crate) struct Cluster {
    /// Namespace; that of the kubeconfig's context when absent.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Context of the kubeconfig.
    #[arg(long)]
    context: Option<String>,
}

/// One of our kinds, by any of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// OCIRepository.
    #[value(name = "ocirepository", aliases = ["ocirepositories", "ocirepo", "oci"])]
    OciRepository,
    /// Kustomization.
    #[value(name = "kustomization", aliases = ["kustomizations", "ks"])]
    Kustomization,
}

impl Kind {
    /// The kind as people read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OciRepository => "OCIRepository",
            Self::Kustomization => "Kustomization",
        }
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::OciRepository => ApiResource::erase::<api::OCIRepository>(&()),
            Self::Kustomization => ApiResource::erase::<api::Kustomization>(&()),
        }
    }

    /// The kind in one namespace, or in all of them.
    pub(crate) fn api(self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource()),
            None => Api::all_with(client.clone(), &self.resource()),
        }
    }
}

impl Cluster {
    /// Connects; gives the client and the namespace that is meant.
    pub(crate) async fn connect(&self) -> Result<(Client, String)> {
        const HINT: &str = "set KUBECONFIG, or run inside a cluster";
        let options = KubeConfigOptions { context: self.context.clone(), ..Default::default() };
        let config = match (Config::from_kubeconfig(&options).await, &self.context) {
            (Ok(config), _) => config,
            (Err(error), Some(_)) => return Err(hint(error, "name a context of your kubeconfig")),
            (Err(_), None) => Config::infer().await.map_err(|error| hint(error, HINT))?,
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        Ok((Client::try_from(config).context("failed to set up the client")?, namespace))
    }
}

/// A condition's field of an object; empty when it has none.
pub(crate) fn ready<'a>(object: &'a DynamicObject, field: &str) -> &'a str {
    let conditions = object.data["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    ready.and_then(|condition| condition[field].as_str()).unwrap_or_default()
}

/// What an object has stored or applied.
pub(crate) fn revision(object: &DynamicObject) -> &str {
    let status = &object.data["status"];
    let applied = status["lastAppliedRevision"].as_str();
    applied.or_else(|| status["artifact"]["revision"].as_str()).unwrap_or_default()
}
