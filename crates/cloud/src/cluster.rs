//! Clusters that an identity opens: one of a cloud's, or an account of our own cluster
//! (kustomization.md, 13, `kubeConfig.configMapRef`).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

use crate::aws::{self, Eks};
use crate::azure::{self, Aks, Management};
use crate::cache::Lasting;
use crate::clouds::{Clouds, Token};
use crate::error::Error;
use crate::gcp::Gke;
use crate::jwt;
use crate::registry::Provider;
use crate::secret::Secret;
use crate::who::{Identity, Who};

/// A cluster, as somebody describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The cloud that runs it; none if it takes tokens of our own cluster's accounts (`generic`).
    pub provider: Option<Provider>,
    /// The cloud's name of it; needed for all that the cloud is to be asked.
    pub cluster: String,
    /// Its address; the cloud's word when empty.
    pub address: String,
    /// Certificates in PEM of whom it is known by; the cloud's word when empty.
    pub authority: String,
}

/// The way into a cluster.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// `https://host:port`.
    pub address: String,
    /// Certificates (DER) of whom it is known by; of the usual authorities when empty.
    pub authorities: Vec<Vec<u8>>,
    /// What requests carry.
    pub token: Secret,
    ends: Timestamp,
}

impl Lasting for Entrance {
    fn ends(&self) -> Timestamp {
        self.ends
    }
}

/// Where a cluster is, as its cloud says.
pub(crate) struct Door {
    pub(crate) address: String,
    /// Certificates in PEM.
    pub(crate) authority: Vec<u8>,
}

fn no_token(error: Error) -> Error {
    Error::ClusterToken(Box::new(error))
}

impl Clouds {
    /// The way into a cluster, with a token that is still good for a while.
    ///
    /// This process's own credentials go nowhere but to an address that the cluster's cloud gives;
    /// where there is no cloud, the token is for its address only.
    pub async fn cluster(&self, description: &Description, who: &Who) -> Result<Entrance, Error> {
        let Description { provider, cluster, address, authority } = description;
        let provider_name = format!("{provider:?}");
        let key = self.key(who, &["cluster", &provider_name, cluster, address, authority]);
        let fetch = async {
            match provider {
                None => self.accounts_cluster(description, who).await,
                Some(Provider::Aws) => self.eks(description, who).await,
                Some(Provider::Azure) => self.aks(description, who).await,
                Some(Provider::Gcp) => self.gke(description, who).await,
            }
        };
        self.entrances().get(key, &who.object, fetch).await
    }

    async fn accounts_cluster(
        &self,
        description: &Description,
        who: &Who,
    ) -> Result<Entrance, Error> {
        let given = &description.address;
        if given.is_empty() {
            let text = "cluster address is required to create a REST config";
            return Err(Error::ClusterName(text.into()));
        }
        let address = canonical(given).map_err(|problem| {
            Error::ClusterName(format!("failed to parse cluster address {given}: {problem}"))
        })?;
        let token = match &who.identity {
            Identity::Ambient => self.issue_own(given).await,
            Identity::Account(account) => self.issue(account, given).await,
        };
        let value = token.map_err(no_token)?;
        let problem = "the token does not say when it ends";
        let ends = jwt::ends(value.reveal())
            .ok_or_else(|| Error::Malformed { what: "service account token".into(), problem })?;
        let authorities = certificates(description.authority.as_bytes())?;
        Ok(Entrance { address, authorities, token: value, ends })
    }

    async fn eks(&self, description: &Description, who: &Who) -> Result<Entrance, Error> {
        let cluster = Eks::parse(&description.cluster)?;
        let keys = self.aws(who, &cluster.region).await.map_err(no_token)?;
        let wire = self.wire();
        let doors = if description.must_ask(who) {
            Some(cluster.describe(&wire, &keys).await?)
        } else {
            None
        };
        let value = cluster.token(&wire, &keys)?;
        let life = Duration::from_secs(aws::CLUSTER_TOKEN_SECONDS.into());
        let ends = wire.now.saturating_add(life).unwrap_or(wire.now);
        description.enter(who, doors, Token { value, ends })
    }

    async fn aks(&self, description: &Description, who: &Who) -> Result<Entrance, Error> {
        let token = self.azure(who, azure::CLUSTER_SCOPE).await.map_err(no_token)?;
        let doors = if description.must_ask(who) {
            let management = Management::find(self.wire().surroundings).await?;
            let bearer = self.azure(who, &management.scope).await.map_err(no_token)?;
            let cluster = Aks::parse(&description.cluster)?;
            Some(cluster.describe(&self.wire(), &management, &bearer).await?)
        } else {
            None
        };
        description.enter(who, doors, token)
    }

