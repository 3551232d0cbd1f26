//! The clouds, as this operator asks them: its clock, its cluster's tokens, its counters.

use std::sync::Arc;

use cloud::cache::Limits;
use cloud::who::{Account, Issuer};
use cloud::{Clouds, Secret, Surroundings};
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec};
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
    Account { namespace: namespace.into(), name: name.into(), annotations, audiences: Vec::new() }
}

/// What is said where the account is missing that the operator is told to use.
const NO_DEFAULT: &str = "the specified default service account does not exist in the object namespace. your cluster is \
     subject to multi-tenant workload identity lockdown, reach out to your cluster administrator \
     for help";

/// Reads the account that a cloud is asked as: the one that an object names, else the default one;
/// `None` where both are empty. The error is the text of the condition.
pub(crate) async fn find_account(
    client: &Client,
    namespace: &str,
    named: &str,
    default: &str,
) -> Result<Option<Account>, String> {
    let name = if named.is_empty() { default } else { named };
    if name.is_empty() {
        return Ok(None);
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let cause = match accounts.get(name).await {
        Ok(found) => return Ok(Some(account(namespace, name, found.metadata))),
        Err(kube::Error::Api(answer)) if answer.code == 404 && named.is_empty() => {
            NO_DEFAULT.to_owned()
        }
        Err(error) => apply::Refusal::from(error).to_string(),
    };
    Err(format!("failed to get service account '{namespace}/{name}': {cause}"))
}

/// The cluster, which issues tokens of its accounts.
struct Cluster(Client);

impl Cluster {
    /// Namespace and name of the account that this process asks the cluster as.
    async fn own(&self) -> Result<(String, String), String> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.0.clone());
        let review = SelfSubjectReview::default();
        let answer = reviews.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| apply::Refusal::from(error).to_string())?;
        let user = answer.status.and_then(|status| status.user_info?.username).unwrap_or_default();
        let account = user.strip_prefix("system:serviceaccount:");
        let (namespace, name) = account
            .and_then(|account| account.split_once(':'))
            .ok_or_else(|| format!("the controller is no service account but {user}"))?;
        Ok((namespace.to_owned(), name.to_owned()))
    }
}

impl Issuer for Cluster {
    fn issue<'a>(
        &'a self,
        account: Option<&'a Account>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Secret, String>> {
        Box::pin(async move {
            let (namespace, name) = match account {
                Some(account) => (account.namespace.clone(), account.name.clone()),
                None => self.own().await?,
            };
            let accounts: Api<ServiceAccount> = Api::namespaced(self.0.clone(), &namespace);
            let audiences = Some(audiences.to_vec());
            let spec = Some(TokenRequestSpec { audiences, ..TokenRequestSpec::default() });
            let request = TokenRequest { spec, ..TokenRequest::default() };
            let params = PostParams::default();
            let answer = accounts.create_token_request(&name, &params, &request).await;
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
