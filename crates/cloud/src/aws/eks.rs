//! Clusters of EKS.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use regex::Regex;
use reqwest::Url;
use serde::Deserialize;

use super::sign::{Scope, presign, sign};
use super::{Keys, domain};
use crate::clouds::Wire;
use crate::cluster::Door;
use crate::error::Error;
use crate::http::{Ask, Way};
use crate::secret::Secret;

const PATTERN: &str = r"^arn:aws[\w-]*:eks:([^:]{1,100}):[0-9]{1,30}:cluster/(.{1,200})$";
/// How long a token is good: the cluster counts from its signature.
pub(crate) const TOKEN_SECONDS: u32 = 15 * 60;
/// What tokens begin with; the signed address of a question follows, which the cluster sends.
const TOKEN_PREFIX: &str = "k8s-aws-v1.";
/// Says which cluster a token is for.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

/// A cluster of EKS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Eks {
    arn: String,
    pub(crate) region: String,
    name: String,
}

#[derive(Deserialize)]
struct Answer {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    endpoint: String,
    certificate_authority: Authority,
}

#[derive(Deserialize)]
struct Authority {
    data: String,
}

impl Eks {
    /// Reads the ARN of a cluster. Its region becomes part of hosts that are shown credentials, so
    /// it is a region's name.
    pub(crate) fn parse(arn: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::ClusterName(format!("invalid EKS cluster ARN: '{arn}'. must match {PATTERN}"))
        };
        let pattern = Regex::new(PATTERN).map_err(|_| invalid())?;
        let found = pattern.captures(arn).ok_or_else(invalid)?;
        let (region, name) = (found[1].to_owned(), found[2].to_owned());
        let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !region.chars().all(is_region) {
            return Err(invalid());
        }
        Ok(Self { arn: arn.into(), region, name })
    }

    fn scope<'a>(&'a self, service: &'a str) -> Scope<'a> {
        Scope { region: &self.region, service }
    }

    /// Where the cluster is, as its cloud says.
    pub(crate) async fn describe(&self, wire: &Wire<'_>, keys: &Keys) -> Result<Vec<Door>, Error> {
        let failed = |error| Error::Describe {
            cluster: format!("EKS cluster '{}'", self.arn),
            source: Box::new(error),
        };
        self.doors(wire, keys).await.map_err(failed)
    }

    async fn doors(&self, wire: &Wire<'_>, keys: &Keys) -> Result<Vec<Door>, Error> {
        const WHAT: &str = "EKS DescribeCluster";
        let usual = format!("https://eks.{}.{}/", self.region, domain(&self.region));
        let names = ["AWS_ENDPOINT_URL_EKS", "AWS_ENDPOINT_URL"];
        let mut url = wire.surroundings.url(&names, &usual)?;
        let bad = |()| Error::Variable(names[0].into());
        url.path_segments_mut().map_err(bad)?.pop_if_empty().extend(["clusters", &self.name]);
        let mut ask = Ask { secrets: keys.secrets(), ..Ask::get(WHAT, Way::Far, url) };
        sign(&mut ask, keys, self.scope("eks"), wire.now)?;
        let Answer { cluster } = wire.http.json(ask).await?;
        let problem = "failed to decode EKS CA certificate";
        let authority = STANDARD.decode(&cluster.certificate_authority.data);
        let authority = authority.map_err(|_| Error::Malformed { what: WHAT.into(), problem })?;
        Ok(vec![Door { address: cluster.endpoint, authority }])
    }

    /// A token for the cluster: a question about who we are, signed for it, which it asks itself.
    pub(crate) fn token(&self, wire: &Wire<'_>, keys: &Keys) -> Result<Secret, Error> {
        let host = format!("https://sts.{}.{}/", self.region, domain(&self.region));
        let url = Url::parse(&format!("{host}?Action=GetCallerIdentity&Version=2011-06-15"));
        let problem = "the region is no part of a host";
        let url = url.map_err(|_| Error::Malformed { what: self.arn.clone(), problem })?;
        let headers = [(CLUSTER_HEADER, self.name.as_str())];
        let good = (wire.now, TOKEN_SECONDS);
        let signed = presign(url, &headers, keys, self.scope("sts"), good);
        Ok(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(signed.as_str())).into())
    }
}
