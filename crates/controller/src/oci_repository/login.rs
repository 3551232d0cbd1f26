//! The login that a cloud gives of its registry (ocirepository.md, 6.4).

use artifact::text::explain;
use cloud::Who;
use cloud::who::{Account, Identity, Object};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use oci::Select;
use oci::keychain::Credential;
use tokio::time::Instant;

use super::access::{Access, Found};
use super::converge::Attempt;
use super::failure::Failure;
use crate::gates::OBJECT_LEVEL_IDENTITY;

/// Adds the login of the source's cloud to what its secrets give, where it has a cloud and no
/// secrets. What needs no registry, because it is pinned by its digest and stored, needs no login.
pub(super) async fn login(
    attempt: &Attempt<'_>,
    found: Found,
    deadline: Instant,
) -> Result<Access, Failure> {
    let Found { mut access, account, has_secrets } = found;
    let Some(provider) = attempt.request.provider.filter(|_| !has_secrets) else {
        return Ok(access);
    };
    let context = attempt.context;
    if account.is_some() && !context.settings.object_level_identity {
        let message = format!(
            "to use spec.serviceAccountName for provider authentication please enable the \
             {OBJECT_LEVEL_IDENTITY} feature gate in the controller"
        );
        return Err(Failure::Stalled { reason: "FeatureGateDisabled", message });
    }
    if is_pinned_and_stored(attempt) {
        return Ok(access);
    }
    let registry = attempt.request.reference.registry().to_owned();
    let asking = async {
        let who = Who { identity: identity(attempt, account).await?, object: object(attempt) };
        let clouds = match &access.proxy {
            None => context.clouds.clone(),
            Some(proxy) => {
                let name = format!("{} {:?}", proxy.address, proxy.credentials);
                let route = proxy.route().map_err(|error| explain(&error))?;
                context.clouds.through(name, route).map_err(|error| explain(&error))?
            }
        };
        let login = clouds.login(provider, &registry, &who).await;
        login.map_err(|error| explain(&error))
    };
    let login = tokio::select! {
        login = asking => login,
        () = context.clock.sleep_until(deadline) => Err("context deadline exceeded".into()),
    };
    let (reason, stage) = attempt.first_stage();
    let login = login.map_err(|text| Failure::fetch(reason, format!("{stage}: {text}")))?;
    let password = login.password.reveal().to_owned();
    access.keychain.add(&registry, Credential::Basic { username: login.username, password });
    Ok(access)
}

fn object(attempt: &Attempt<'_>) -> Object {
    let (namespace, name) = (attempt.key.namespace.clone(), attempt.key.name.clone());
    Object { kind: "OCIRepository", namespace, name }
}

fn is_pinned_and_stored(attempt: &Attempt<'_>) -> bool {
    let Select::Digest(digest) = &attempt.request.select else { return false };
    attempt.up_to_date(&artifact::Revision::new(digest)).is_some() && attempt.is_proven()
}

/// Whose login it is: the account's that the source names, the default one's, or our own.
async fn identity(attempt: &Attempt<'_>, account: Option<Account>) -> Result<Identity, String> {
    let (context, namespace) = (attempt.context, &attempt.key.namespace);
    let name = &context.settings.source_default_service_account;
    match account {
        Some(account) => return Ok(Identity::Account(account)),
        None if name.is_empty() => return Ok(Identity::Ambient),
        None => {}
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    let failed = |cause: &str| {
        format!(
            "failed to get access token for artifact registry: failed to get service account \
             '{namespace}/{name}': {cause}"
        )
    };
    match accounts.get(name).await {
        Ok(found) => Ok(Identity::Account(crate::clouds::account(namespace, name, found.metadata))),
        Err(kube::Error::Api(answer)) if answer.code == 404 => Err(failed(
            "the specified default service account does not exist in the object namespace. your \
             cluster is subject to multi-tenant workload identity lockdown, reach out to your \
             cluster administrator for help",
        )),
        Err(error) => Err(failed(&apply::Refusal::from(error).to_string())),
    }
}
