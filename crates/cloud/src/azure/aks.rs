//! Clusters of AKS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use manifest::{Value, yaml};
use regex::Regex;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Environment;
use crate::clouds::{Token, Wire};
use crate::cluster::Door;
use crate::error::Error;
use crate::http::{Ask, Way};
use crate::secret::Secret;
use crate::surroundings::Surroundings;

const PATTERN: &str = concat!(
    r"(?i)^/subscriptions/([^/]{36})/resourceGroups/([^/]{1,200})/providers/",
    r"Microsoft\.ContainerService/managedClusters/([^/]{1,200})$"
);
/// What a token that a cluster takes is for.
pub(crate) const TOKEN_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
const API_VERSION: &str = "2024-09-01";
/// Clouds by a part of their authority: what describes clusters there, and for whom it takes tokens.
const MANAGEMENT: [(&str, &str, &str); 2] = [
    (
        "chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn",
    ),
    (
        "microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
    ),
];
const PUBLIC_MANAGEMENT: (&str, &str) =
    ("https://management.azure.com", "https://management.core.windows.net/");

/// A cluster of AKS.
pub(crate) struct Aks<'a> {
    id: &'a str,
    path: [String; 3],
}

/// What describes clusters.
pub(crate) struct Management {
    address: String,
    /// What a token that it takes is for.
    pub(crate) scope: String,
}

impl Management {
    /// That of the cloud that the process is in.
    pub(crate) async fn find(around: &Surroundings) -> Result<Self, Error> {
        let of = |address: &str, audience: &str| {
            let scope = format!("{audience}/.default");
            Self { address: address.into(), scope }
        };
        if let Some(own) = Environment::read(around).await? {
            return Ok(of(&own.resource_manager_endpoint, &own.token_audience));
        }
        let authority = around.get("AZURE_AUTHORITY_HOST").unwrap_or_default();
        let found = MANAGEMENT.iter().find(|(part, ..)| authority.contains(part));
        let (address, audience) =
            found.map_or(PUBLIC_MANAGEMENT, |(_, address, audience)| (*address, *audience));
        Ok(of(address, audience))
    }
}

#[derive(Deserialize)]
struct Described {
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    aad_profile: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    kubeconfigs: Vec<Kubeconfig>,
}

#[derive(Deserialize)]
struct Kubeconfig {
    value: Secret,
}

impl<'a> Aks<'a> {
    /// Reads the id of a cluster.
    pub(crate) fn parse(id: &'a str) -> Result<Self, Error> {
        let invalid =
            || Error::ClusterName(format!("invalid AKS cluster ID: '{id}'. must match {PATTERN}"));
        let pattern = Regex::new(PATTERN).map_err(|_| invalid())?;
        let found = pattern.captures(id).ok_or_else(invalid)?;
        Ok(Self { id, path: [1, 2, 3].map(|at| found[at].to_owned()) })
    }

    /// Where the cluster is, as its cloud says.
    pub(crate) async fn describe(
        &self,
        wire: &Wire<'_>,
        management: &Management,
        bearer: &Token,
    ) -> Result<Vec<Door>, Error> {
        let failed =
            |error| Error::Describe { cluster: "AKS cluster".into(), source: Box::new(error) };
        let get = self.ask("AKS Get", management, &[], bearer).map_err(failed)?;
        let Described { properties } = send(wire, get).await.map_err(failed)?;
        if properties.aad_profile.is_none() {
            return Err(Error::ClusterName(format!(
                "AKS cluster {} does not have Microsoft Entra ID integration enabled. See docs for \
                 enabling: https://learn.microsoft.com/en-us/azure/aks/enable-authentication-\
                 microsoft-entra-id",
                self.id
            )));
        }
        let operation = ["listClusterUserCredential"];
        let mut list = self.ask("AKS ListClusterUserCredential", management, &operation, bearer)?;
        list.method = Method::POST;
        let Credentials { kubeconfigs } = send(wire, list).await?;
        kubeconfigs.iter().enumerate().map(|(at, kubeconfig)| door(at, kubeconfig)).collect()
    }

    fn ask<'b>(
        &self,
        what: &'static str,
        management: &Management,
        operation: &[&str],
        bearer: &'b Token,
    ) -> Result<Ask<'b>, Error> {
        let malformed = || Error::Malformed {
            what: "resourceManagerEndpoint".into(),
            problem: "it is no address",
        };
        let mut url = Url::parse(&management.address).map_err(|_| malformed())?;
        let [subscription, group, name] = self.path.each_ref().map(String::as_str);
        let path = ["subscriptions", subscription, "resourceGroups", group, "providers"];
        let kind = ["Microsoft.ContainerService", "managedClusters", name];
        let mut segments = url.path_segments_mut().map_err(|()| malformed())?;
        segments.pop_if_empty().extend(path).extend(kind).extend(operation);
        drop(segments);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let token = bearer.value.reveal();
        let ask = Ask { secrets: vec![token], ..Ask::get(what, Way::Far, url) };
        ask.header("authorization", &format!("Bearer {token}"))
    }
}

async fn send<T: DeserializeOwned>(wire: &Wire<'_>, ask: Ask<'_>) -> Result<T, Error> {
    wire.http.json(ask).await
}

/// Reads the first cluster of a kubeconfig; its credentials are not used.
fn door(at: usize, kubeconfig: &Kubeconfig) -> Result<Door, Error> {
    let read = || {
        let text = STANDARD.decode(kubeconfig.value.reveal()).ok()?;
        let tree = yaml::read_one(std::str::from_utf8(&text).ok()?).ok()?;
        let cluster = tree.get("clusters")?.as_list()?.first()?.get("cluster")?;
        let text = |key: &str| cluster.get(key).and_then(Value::as_str);
        let authority = STANDARD.decode(text("certificate-authority-data")?).ok()?;
        Some(Door { address: text("server")?.to_owned(), authority })
    };
    let problem = "it names no cluster with an address and an authority";
    read().ok_or_else(|| Error::Malformed { what: format!("kubeconfig[{at}]"), problem })
}
