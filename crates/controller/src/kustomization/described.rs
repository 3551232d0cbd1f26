//! Clusters that a ConfigMap describes, opened by tokens (kustomization.md, 13,
//! `kubeConfig.configMapRef`).

use std::collections::BTreeMap;
use std::sync::Arc;

use apply::bearer::{Bearer, Server};
use artifact::text::explain;
use cloud::cluster::Description;
use cloud::who::{Identity, Object};
use cloud::{Clouds, Provider, Secret, Who};
use futures::future::BoxFuture;
use http::HeaderValue;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::clouds::find_account;
use crate::context::Context;
use crate::gates::OBJECT_LEVEL_IDENTITY;
use crate::runtime::cache::Key;

/// More of them are no list that somebody wrote.
const AUDIENCES_MAX: usize = 100;

/// The API server that a ConfigMap describes, and tokens for it; the error is the text of the
/// condition.
pub(super) async fn server(context: &Context, key: &Key, name: &str) -> Result<Server, String> {
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &key.namespace);
    let map = maps.get(name).await.map_err(|error| {
        let cause = apply::Refusal::from(error);
        format!("failed to get configmap {}/{name}: {cause}", key.namespace)
    })?;
    let data = map.data.unwrap_or_default();
    let description = describe(&data)?;
    let who = who(context, key, &data, &description).await?;
    let tokens = Tokens { clouds: context.clouds.clone(), description, who };
    let entrance = tokens.clouds.cluster(&tokens.description, &tokens.who).await;
    let entrance = entrance.map_err(|error| explain(&error))?;
    Ok(Server {
        address: entrance.address,
        authorities: entrance.authorities,
        described: format!("{:?} {:?}", tokens.description, tokens.who.identity),
        bearer: Arc::new(tokens),
    })
}

fn text<'a>(data: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    data.get(key).map_or("", String::as_str)
}

fn describe(data: &BTreeMap<String, String>) -> Result<Description, String> {
    let provider = match text(data, "provider") {
        "generic" => None,
        "aws" => Some(Provider::Aws),
        "azure" => Some(Provider::Azure),
        "gcp" => Some(Provider::Gcp),
        other => return Err(format!("provider '{other}' not implemented")),
    };
    let text = |key: &str| text(data, key).to_owned();
    let (cluster, address, authority) = (text("cluster"), text("address"), text("ca.crt"));
    Ok(Description { provider, cluster, address, authority })
}

/// Whose tokens the cluster is shown: those of the account that the description names, else of the
/// default one, else our own.
async fn who(
    context: &Context,
    key: &Key,
    data: &BTreeMap<String, String>,
    description: &Description,
) -> Result<Who, String> {
    const FAILED: &str = "failed to get access token for cluster";
    let settings = &context.settings;
    let default = &settings.default_kubeconfig_service_account;
    let named = text(data, "serviceAccountName");
    let found = find_account(&context.client, &key.namespace, named, default).await;
    let found = found.map_err(|cause| format!("{FAILED}: {cause}"))?;
    let audiences = audiences(text(data, "audiences"))?;
    let identity = match found {
        Some(_) if !settings.object_level_identity => {
            return Err(format!("{FAILED}: {OBJECT_LEVEL_IDENTITY} feature gate is not enabled"));
        }
        Some(account) => Identity::Account(cloud::who::Account { audiences, ..account }),
        // A token of ours for whomever a tenant names would be ours to give away.
        None if description.provider.is_none() && !audiences.is_empty() => {
            return Err(format!(
                "{FAILED}: audiences need a serviceAccountName: a token of the controller is for \
                 the address of the cluster only"
            ));
        }
        None => Identity::Ambient,
    };
    let Key { namespace, name } = key.clone();
    Ok(Who { identity, object: Object { kind: "Kustomization", namespace, name } })
}

/// One a line.
fn audiences(text: &str) -> Result<Vec<String>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let found: Vec<String> = lines.map(str::to_owned).collect();
    if found.len() > AUDIENCES_MAX {
        return Err(format!("more than {AUDIENCES_MAX} audiences"));
    }
    Ok(found)
}

/// Tokens for a cluster; the clouds keep what is still good.
#[derive(Clone)]
struct Tokens {
    clouds: Clouds,
    description: Description,
    who: Who,
}

impl Bearer for Tokens {
    fn authorization(&self) -> BoxFuture<'static, Result<HeaderValue, String>> {
        let Self { clouds, description, who } = self.clone();
        Box::pin(async move {
            let entrance = clouds.cluster(&description, &who).await;
            let token = entrance.map_err(|error| explain(&error))?.token;
            let header = Secret::from(format!("Bearer {}", token.reveal()));
            HeaderValue::from_str(header.reveal())
                .map_err(|_| "the token for the cluster fits no header".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_a_provider_that_is_known() {
        let read = |provider: &str| {
            let data = [("provider", provider), ("address", "a"), ("ca.crt", "c")];
            describe(&data.map(|(key, value)| (key.into(), value.into())).into())
        };
        assert_eq!(read("gcp").map(|found| found.provider), Ok(Some(Provider::Gcp)));
        assert_eq!(read("generic").map(|found| found.address), Ok("a".to_owned()));
        assert_eq!(read("openstack"), Err("provider 'openstack' not implemented".to_owned()));
        assert_eq!(audiences(" a\n\n\tb \n"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(audiences(&"a\n".repeat(AUDIENCES_MAX + 1)).is_err());
    }
}
