//! The login that a cloud gives of its registry (ocirepository.md, 6.4).

use artifact::text::explain;
use cloud::Who;
use cloud::who::{Account, Identity, Object};
use oci::Select;
use oci::keychain::Credential;
use tokio::time::Instant;

use super::access::{Access, Found};
use super::converge::Attempt;
use super::failure::Failure;
use crate::clouds::find_account;
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
    if let Some(account) = account {
        return Ok(Identity::Account(account));
    }
    let (context, namespace) = (attempt.context, &attempt.key.namespace);
    let default = &context.settings.source_default_service_account;
    let found = find_account(&context.client, namespace, "", default).await;
    let found = found
        .map_err(|cause| format!("failed to get access token for artifact registry: {cause}"))?;
    Ok(found.map_or(Identity::Ambient, Identity::Account))
}
