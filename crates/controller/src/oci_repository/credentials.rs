//! Credentials of a source, from the secrets that it names (ocirepository.md, 6).

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use oci::keychain::Keychain;

use super::request::Request;
use crate::context::Context;

/// The credentials, and which states of which secrets they were read from.
pub(super) struct Credentials {
    pub(super) keychain: Keychain,
    /// Changes whenever the credentials may have changed.
    pub(super) version: String,
}

/// Why there are none.
pub(super) struct NoCredentials {
    /// The message, in the contract's words.
    pub(super) message: String,
    /// The name of the auth secret that does not exist, for its own event.
    pub(super) missing_secret: Option<String>,
}

impl NoCredentials {
    fn new(message: &str) -> Self {
        Self { message: format!("failed to get credential: {message}"), missing_secret: None }
    }
}

/// Reads the secrets that a source names. They are read every time, so that a mended secret counts
/// at the next try (D13).
pub(super) async fn credentials(
    context: &Context,
    namespace: &str,
    request: &Request,
) -> Result<Credentials, NoCredentials> {
    let mut credentials = Credentials { keychain: Keychain::default(), version: String::new() };
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    if let Some(name) = &request.secret {
        let secret = secrets.get(name).await.map_err(|error| {
            let cause = apply::Refusal::from(error);
            let text = format!("failed to get secret '{namespace}/{name}': {cause}");
            NoCredentials { missing_secret: Some(name.clone()), ..NoCredentials::new(&text) }
        })?;
        credentials.add(namespace, &secret)?;
    }
    let Some(account_name) = &request.service_account else { return Ok(credentials) };
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    let account = accounts.get(account_name).await.map_err(|error| {
        NoCredentials::new(&match error {
            kube::Error::Api(answer) if answer.code == 404 => {
                format!("serviceaccount '{namespace}/{account_name}' not found")
            }
            other => apply::Refusal::from(other).to_string(),
        })
    })?;
    for reference in account.image_pull_secrets.unwrap_or_default() {
        let name = reference.name;
        let secret = secrets.get(&name).await.map_err(|error| {
            let cause = match error {
                kube::Error::Api(answer) if answer.code == 404 => {
                    format!("secret '{namespace}/{name}' not found")
                }
                other => apply::Refusal::from(other).to_string(),
            };
            let subject = format!("serviceaccount '{namespace}/{account_name}'");
            NoCredentials::new(&format!("failed to get image pull secret for {subject}: {cause}"))
        })?;
        credentials.add(namespace, &secret)?;
    }
    Ok(credentials)
}

impl Credentials {
    /// Adds what a secret holds. Other types than pull secrets count for nothing, as in Flux, but
    /// not in silence.
    fn add(&mut self, namespace: &str, secret: &Secret) -> Result<(), NoCredentials> {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let value = |key: &str| {
            secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.as_slice())
        };
        let added = match secret.type_.as_deref().unwrap_or_default() {
            "kubernetes.io/dockerconfigjson" => {
                self.keychain.add_docker_config_json(value(".dockerconfigjson").unwrap_or_default())
            }
            "kubernetes.io/dockercfg" => {
                self.keychain.add_docker_cfg(value(".dockercfg").unwrap_or_default())
            }
            other => {
                tracing::warn!(%namespace, secret = name, r#type = other, "not a pull secret: ignored");
                Ok(())
            }
        };
        let version = secret.metadata.resource_version.as_deref().unwrap_or_default();
        self.version.extend([name, "@", version, ";"]);
        added.map_err(|error| NoCredentials::new(&format!("secret '{namespace}/{name}': {error}")))
    }
}
