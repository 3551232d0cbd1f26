//! What the tests share: a cluster, clouds, identities.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::cache::{Clock, Count, Limits};
use cloud::who::{Account, Identity, Issuer, Object};
use cloud::{Clouds, Secret, Surroundings, Who};
use clouds::Imitation;
use futures::future::BoxFuture;

const CLUSTER_TOKEN: &str = "canary-signature-of-the-cluster";

/// Environment variables.
pub(crate) type Variables<'a> = &'a [(&'a str, &'a str)];

/// A cluster that gives every account a token for what it asks for.
struct Cluster;

impl Issuer for Cluster {
    fn issue<'a>(
        &'a self,
        account: Option<&'a Account>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Secret, String>> {
        Box::pin(async move {
            let Some(account) = account else {
                return Ok(token_for("system:serviceaccount:sluice-system:sluice", audiences));
            };
            if account.name == "gone" {
                return Err("serviceaccounts \"gone\" not found".into());
            }
            let subject = format!("system:serviceaccount:{}:{}", account.namespace, account.name);
            Ok(token_for(&subject, audiences))
        })
    }
}

pub(crate) fn token(subject: &str, audience: &str) -> Secret {
    token_for(subject, &[audience.to_owned()])
}

/// A token that is good for an hour.
pub(crate) fn token_for(subject: &str, audiences: &[String]) -> Secret {
    let ends = jiff::Timestamp::now().as_second() + 3600;
    let claims = serde_json::json!({"aud": audiences, "sub": subject, "exp": ends}).to_string();
    format!("e30.{}.{CLUSTER_TOKEN}", URL_SAFE_NO_PAD.encode(claims)).into()
}

struct Real;

impl Clock for Real {
    fn instant(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

struct Nobody;

impl Count for Nobody {
    fn looked_up(&self, _: &Object, _: bool) {}
    fn answered(&self, _: bool) {}
    fn evicted(&self) {}
    fn grown(&self) {}
}

pub(crate) fn clouds(imitation: &Imitation, variables: Variables) -> Clouds {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let around = Surroundings::new(variables).by_way_of(imitation.address().parse().unwrap());
    let limits = Limits { tokens_max: 10, life_max: Duration::from_secs(3600) };
    Clouds::new(around, limits, Arc::new(Real), Arc::new(Cluster), Arc::new(Nobody)).unwrap()
}

pub(crate) fn who(identity: Identity) -> Who {
    let object = Object { kind: "OCIRepository", namespace: "ns".into(), name: "src".into() };
    Who { identity, object }
}

pub(crate) fn account(name: &str, annotations: &[(&str, &str)]) -> Who {
    let annotations: BTreeMap<_, _> =
        annotations.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let (namespace, audiences) = ("ns".into(), Vec::new());
    let account = Account { namespace, name: name.into(), annotations, audiences };
    who(Identity::Account(account))
}

/// A file that a variable names.
pub(crate) fn file(content: &Secret) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.reveal().as_bytes()).unwrap();
    file
}

pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", explain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}
