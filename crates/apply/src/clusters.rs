//! The clusters that have been opened, each seen with an identity.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue};
use kube::Client;
use tokio::sync::mpsc;

use crate::bearer::{self, Bearer, Server};
use crate::cluster::Identity;
use crate::error::Refusal;
use crate::kube_cluster::KubeCluster;
use crate::kubeconfig::{self, Trust};
use crate::watch::{News, Watches};

/// Which cluster of a user's choice: the Secret or ConfigMap that describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Kind of the object that describes it.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A cluster seen with one identity, and what watches it.
#[derive(Clone)]
pub struct Reach {
    /// The cluster; every request to it carries the identity.
    pub cluster: Arc<KubeCluster>,
    /// Its shared watches.
    pub watches: Arc<Watches>,
}

/// Makes the client of a cluster; whoever wants to see its requests puts a layer into it.
pub type Connect = Box<dyn Fn(kube::Config) -> kube::Result<Client> + Send + Sync>;

/// The clusters that have been opened, one a place and identity, so that connections and discovery
/// are shared by every Kustomization that uses them (kustomization.md, W17).
pub struct Clusters {
    config: kube::Config,
    trust: Trust,
    news: mpsc::Sender<News>,
    connect: Connect,
    own: Mutex<HashMap<Identity, Reach>>,
    others: Mutex<HashMap<(Place, Identity), Other>>,
}

/// Another cluster, as it was described when it was opened.
struct Other {
    digest: u64,
    reach: Reach,
}

/// How many other clusters are kept open; beyond it, all are opened anew when they are needed.
const OTHERS_MAX: usize = 1024;

impl Clusters {
    /// Identities of the cluster that `config` describes, and other clusters.
    /// What moves in them is told to `news`, if there is room.
    pub fn new(
        config: kube::Config,
        trust: Trust,
        connect: Connect,
        news: mpsc::Sender<News>,
    ) -> Self {
        let (own, others) = (Mutex::default(), Mutex::default());
        Self { config, trust, news, connect, own, others }
    }

    /// The operator's own cluster, seen with an identity. It is watched as the operator: watches only
    /// wake.
    pub fn open(&self, identity: &Identity) -> Result<Reach, Refusal> {
        if let Some(reach) = self.own().get(identity) {
            return Ok(reach.clone());
        }
        let cluster = self.connect(self.config.clone(), identity, None)?;
        let watches = match identity {
            Identity::Operator => Arc::new(Watches::new(Arc::clone(&cluster), self.news.clone())),
            Identity::ServiceAccount { .. } => self.open(&Identity::Operator)?.watches,
        };
        // Who was here first meanwhile has opened the one for all.
        Ok(self.own().entry(identity.clone()).or_insert(Reach { cluster, watches }).clone())
    }

    fn own(&self) -> std::sync::MutexGuard<'_, HashMap<Identity, Reach>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster that a kubeconfig describes, seen with an identity; opened anew when the kubeconfig
    /// has changed. It is watched as whoever the kubeconfig names.
    pub async fn open_other(
        &self,
        place: &Place,
        kubeconfig: &[u8],
        identity: &Identity,
    ) -> Result<Reach, Refusal> {
        let (key, digest) = ((place.clone(), identity.clone()), digest(kubeconfig));
        if let Some(reach) = self.known(&key, digest) {
            return Ok(reach);
        }
        let config = kubeconfig::read(kubeconfig, self.trust).await?;
        self.keep(key, digest, config, None)
    }

    /// The cluster behind a server, seen with an identity; opened anew when its description has
    /// changed. It is watched as whoever its tokens are of.
    pub fn open_server(
        &self,
        place: &Place,
        server: &Server,
        identity: &Identity,
    ) -> Result<Reach, Refusal> {
        let described = (&server.address, &server.authorities, &server.described);
        let (key, digest) = ((place.clone(), identity.clone()), digest(described));
        if let Some(reach) = self.known(&key, digest) {
            return Ok(reach);
        }
        self.keep(key, digest, server.config()?, Some(&server.bearer))
    }

    fn known(&self, key: &(Place, Identity), digest: u64) -> Option<Reach> {
        let others = self.others();
        others.get(key).filter(|known| known.digest == digest).map(|known| known.reach.clone())
    }

    /// Opens another cluster and keeps it.
    fn keep(
        &self,
        key: (Place, Identity),
        digest: u64,
        config: kube::Config,
        bearer: Option<&Arc<dyn Bearer>>,
    ) -> Result<Reach, Refusal> {
        let watched = self.connect(config.clone(), &Identity::Operator, bearer)?;
        let watches = Arc::new(Watches::new(watched, self.news.clone()));
        let reach = Reach { cluster: self.connect(config, &key.1, bearer)?, watches };
        let mut others = self.others();
        if others.len() >= OTHERS_MAX {
            others.clear();
        }
        others.insert(key, Other { digest, reach: reach.clone() });
        Ok(reach)
    }

    fn others(&self) -> std::sync::MutexGuard<'_, HashMap<(Place, Identity), Other>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a cluster for an identity; whoever `bearer` speaks for makes the requests.
    fn connect(
        &self,
        mut config: kube::Config,
        identity: &Identity,
        bearer: Option<&Arc<dyn Bearer>>,
    ) -> Result<Arc<KubeCluster>, Refusal> {
        if let Some(user) = identity.user()? {
            let value = HeaderValue::from_str(&user).map_err(|_| Refusal::Name(user.clone()))?;
            config.headers.push((HeaderName::from_static("impersonate-user"), value));
        }
        let client = (self.connect)(config)?;
        let client = match bearer {
            None => client,
            Some(bearer) => bearer::client(client, bearer),
        };
        Ok(Arc::new(KubeCluster::new(client)))
    }
}

fn digest(described: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    described.hash(&mut hasher);
    hasher.finish()
}
