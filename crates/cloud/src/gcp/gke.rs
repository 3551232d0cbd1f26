//! Clusters of GKE.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde::Deserialize;

use crate::clouds::{Token, Wire};
use crate::cluster::Door;
use crate::error::Error;
use crate::http::{Ask, Way};

const PATTERN: &str = r"^projects/[^/]{1,200}/locations/[^/]{1,200}/clusters/[^/]{1,200}$";
const SERVICE: &str = "https://container.googleapis.com";

/// A cluster of GKE.
pub(crate) struct Gke<'a>(&'a str);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    endpoint: String,
    master_auth: Authority,
    #[serde(default)]
    private_cluster_config: Private,
    #[serde(default)]
    control_plane_endpoints_config: Endpoints,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authority {
    cluster_ca_certificate: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Private {
    private_endpoint: String,
    public_endpoint: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Endpoints {
    dns_endpoint_config: Dns,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Dns {
    endpoint: String,
}

impl<'a> Gke<'a> {
    /// Reads the name of a cluster.
    pub(crate) fn parse(name: &'a str) -> Result<Self, Error> {
        // What ends a path or leaves it is no part of a name.
        let is_plain = !name.contains(['?', '#', '%']) && !name.split('/').any(|part| part == "..");
        if is_plain && Regex::new(PATTERN).is_ok_and(|pattern| pattern.is_match(name)) {
            return Ok(Self(name));
        }
        let text = format!("invalid GKE cluster ID: '{name}'. must match {PATTERN}");
        Err(Error::ClusterName(text))
    }

    /// Where the cluster is, as its cloud says.
    pub(crate) async fn describe(
        &self,
        wire: &Wire<'_>,
        bearer: &Token,
    ) -> Result<Vec<Door>, Error> {
        let failed = |error| Error::Describe {
            cluster: format!("GKE cluster '{}'", self.0),
            source: Box::new(error),
        };
        self.doors(wire, bearer).await.map_err(failed)
    }

    async fn doors(&self, wire: &Wire<'_>, bearer: &Token) -> Result<Vec<Door>, Error> {
        const WHAT: &str = "GKE clusters.get";
        let url = wire.surroundings.url(&[], &format!("{SERVICE}/v1/{}", self.0))?;
        let token = bearer.value.reveal();
        let ask = Ask { secrets: vec![token], ..Ask::get(WHAT, Way::Far, url) };
        let ask = ask.header("authorization", &format!("Bearer {token}"))?;
        let answer: Answer = wire.http.json(ask).await?;
        let problem = "failed to decode GKE CA certificate";
        let authority = STANDARD.decode(&answer.master_auth.cluster_ca_certificate);
        let authority = authority.map_err(|_| Error::Malformed { what: WHAT.into(), problem })?;
        let Private { private_endpoint, public_endpoint } = answer.private_cluster_config;
        let dns = answer.control_plane_endpoints_config.dns_endpoint_config.endpoint;
        let addresses = [answer.endpoint, private_endpoint, public_endpoint, dns].into_iter();
        let door = |address| Door { address, authority: authority.clone() };
        Ok(addresses.filter(|address| !address.is_empty()).map(door).collect())
    }
}