    async fn gke(&self, description: &Description, who: &Who) -> Result<Entrance, Error> {
        let token = self.gcp(who).await.map_err(no_token)?;
        let doors = if description.must_ask(who) {
            Some(Gke::parse(&description.cluster)?.describe(&self.wire(), &token).await?)
        } else {
            None
        };
        description.enter(who, doors, token)
    }
}

impl Description {
    /// Whether the cloud has to say where the cluster is.
    fn must_ask(&self, who: &Who) -> bool {
        let is_complete = !self.address.is_empty() && !self.authority.is_empty();
        !is_complete || who.identity == Identity::Ambient
    }

    /// The way in through the door that fits the address, if the cloud named any.
    fn enter(&self, who: &Who, doors: Option<Vec<Door>>, token: Token) -> Result<Entrance, Error> {
        let wanted = match self.address.as_str() {
            "" => None,
            given => Some(canonical(given).map_err(|problem| {
                let text =
                    format!("failed to parse specified cluster address '{given}': {problem}");
                Error::ClusterName(text)
            })?),
        };
        let may_differ =
            who.identity != Identity::Ambient && self.provider != Some(Provider::Azure);
        let (address, found) = match (doors, wanted) {
            (None, wanted) => (wanted.unwrap_or_default(), Vec::new()),
            (Some(doors), Some(wanted)) if may_differ => {
                (wanted, doors.into_iter().next().map(|door| door.authority).unwrap_or_default())
            }
            (Some(doors), wanted) => self.choose(doors, wanted.as_deref())?,
        };
        let authority = match self.authority.as_str() {
            "" => &found,
            given => given.as_bytes(),
        };
        let authorities = certificates(authority)?;
        Ok(Entrance { address, authorities, token: token.value, ends: token.ends })
    }

    fn choose(&self, doors: Vec<Door>, wanted: Option<&str>) -> Result<(String, Vec<u8>), Error> {
        let mut known = Vec::new();
        for door in doors {
            let address = canonical(&door.address).map_err(|problem| {
                Error::ClusterName(format!("failed to parse address '{}': {problem}", door.address))
            })?;
            if wanted.is_none_or(|wanted| wanted == address) {
                return Ok((address, door.authority));
            }
            known.push(format!("'{address}'"));
        }
        let thing = match self.provider {
            Some(Provider::Aws) => "address found for EKS",
            // The reference's word for what the cloud answers with.
            Some(Provider::Azure) => "kubeconfig found for AKS",
            _ => "address found for GKE",
        };
        let (cluster, given, known) = (&self.cluster, &self.address, known.join(", "));
        let wish = match wanted {
            None => String::new(),
            Some(_) => {
                format!(" matching the specified address '{given}'. cluster addresses: [{known}]")
            }
        };
        Err(Error::ClusterName(format!("no {thing} cluster {cluster}{wish}")))
    }
}

/// The form in which addresses of API servers are compared and used.
fn canonical(address: &str) -> Result<String, String> {
    let full = if address.contains("://") { address.into() } else { format!("https://{address}") };
    let url = Url::parse(&full).map_err(|error| {
        format!("failed to parse Kubernetes API server address '{full}': {error}")
    })?;
    match (url.scheme(), url.host_str()) {
        ("https", Some(host)) => {
            Ok(format!("https://{host}:{}", url.port_or_known_default().unwrap_or(443)))
        }
        _ => Err(format!("the Kubernetes API server address '{full}' must use https scheme")),
    }
}

/// Reads certificates in PEM.
fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let malformed = || Error::Malformed {
        what: "unable to load root certificates".into(),
        problem: "unable to parse bytes as PEM block",
    };
    let blocks = pem::parse_many(text).map_err(|_| malformed())?;
    let found = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    let found: Vec<_> = found.map(pem::Pem::into_contents).collect();
    if found.is_empty() && !text.is_empty() { Err(malformed()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_behind_tls() {
        let shown = |address: &str| canonical(address).unwrap_or_else(|problem| problem);
        assert_eq!(shown("EXAMPLE.com"), "https://example.com:443");
        assert_eq!(shown("https://10.0.0.1:6443/path?x"), "https://10.0.0.1:6443");
        assert_eq!(shown("[::1]:6443"), "https://[::1]:6443");
        for bad in ["http://example.com", "file:///etc", "https://"] {
            assert!(canonical(bad).is_err(), "{bad}");
        }
    }
}
