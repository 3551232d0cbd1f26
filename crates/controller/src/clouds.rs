//! The clouds, as this operator asks them: its clock, its cluster's tokens, its counters.

use std::sync::Arc;

use cloud::cache::Limits;
use cloud::who::{Account, Issuer};
use cloud::{Clouds, Secret, Surroundings};
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use crate::args::Args;
use crate::metrics::Metrics;
use crate::runtime::clock::Clock;

/// The clouds that the surroundings of the process lead to.
pub(crate) fn clouds(
    args: &Args,
    surroundings: Surroundings,
    clock: &Clock,
    client: &Client,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Clouds> {
    let limits =
        Limits { tokens_max: args.token_cache_max_size, life_max: args.token_cache_max_duration };
    let (clock, issuer) = (Arc::new(clock.clone()), Arc::new(Cluster(client.clone())));
    let clouds = Clouds::new(surroundings, limits, clock, issuer, Arc::clone(metrics) as _);
    clouds.map_err(|error| anyhow::anyhow!(artifact::text::explain(&error)))
}

/// A ServiceAccount as a cloud is told of it.
pub(crate) fn account(namespace: &str, name: &str, metadata: ObjectMeta) -> Account {
    let annotations = metadata.annotations.unwrap_or_default();
    Account { namespace: namespace.into(), name: name.into(), annotations }
}

/// The cluster, which issues tokens of its accounts.
struct Cluster(Client);

impl Issuer for Cluster {
    fn issue<'a>(
        &'a self,
        account: &'a Account,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<Secret, String>> {
        Box::pin(async move {
            let accounts: Api<ServiceAccount> = Api::namespaced(self.0.clone(), &account.namespace);
            let audiences = Some(vec![audience.to_owned()]);
            let spec = Some(TokenRequestSpec { audiences, ..TokenRequestSpec::default() });
            let request = TokenRequest { spec, ..TokenRequest::default() };
            let params = PostParams::default();
            let answer = accounts.create_token_request(&account.name, &params, &request).await;
            let answer = answer.map_err(|error| apply::Refusal::from(error).to_string())?;
            let token = answer.status.and_then(|status| status.token);
            Ok(token.ok_or("the cluster gave no token")?.into())
        })
    }
}

impl cloud::cache::Clock for Clock {
    fn instant(&self) -> tokio::time::Instant {
        Self::instant(self)
    }

    fn now(&self) -> jiff::Timestamp {
        Self::now(self)
    }
}
