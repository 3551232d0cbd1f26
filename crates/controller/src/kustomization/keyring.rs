//! Who unwraps the data keys of a Kustomization's documents: identities and credentials of its
//! Secret, then whoever it or the operator is for a key service.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::kustomization::Decryption;
use artifact::text::explain;
use cloud::keys::{Asker, AwsKey, AzureKey};
use cloud::vault::{VaultKey, VaultLogin};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use sops::keys::{KeyId, Unwrapped};
use sops::{DataKey, MasterKey, Wrapped, age, pgp};
use zeroize::Zeroizing;

use super::key_services::{Credentials, Services};
use crate::context::Context;
use crate::runtime::cache::Key;

/// Endings of the keys of a Secret that hold identities.
const AGE_ENDING: &str = ".agekey";
const PGP_ENDING: &str = ".asc";

/// What a Secret holds.
type Data = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Everybody who may unwrap a data key.
pub(super) struct Keyring {
    own: Arc<Own>,
    credentials: Credentials,
    services: Services,
}

/// Identities that need nobody else.
#[derive(Default)]
struct Own {
    age: age::Identities,
    pgp: pgp::SecretKeys,
}

impl Keyring {
    /// Reads the Secret of a decryption, or else the operator's own; the text of what is wrong.
    pub(super) async fn read(
        context: &Arc<Context>,
        key: &Key,
        decryption: &Decryption,
    ) -> Result<Self, String> {
        let (mut own, mut credentials) = (Own::default(), Credentials::default());
        let settings = &context.settings;
        let global = &settings.decryption.sops_age_secret;
        if let Some(reference) = &decryption.secret_ref {
            let data = data(context, &key.namespace, &reference.name).await?;
            let secret = format!("{}/{}", key.namespace, reference.name);
            import(&secret, &data, &mut own, &mut credentials)?;
        } else if !global.is_empty() {
            let namespace = &settings.runtime_namespace;
            let mut data = data(context, namespace, global).await?;
            data.retain(|key, _| key.ends_with(AGE_ENDING));
            import(&format!("{namespace}/{global}"), &data, &mut own, &mut credentials)?;
        }
        let services = Services::new(context, key, decryption);
        Ok(Self { own: Arc::new(own), credentials, services })
    }

    /// The data key, from the first key of each group that gives it, or the text that tells of all
    /// of them.
    pub(super) async fn unwrap(&self, wrapped: &Wrapped) -> Result<DataKey, String> {
        let mut outcomes = Vec::new();
        for group in &wrapped.groups {
            let mut tried = Vec::new();
            for key in group {
                tried.push(self.ask(key).await);
                if tried.last().is_some_and(Result::is_ok) {
                    break;
                }
            }
            outcomes.push(tried);
        }
        wrapped.conclude(&outcomes)
    }

    async fn ask(&self, key: &MasterKey) -> Unwrapped {
        let given = &self.credentials;
        let clouds = self.services.clouds();
        let unwrapped = match &key.id {
            KeyId::Age { .. } | KeyId::Pgp { .. } => return self.ask_own(key).await,
            KeyId::AwsKms { arn, role, context } => {
                let who = self.services.who(given.aws.is_some()).await?;
                let asker = Asker { given: given.aws.as_ref(), who: &who };
                clouds.aws_unwrap(asker, &AwsKey { arn, role, context }, &key.wrapped).await
            }
            KeyId::GcpKms { resource } => {
                let who = self.services.who(given.gcp.is_some()).await?;
                let asker = Asker { given: given.gcp.as_ref(), who: &who };
                clouds.gcp_unwrap(asker, resource, &key.wrapped).await
            }
            KeyId::AzureKeyVault { vault_url, name, version } => {
                let who = self.services.who(given.azure.is_some()).await?;
                let asker = Asker { given: given.azure.as_ref(), who: &who };
                let id = AzureKey { vault_url, name, version };
                clouds.azure_unwrap(asker, &id, &key.wrapped).await
            }
            KeyId::Vault { address, engine_path, key_name: name } => {
                let id = VaultKey { address, engine_path, name };
                return self.ask_vault(&id, &key.wrapped).await;
            }
            KeyId::HuaweiKms { .. } => return Err("Huawei KMS is not supported".into()),
        };
        unwrapped.map_err(|error| explain(&error))
    }

    /// On a thread of its own: it computes, and a document may ask for much.
    async fn ask_own(&self, key: &MasterKey) -> Unwrapped {
        let (own, key) = (Arc::clone(&self.own), key.clone());
        let work = tokio::task::spawn_blocking(move || match key.id {
            KeyId::Age { .. } => own.age.unwrap(&key.wrapped),
            _ => own.pgp.unwrap(&key.wrapped),
        });
        work.await.unwrap_or_else(|panicked| Err(panicked.to_string()))
    }

    /// The Secret's own token, else a login of the account, else the operator's token.
    async fn ask_vault(&self, key: &VaultKey<'_>, wrapped: &str) -> Unwrapped {
        let clouds = self.services.clouds();
        let unwrapped = if let Some(token) = &self.credentials.vault {
            clouds.vault_unwrap(VaultLogin::Token(token), key, wrapped).await
        } else if let Some((account, path)) = self.services.vault_login(key.address).await? {
            clouds.vault_unwrap(VaultLogin::Account(&account, &path), key, wrapped).await
        } else {
            let token = clouds.vault_token(key.address);
            let token = token.ok_or("there is no token for this Vault server")?;
            clouds.vault_unwrap(VaultLogin::Token(&token), key, wrapped).await
        };
        unwrapped.map_err(|error| explain(&error))
    }
}

/// Takes what a Secret holds.
fn import(
    secret: &str,
    data: &Data,
    own: &mut Own,
    credentials: &mut Credentials,
) -> Result<(), String> {
    for (key, value) in data {
        let text = std::str::from_utf8(value).map_err(|_| "it is no text".to_owned());
        let imported = text.and_then(|text| {
            if key.ends_with(AGE_ENDING) {
                let failed = |error| format!("failed to parse and add to age identities: {error}");
                own.age.add(text).map_err(failed)
            } else if key.ends_with(PGP_ENDING) {
                own.pgp.add(text)
            } else {
                credentials.import(key, text)
            }
        });
        imported.map_err(|error| {
            format!("failed to import '{key}' data from sops decryption Secret '{secret}': {error}")
        })?;
    }
    Ok(())
}

/// The data of a Secret. One that is not there is named as the API server names it.
async fn data(context: &Context, namespace: &str, name: &str) -> Result<Data, String> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    match secrets.get(name).await {
        Ok(secret) => {
            let data = secret.data.unwrap_or_default().into_iter();
            Ok(data.map(|(key, value)| (key, Zeroizing::new(value.0))).collect())
        }
        Err(kube::Error::Api(answer)) if answer.code == 404 => {
            Err(format!("secrets \"{name}\" not found"))
        }
        Err(error) => {
            let cause = apply::Refusal::from(error);
            Err(format!("cannot get sops decryption Secret '{namespace}/{name}': {cause}"))
        }
    }
}
